//! The checks of every scenario hold under every model of arrivals and times.

use crate::{cases::cases, strategies::random_value, support::assert_none_fails};
use highwater::scenario::{self, Experiment, Param, ParamKind, ParamUnit, Scenario};
use proptest::{prelude::*, sample::Index};

/// The largest count in a random run.
const MAX_COUNT: u64 = 60;

/// The longest mean duration of a job in a random run, in milliseconds.
const MAX_JOB: u64 = 10;

/// Returns the options of a model parameter, if the scenario has it.
fn models(scenario: &Scenario, key: &'static str) -> Vec<Option<(&'static str, &'static str)>> {
    let mut params = scenario.params.iter();
    match params.find(|param| param.key == key).map(|it| it.kind) {
        Some(ParamKind::Choice { options, .. }) => {
            options.iter().map(|it| Some((key, *it))).collect()
        }
        _ => vec![None],
    }
}

/// Creates an experiment of a preset. Simulated users are reduced to 3,000.
fn experiment(scenario: &'static Scenario, preset: usize) -> Experiment {
    let mut experiment = scenario.experiment();
    for (key, value) in scenario.presets[preset].set {
        let value = if *key == "users" { "3000" } else { value };
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn assert_checks_hold(experiment: &Experiment) {
    let trace = experiment.simulate();
    assert_eq!((&trace.died, trace.dropped), (&None, 0));
    assert_none_fails(&trace);
}

#[test]
fn checks_hold_under_every_pair_of_models() {
    for scenario in scenario::ALL {
        let arrivals = models(scenario, "arrivals");
        let pairs = arrivals.iter().flat_map(|arrivals| {
            let times = models(scenario, "times").into_iter();
            times.map(|times| arrivals.iter().copied().chain(times))
        });
        for (seed, pair) in (1..).zip(pairs) {
            for preset in 0..scenario.presets.len() {
                let mut experiment = experiment(scenario, preset);
                experiment.set("seed", &format!("{seed}")).unwrap();
                for (key, model) in pair.clone() {
                    experiment.set(key, model).unwrap();
                }
                assert_checks_hold(&experiment);
            }
        }
    }
}

/// Returns a random value that keeps a run short.
fn random_setting(param: &Param, pick: u64) -> String {
    match param.kind {
        ParamKind::Integer {
            unit: ParamUnit::Count,
            min,
            max,
            ..
        } if max > MAX_COUNT => (min + pick % MAX_COUNT).to_string(),
        ParamKind::Integer { min, .. } if param.key == "size" => (min + pick % MAX_JOB).to_string(),
        // A bug ends the run. Some kinds of job are computed even in simulated time.
        ParamKind::Choice { default, .. } if ["fault", "job"].contains(&param.key) => {
            default.to_owned()
        }
        _ => random_value(param, pick),
    }
}

/// Any scenario with random models of arrivals and times, random shapes, and up to
/// three other random parameters.
fn any_experiment() -> impl Strategy<Value = Experiment> {
    let others = prop::collection::vec((any::<Index>(), any::<u64>()), 0..4);
    let shapes = any::<[u64; 5]>();
    (any::<[Index; 2]>(), shapes, others, 0..1_000_u64).prop_map(
        |([scenario, preset], shapes, others, seed)| {
            let scenario = *scenario.get(scenario::ALL);
            let mut experiment = experiment(scenario, preset.index(scenario.presets.len()));
            experiment.set("seed", &seed.to_string()).unwrap();
            let mut set = |param: &Param, pick| {
                let value = random_setting(param, pick);
                experiment.set(param.key, &value).unwrap();
            };
            for (param, pick) in others {
                set(param.get(scenario.params), pick);
            }
            let keys = ["arrivals", "burst", "times", "cv", "cap"];
            for (key, pick) in keys.into_iter().zip(shapes) {
                if let Some(param) = scenario.params.iter().find(|it| it.key == key) {
                    set(param, pick);
                }
            }
            experiment
        },
    )
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn checks_hold_with_random_workloads(experiment in any_experiment()) {
        assert_checks_hold(&experiment);
    }
}
