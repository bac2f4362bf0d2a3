//! Predictions of queueing theory beside runs.

use highwater::{
    analysis::{Figure, Measures, Metric, PlotRun, Prediction, Theory, TheoryRow, plot},
    scenario,
    trace::Trace,
};

const POISSON: [(&str, &str); 2] = [("arrivals", "poisson"), ("times", "exponential")];

fn empty(name: &str, sets: &[&[(&str, &str)]]) -> Trace {
    experiment(name, sets).new_trace("virtual")
}

fn experiment(name: &str, sets: &[&[(&str, &str)]]) -> scenario::Experiment {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in sets.iter().copied().flatten() {
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn model(name: &str, sets: &[&[(&str, &str)]]) -> String {
    let theory = Theory::of_settings(&empty(name, sets));
    match theory.steady_state() {
        Some(state) => state.model.to_owned(),
        None => theory.summary(),
    }
}

fn row<'a>(theory: &'a Theory, key: &str) -> &'a TheoryRow {
    theory.rows.iter().find(|row| row.key == key).unwrap()
}

#[test]
fn settings_decide_the_model() {
    let one = [("every", "0"), ("work", "20")];
    assert_eq!(model("blocking", &[&one, &POISSON]), "M/M/1");
    let fixed = [("arrivals", "poisson"), ("times", "fixed")];
    assert_eq!(model("blocking", &[&one, &fixed]), "M/D/1");
    let lognormal = [
        ("arrivals", "poisson"),
        ("times", "lognormal"),
        ("cv", "2.5"),
    ];
    assert_eq!(model("blocking", &[&one, &lognormal]), "M/G/1");
    let ignored = [("heed", "ignore"), ("read", "30"), ("write", "20")];
    assert_eq!(model("backpressure", &[&ignored, &POISSON[1..]]), "M/M/1");
    let cluster = |set: &[(&str, &str)]| model("cluster", &[&POISSON, &[("event", "none")], set]);
    assert_eq!(cluster(&[("workers", "1"), ("interval", "40")]), "M/M/1");
    let shared = [("balance", "shared_queue"), ("workers", "4")];
    assert_eq!(cluster(&shared), "M/M/c");
    assert_eq!(
        cluster(&[&shared[..], &[("queue", "6")]].concat()),
        "M/M/c/K"
    );
}

#[test]
fn reason_is_given_without_a_formula() {
    for (name, set, reason) in [
        (
            "cluster",
            &[("users", "10")][..],
            "users wait for a response",
        ),
        ("cluster", &[], "workers fail or reload"),
        (
            "cluster",
            &[("event", "none"), ("balance", "least_busy")],
            "balance=shared_queue",
        ),
        (
            "cluster",
            &[
                ("event", "none"),
                ("workers", "1"),
                ("interval@9", "90"),
                ("interval", "60"),
            ],
            "parameters change",
        ),
        ("blocking", &[], "jobs share the server"),
        ("backpressure", &[], "the source does not send"),
        ("taxonomy", &[], "requests do not wait"),
    ] {
        let summary = model(name, &[set]);
        assert!(summary.starts_with("no formula: "), "{summary}");
        assert!(summary.contains(reason), "{summary}");
    }
    for scenario in scenario::ALL {
        let theory = Theory::of_settings(&empty(scenario.name, &[]));
        assert!(!theory.summary().is_empty(), "{}", scenario.name);
        assert!(
            !matches!(theory.prediction, Prediction::SteadyState(_)),
            "{}",
            scenario.name
        );
    }
}

#[test]
fn overload_is_said_with_its_effect() {
    let overload = |set: &[(&str, &str)]| {
        let fast = [
            ("event", "none"),
            ("workers", "1"),
            ("work", "24"),
            ("interval", "20"),
        ];
        Theory::of_settings(&empty("cluster", &[&fast, set])).overload()
    };
    let grows = overload(&[]).unwrap();
    assert!(
        grows.starts_with("utilization is 1.20: requests arrive faster"),
        "{grows}"
    );
    assert!(
        grows.ends_with("so the queue grows until the last request"),
        "{grows}"
    );
    let rejects = overload(&[("queue", "5")]).unwrap();
    assert!(
        rejects.ends_with("so the queue fills up and the rest are rejected"),
        "{rejects}"
    );
    let at_once = overload(&[("interval", "0")]).unwrap();
    assert!(
        at_once.starts_with("utilization is infinite: "),
        "{at_once}"
    );
    assert_eq!(overload(&[("workers", "2")]), None);
    // With a fault, too.
    assert!(overload(&[("event", "kill")]).is_some());
}

