//! Every challenge fails with its start settings, and can be met.

use highwater::{
    analysis::{Challenge, Goal},
    scenario::{self, CHAPTERS, Experiment},
    trace::Trace,
};

type Settings = &'static [(&'static str, &'static str)];

/// Settings that meet each challenge.
const SOLUTIONS: [(&str, Settings); 9] = [
    ("observer", &[("policy", "isolate"), ("errors", "observed")]),
    (
        "decoupling",
        &[
            ("design", "events"),
            ("listeners", "async"),
            ("inbox", "32"),
        ],
    ),
    ("backpressure", &[("heed", "wait"), ("mark", "256")]),
    ("pipeline", &[("window", "8"), ("mark", "4")]),
    ("taxonomy", &[("design", "classified"), ("breaker", "on")]),
    ("handler", &[("policy", "supervise"), ("restarts", "15")]),
    ("blocking", &[("run", "offloaded"), ("queue", "20")]),
    ("threads", &[("threads", "4"), ("jobs", "24")]),
    ("cluster", &[("restart", "rolling"), ("workers", "4")]),
];

fn experiment(challenge: &Challenge, more: &[(&str, &str)]) -> Experiment {
    let mut experiment = scenario::find(challenge.scenario).unwrap().experiment();
    for (key, value) in [challenge.load, challenge.start, more].concat() {
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn unmet(challenge: &Challenge, trace: &Trace) -> Vec<Goal> {
    let goals = challenge.judge(trace).into_iter();
    goals.filter(|goal| !goal.is_met).collect()
}

#[test]
fn every_scenario_has_a_challenge() {
    let challenges: Vec<_> = Challenge::ALL.iter().map(|it| it.scenario).collect();
    let scenarios: Vec<_> = CHAPTERS
        .iter()
        .flat_map(|it| it.scenarios)
        .copied()
        .collect();
    assert_eq!(challenges, scenarios);
    for name in scenarios {
        assert_eq!(Challenge::find(name).unwrap().scenario, name);
    }
    assert!(Challenge::find("clusters").is_none());
}

#[test]
fn start_settings_fail_every_challenge() {
    for challenge in Challenge::ALL {
        let trace = experiment(challenge, &[]).simulate();
        let unmet = unmet(challenge, &trace);
        assert!(!unmet.is_empty(), "{}", challenge.scenario);
        let load = challenge.judge(&trace).swap_remove(0);
        assert!(load.is_met, "{}: {load:?}", challenge.scenario);
    }
}

#[test]
fn default_settings_meet_no_challenge() {
    for challenge in Challenge::ALL {
        let scenario = scenario::find(challenge.scenario).unwrap();
        let trace = scenario.experiment().simulate();
        assert!(!unmet(challenge, &trace).is_empty(), "{}", scenario.name);
    }
}

#[test]
fn solutions_meet_every_challenge() {
    for (name, solution) in SOLUTIONS {
        let challenge = Challenge::find(name).unwrap();
        let mut experiment = experiment(challenge, solution);
        for seed in ["1", "2", "3"] {
            experiment.set("seed", seed).unwrap();
            let unmet = unmet(challenge, &experiment.simulate());
            assert!(unmet.is_empty(), "{name}, seed {seed}: {unmet:#?}");
        }
    }
}

/// A solution contains no unnecessary setting.
#[test]
fn every_part_of_a_solution_is_needed() {
    for (name, solution) in SOLUTIONS {
        let challenge = Challenge::find(name).unwrap();
        for left_out in 0..solution.len() {
            let mut rest = solution.to_vec();
            let (key, _) = rest.remove(left_out);
            let trace = experiment(challenge, &rest).simulate();
            let is_met = unmet(challenge, &trace).is_empty();
            assert!(!is_met, "{name} is met without {key}");
        }
    }
}

/// Settings that miss only some goals, and words of such a goal.
const NEARLY: [(&str, Settings, &str); 7] = [
    (
        "decoupling",
        &[("overflow", "drop-oldest"), ("inbox", "4")],
        "gets a mail",
    ),
    ("pipeline", &[("mark", "5")], "4 KiB"),
    ("backpressure", &[("mark", "320")], "256 KiB"),
    ("backpressure", &[("overflow", "drop-oldest")], "all 120"),
    ("blocking", &[("queue", "2")], "is rejected"),
    ("taxonomy", &[("design", "catch_all")], "internals"),
    ("taxonomy", &[("attempts", "1")], "are retried"),
];

#[test]
fn near_misses_fail() {
    for (name, more, words) in NEARLY {
        let challenge = Challenge::find(name).unwrap();
        let (_, solution) = SOLUTIONS.iter().find(|it| it.0 == name).unwrap();
        let trace = experiment(challenge, &[solution, more].concat()).simulate();
        let unmet = unmet(challenge, &trace);
        let mut claims = unmet.iter().map(|goal| goal.claim);
        assert!(claims.any(|it| it.contains(words)), "{name}: {unmet:?}");
    }
}

/// Goals that no settings can miss: the library guarantees them.
const LESSONS: [&str; 2] = ["the run takes at most 6 s", "every batch is written"];

#[test]
fn every_goal_is_missed_by_some_run() {
    for challenge in Challenge::ALL {
        let (name, solution) = SOLUTIONS
            .iter()
            .find(|it| it.0 == challenge.scenario)
            .unwrap();
        let parts = (0..solution.len()).map(|left_out| {
            let mut rest = solution.to_vec();
            rest.remove(left_out);
            rest
        });
        let nearly = NEARLY.iter().filter(|it| it.0 == *name);
        let nearly = nearly.map(|it| [*solution, it.1].concat());
        let tries = [Vec::new()].into_iter().chain(parts).chain(nearly);
        let missed: Vec<_> = tries
            .flat_map(|more| unmet(challenge, &experiment(challenge, &more).simulate()))
            .map(|goal| goal.claim)
            .collect();
        for claim in challenge.claims().skip(1) {
            let is_lesson = LESSONS.contains(&claim);
            assert!(is_lesson != missed.contains(&claim), "{name}: {claim}");
        }
    }
}

#[test]
fn lighter_load_fails() {
    for challenge in Challenge::ALL {
        let (_, solution) = SOLUTIONS
            .iter()
            .find(|it| it.0 == challenge.scenario)
            .unwrap();
        let trace = experiment(challenge, solution).simulate();
        for (key, given) in challenge.load {
            let other_value = if *given == "0" { "1" } else { "0" };
            let mut other = trace.clone();
            let param = other.params.iter_mut().find(|it| it.0 == *key).unwrap();
            other_value.clone_into(&mut param.1);
            let [goal] = unmet(challenge, &other).try_into().unwrap();
            assert_eq!(goal.claim, challenge.claims().next().unwrap());
            assert!(
                goal.evidence
                    .starts_with(&format!("{key} is {other_value}, not "))
            );
            // Changing it during the run fails too.
            let mut later = trace.clone();
            later.params.push((format!("{key}@1500"), "0".to_owned()));
            let [goal] = unmet(challenge, &later).try_into().unwrap();
            assert_eq!(goal.evidence, format!("{key} changed during the run"));
        }
    }
}

#[test]
fn incomplete_run_meets_no_goal() {
    let challenge = Challenge::find("backpressure").unwrap();
    let whole = experiment(challenge, SOLUTIONS[2].1).simulate();
    let died = Trace {
        died: Some("a bug".to_owned()),
        ..whole.clone()
    };
    let lossy = Trace {
        dropped: 3,
        ..whole.clone()
    };
    for (trace, evidence) in [
        (died, "not shown: the run died (a bug)"),
        (lossy, "not shown: 3 records lost"),
    ] {
        let goals = challenge.judge(&trace);
        assert_eq!(goals.len(), challenge.claims().count());
        assert!(goals.iter().all(|it| !it.is_met && it.evidence == evidence));
    }
}
