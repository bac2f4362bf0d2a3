//! Predictions of queueing theory beside runs.

use highwater::{
    analysis::{Figure, Measures, Metric, PlotRun, Prediction, Theory, TheoryRow, plot},
    scenario,
    trace::{Event, Phase, RecordKind, Trace},
};
use std::time::Duration;

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
        Some(state) => state.model.clone(),
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
    assert_eq!(cluster(&shared), "M/M/4");
    assert_eq!(
        cluster(&[&shared[..], &[("queue", "6")]].concat()),
        "M/M/4/10"
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
        grows.starts_with("offered load is 1.20: requests arrive faster"),
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
        at_once.starts_with("offered load is infinite: "),
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
        measured
            .summary()
            .contains(" with the measured mean service time of "),
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
        let is_concurrent = !["backpressure", "pipeline"].contains(&scenario.name);
        let law = theory
            .notes
            .iter()
            .find_map(|it| it.strip_prefix("Little's law: "));
        assert_eq!(law.is_some(), is_concurrent, "{}", scenario.name);
        let Some(law) = law else { continue };
        let (product, mean) = law.split_once("; mean number in system: ").unwrap();
        assert!(
            product.ends_with(&format!(" = {mean}")),
            "{}: {law}",
            scenario.name
        );
    }
}

#[test]
fn bounded_queue_with_an_obstacle_has_no_formula() {
    let set = [
        ("queue", "5"),
        ("event", "kill"),
        ("workers", "3"),
        ("interval", "5"),
    ];
    let summary = model("cluster", &[&POISSON, &set]);
    assert!(
        summary.starts_with("no formula: workers fail or reload during the run; offered load is "),
        "{summary}"
    );
}

#[test]
fn failure_during_the_run_is_an_obstacle() {
    let set = [
        ("event", "none"),
        ("workers", "1"),
        ("interval", "40"),
        ("requests", "100"),
    ];
    let mut trace = experiment("cluster", &[&POISSON, &set]).simulate();
    let has_line = |trace: &Trace| {
        let run = PlotRun {
            label: "run",
            trace,
        };
        plot(&[run], &Figure::default()).contains(">theory p99")
    };
    assert!(Theory::of(&trace).steady_state().is_some() && has_line(&trace));
    let exits = trace.events.iter_mut();
    let exits = exits.filter(|it| it.kind == RecordKind::Exit && it.subject > 0);
    for exit in exits {
        exit.failure = Some(exit.source);
    }
    let summary = Theory::of(&trace).summary();
    assert_eq!(summary, "no formula: a worker failed during the run");
    assert!(!has_line(&trace), "a line of a formula that does not apply");
}

#[test]
fn load_is_never_rounded_to_its_limit() {
    let summary = |set: &[(&str, &str)]| {
        let one = [("event", "none"), ("workers", "1")];
        Theory::of_settings(&empty("cluster", &[&one, set])).summary()
    };
    let at = |arrivals, times, interval, work| {
        summary(&[
            ("arrivals", arrivals),
            ("times", times),
            ("interval", interval),
            ("work", work),
        ])
    };
    let almost = at("poisson", "exponential", "200", "199");
    assert!(
        almost.starts_with("M/M/1 at a utilization of 0.99: "),
        "{almost}"
    );
    let equal = at("poisson", "exponential", "200", "200");
    assert!(
        equal.starts_with("offered load is 1.00: requests arrive as fast as the workers can"),
        "{equal}"
    );
    let even = at("regular", "fixed", "200", "200");
    assert_eq!(
        even,
        "no formula: Highwater has formulas for arrivals=poisson only"
    );
    let full = [
        ("balance", "shared_queue"),
        ("workers", "4"),
        ("queue", "10"),
        ("interval", "10"),
        ("work", "80"),
    ];
    let bounded = summary(&[&POISSON[..], &full].concat());
    assert!(
        bounded.starts_with("M/M/4/14 at an offered load of 2.00 per server: Erlang")
            && bounded.ends_with("the queue fills up and the rest are rejected"),
        "{bounded}"
    );
}