#[test]
fn measured_run_is_predicted_from_its_service_time() {
    let set = [("every", "0"), ("work", "10"), ("requests", "200")];
    let mut trace = experiment("blocking", &[&set, &POISSON]).simulate();
    let simulated = Theory::of(&trace);
    assert_eq!(simulated.measured_service_time, None);
    trace.world = "native".to_owned();
    let measured = Theory::of(&trace);
    let time = measured.measured_service_time.unwrap();
    assert_eq!(measured.model.unwrap().service_time, time);
    assert!(
        measured.summary().contains(" at the measured "),
        "{}",
        measured.summary()
    );
    assert_ne!(
        row(&measured, "mean_wait").theory,
        row(&simulated, "mean_wait").theory
    );
    assert_eq!(
        row(&measured, "mean_wait").run,
        row(&simulated, "mean_wait").run
    );
}

#[test]
fn littles_law_holds_for_every_scenario() {
    for scenario in scenario::ALL {
        let theory = Theory::of(&scenario.experiment().simulate());
        let row = row(&theory, "littles_law");
        let gap = row.gap_permille();
        assert!(
            gap.is_none_or(|gap| gap.abs() <= 1),
            "{}: {row:?}",
            scenario.name
        );
        let is_concurrent = !["backpressure", "pipeline"].contains(&scenario.name);
        assert_eq!(row.run.is_some(), is_concurrent, "{}", scenario.name);
    }
}

#[test]
fn measures_include_the_prediction() {
    let set = [("every", "0"), ("work", "20"), ("requests", "200")];
    let trace = experiment("blocking", &[&set, &POISSON]).simulate();
    let measures = Measures::of(&trace);
    assert_eq!(measures.get("theory_mean_wait"), Some(40_000_000));
    assert_eq!(
        measures.get("mean_wait"),
        row(&Theory::of(&trace), "mean_wait").run
    );
    let p99 = measures.iter().find(|it| it.key == "theory_p99").unwrap();
    assert!(p99.note.as_deref().unwrap().ends_with(" %"), "{p99:?}");
    assert_eq!(measures.get("theory_loss"), None);
}

#[test]
fn plot_has_lines_for_the_prediction() {
    let run = |work, times| {
        let set = [
            ("every", "0"),
            ("work", work),
            ("arrivals", "poisson"),
            ("times", times),
        ];
        experiment("blocking", &[&set]).simulate()
    };
    let svg = |traces: &[&Trace]| {
        let runs = traces.iter().map(|trace| PlotRun {
            label: "run",
            trace,
        });
        plot(&runs.collect::<Vec<_>>(), &Figure::default())
    };
    let [slow, quick, other] = ["20", "10", "5"].map(|work| run(work, "exponential"));
    let count = |text: &str| text.matches(">theory ").count();
    let one = svg(&[&slow]);
    assert!(one.contains(">theory p99, M/M/1: 276 ms<"), "{one}");
    assert!(one.contains(">theory p50, M/M/1: 41.6 ms<"), "{one}");
    assert_eq!([count(&one), count(&svg(&[&slow, &slow]))], [2, 2]);
    assert_eq!(count(&svg(&[&slow, &quick])), 4);
    assert_eq!(count(&svg(&[&slow, &quick, &other])), 0, "too many lines");
    let mean = svg(&[&run("20", "lognormal")]);
    assert!(mean.contains(">theory mean, M/G/1: 60.0 ms<"), "{mean}");
    let lag = Figure {
        metrics: vec![Metric::Lag],
        ..Figure::default()
    };
    let run = PlotRun {
        label: "run",
        trace: &slow,
    };
    assert_eq!(count(&plot(&[run], &lag)), 0);
}