#[test]
fn lost_requests_are_not_rejected_ones() {
    let set = [
        ("queue", "50"),
        ("event", "kill"),
        ("workers", "2"),
        ("interval", "20"),
    ];
    let trace = experiment("cluster", &[&POISSON, &set]).simulate();
    let measures = Measures::of(&trace);
    assert!(measures.get("failed") > Some(0));
    assert_eq!(row(&Theory::of(&trace), "loss").run, Some(0));
}

#[test]
fn figures_of_a_sampled_run_cover_all_requests() {
    let set = [
        ("event", "none"),
        ("workers", "1"),
        ("interval", "30"),
        ("work", "25"),
        ("requests", "20000"),
    ];
    let trace = experiment("cluster", &[&POISSON, &set]).simulate();
    let is_end = |it: &&Event| it.kind == RecordKind::Request && it.phase == Phase::End;
    let ends: Vec<&Event> = trace.events.iter().filter(is_end).collect();
    assert_eq!(ends.len(), 20_000);
    let starts = trace.events.iter();
    let starts = starts.filter(|it| it.kind == RecordKind::Request && it.phase == Phase::Begin);
    assert!(starts.count() < 3_000, "a sample");

    let theory = Theory::of(&trace);
    let latency: Duration = ends.iter().map(|it| it.duration).sum();
    let wait = Duration::from_nanos(row(&theory, "mean_wait").run.unwrap());
    let service = (latency / 20_000).saturating_sub(wait);
    // Of 2,000 exponential times, the mean would often be 2 % off.
    assert!(
        service.abs_diff(Duration::from_millis(25)) < Duration::from_micros(400),
        "{service:?}"
    );

    let mut changes: Vec<(Duration, i64)> = Vec::new();
    for end in ends {
        changes.extend([(end.at, 1), (end.recorded_at(), -1)]);
    }
    changes.sort_unstable();
    let counts = changes.iter().scan(0, |count, change| {
        *count += change.1;
        Some(*count)
    });
    let peak = counts.max().and_then(|peak| u64::try_from(peak).ok());
    assert_eq!(Measures::of(&trace).get("in_flight"), peak);
}

#[test]
fn short_run_is_not_close_to_theory() {
    let notes = |requests| {
        let set = [("event", "none"), ("workers", "1"), ("interval", "50")];
        let set = [&set[..], &[("requests", requests)]].concat();
        Theory::of(&experiment("cluster", &[&POISSON, &set]).simulate()).notes
    };
    let short = notes("60");
    assert!(short[0].starts_with("60 requests are few: "), "{short:?}");
    assert!(notes("2000")[0].starts_with("Little's law"));
}

#[test]
fn message_delay_of_short_requests_is_said() {
    let notes = |work| {
        let set = [
            ("event", "none"),
            ("balance", "shared_queue"),
            ("interval", "50"),
            ("requests", "100"),
            ("work", work),
        ];
        let theory = Theory::of(&experiment("cluster", &[&POISSON, &set]).simulate());
        theory.notes.concat()
    };
    assert!(notes("4").contains("a worker is idle for 100 µs between two requests"));
    assert!(!notes("20").contains("idle"));
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
        let latency = Figure {
            metrics: vec![Metric::Latency],
            ..Figure::default()
        };
        plot(&runs.collect::<Vec<_>>(), &latency)
    };
    let [slow, quick, other] = ["20", "10", "5"].map(|work| run(work, "exponential"));
    let count = |text: &str| text.matches(">theory ").count();
    let one = svg(&[&slow]);
    assert!(one.contains(">theory p99, M/M/1: 276 ms<"), "{one}");
    assert!(one.contains(">theory p50, M/M/1: 41.6 ms<"), "{one}");
    let label = one.find(">theory p99").unwrap();
    assert!(label > one.rfind("<polyline").unwrap(), "a line covers it");
    assert!(one[..label].rfind("<rect").unwrap() > one.rfind("<polyline").unwrap());
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
