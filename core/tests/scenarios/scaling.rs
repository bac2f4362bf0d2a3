//! The scenarios about CPU work: their presets pass, and tampered traces fail.

use crate::support::{assert_presets_exercise_all_checks, figure, simulate};
use highwater::{
    platform::SIMULATED_CORES,
    scenario::{self, Outcome, Verdict, scaling_figures},
    trace::{Phase, RecordKind, Trace},
};

fn judge(trace: &Trace) -> Vec<Verdict> {
    scenario::find(&trace.scenario).unwrap().judge(trace)
}

fn outcome(trace: &Trace, check: &str) -> Outcome {
    let verdicts = judge(trace);
    let verdict = verdicts.iter().find(|it| it.check == check);
    verdict
        .unwrap_or_else(|| panic!("no check {check}"))
        .outcome
}

#[test]
fn presets_hold() {
    for name in ["blocking", "threads"] {
        let scenario = scenario::find(name).unwrap();
        for preset in scenario.presets {
            let verdicts = judge(&simulate(name, preset.set));
            let count = |outcome| verdicts.iter().filter(|it| it.outcome == outcome).count();
            assert_eq!(count(Outcome::Failed), 0, "{}: {verdicts:#?}", preset.title);
            assert!(
                count(Outcome::Passed) >= 4,
                "{}: {verdicts:#?}",
                preset.title
            );
        }
    }
}

#[test]
fn presets_exercise_every_check() {
    for name in ["blocking", "threads"] {
        assert_presets_exercise_all_checks(name, |set| simulate(name, set));
    }
}

#[test]
fn every_record_is_narrated() {
    for name in ["blocking", "threads"] {
        let scenario = scenario::find(name).unwrap();
        for preset in scenario.presets {
            let trace = simulate(name, preset.set);
            for event in &trace.events {
                let sentence = (scenario.narrate)(&trace, event);
                assert!(sentence.ends_with('.'), "{sentence}");
                assert!(!sentence.contains(": 0."), "{:?}: {sentence}", event.kind);
            }
        }
    }
}

#[test]
fn only_jobs_on_the_loop_stop_the_heartbeat() {
    let on_the_loop = simulate("blocking", &[]);
    assert_eq!(figure(&on_the_loop, "Jobs on the loop"), "3");
    let lag = |trace: &Trace| -> u64 {
        let figure = figure(trace, "Loop lag, max");
        figure.split('.').next().unwrap().parse().unwrap()
    };
    assert!(lag(&on_the_loop) > 500);
    let offloaded = simulate("blocking", &[("run", "offloaded")]);
    assert_eq!(figure(&offloaded, "Jobs on threads"), "3");
    assert!(lag(&offloaded) < 10);
    let hog = simulate("blocking", &[("run", "offloaded"), ("inject", "hog")]);
    assert!(
        lag(&hog) > 1_900,
        "one job that blocks the loop delays the heartbeat"
    );
}

#[test]
fn full_queue_rejects_jobs_at_once() {
    let set = [("run", "offloaded"), ("inject", "burst"), ("every", "0")];
    let trace = simulate("blocking", &set);
    // Two jobs run and four wait.
    assert_eq!(figure(&trace, "Jobs in the pool, max"), "6");
    assert_eq!(figure(&trace, "Rejected"), "6");
    assert_eq!(outcome(&trace, "queue-bounded"), Outcome::Passed);
}

#[test]
fn speedup_is_limited_by_cores() {
    let trace = simulate("threads", &[("threads", "8"), ("jobs", "32")]);
    let times = |threads: usize| -> f64 {
        let figure = figure(&trace, &format!("{threads} threads"));
        figure.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(times(2) > 1.9);
    assert!(times(SIMULATED_CORES) > 3.9);
    assert!(times(2 * SIMULATED_CORES) <= times(SIMULATED_CORES));
}

#[test]
fn break_even_size_is_measured() {
    let trace = simulate("threads", &[("measure", "break-even"), ("jobs", "50")]);
    assert_eq!(figure(&trace, "Threads pay off from"), "4 µs");
}

#[test]
fn other_scenarios_have_no_scaling_figures() {
    let trace = simulate("decoupling", &[]);
    assert!(scaling_figures(&trace).is_empty());
}

#[test]
fn claims_hold_at_range_limits() {
    let many = [
        ("run", "offloaded"),
        ("every", "1"),
        ("requests", "200"),
        ("interval", "1"),
        ("threads", "1"),
        ("queue", "0"),
        ("beat", "10"),
        ("size", "5000"),
        ("job", "fib"),
    ];
    let none = [("every", "0"), ("requests", "1"), ("work", "100")];
    for trace in [simulate("blocking", &many), simulate("blocking", &none)] {
        let failed = judge(&trace);
        assert!(
            failed.iter().all(|it| it.outcome != Outcome::Failed),
            "{failed:#?}"
        );
    }
    for job in ["primes", "fib", "hash", "mandelbrot"] {
        let one = [("threads", "1"), ("jobs", "1"), ("size", "1"), ("job", job)];
        let failed = judge(&simulate("threads", &one));
        assert!(
            failed.iter().all(|it| it.outcome != Outcome::Failed),
            "{failed:#?}"
        );
    }
}

/// A scenario, the check that must fail, and the tampering.
type Tampering = (&'static str, &'static str, fn(&mut Trace));

#[test]
fn detects_tampered_traces() {
    let changes: [Tampering; 7] = [
        ("blocking", "every-request-answered", |trace| {
            remove(trace, RecordKind::Request, Phase::End);
        }),
        ("blocking", "no-beat-while-blocked", |trace| {
            let begin = index_of(trace, RecordKind::Compute, Phase::Begin);
            let beat = index_of(trace, RecordKind::Beat, Phase::Begin);
            let beat = trace.events[beat];
            trace.events.insert(begin + 1, beat);
        }),
        ("blocking", "each-job-once", |trace| {
            remove(trace, RecordKind::Compute, Phase::End);
        }),
        ("blocking", "one-result", |trace| {
            let result = index_of(trace, RecordKind::Result, Phase::Instant);
            trace.events[result].subject += 1;
        }),
        ("threads", "off-the-loop", |trace| {
            let is_first = |event: &&mut _| matches(event, RecordKind::Compute, Phase::Begin, 1);
            trace.events.iter_mut().find(is_first).unwrap().thread = 0;
        }),
        ("threads", "several-threads", |trace| {
            let computes = trace.events.iter_mut().filter(|it| it.thread != 0);
            computes.for_each(|it| it.thread = 1);
        }),
        ("threads", "each-job-once", |trace| {
            let begin = index_of(trace, RecordKind::Compute, Phase::Begin);
            let again = trace.events[begin];
            trace.events.insert(begin, again);
        }),
    ];
    for (name, check, tamper) in changes {
        let mut trace = simulate(name, &[]);
        assert_eq!(outcome(&trace, check), Outcome::Passed, "{name}: {check}");
        tamper(&mut trace);
        assert_eq!(outcome(&trace, check), Outcome::Failed, "{name}: {check}");
    }
}

#[test]
fn detects_missing_heartbeats_while_offloaded() {
    let mut trace = simulate("blocking", &[("run", "offloaded")]);
    trace.events.retain(|event| event.kind != RecordKind::Beat);
    assert_eq!(outcome(&trace, "beats-while-offloaded"), Outcome::Failed);

    let mut trace = simulate("blocking", &[("run", "offloaded"), ("every", "1")]);
    trace.params.retain(|(key, _)| key != "queue");
    assert_eq!(outcome(&trace, "queue-bounded"), Outcome::Failed);
}

#[test]
fn detects_sequential_use_of_threads() {
    // Assigns one thread to each round.
    let mut trace = simulate("threads", &[]);
    let mut round = 0;
    let mut threads_seen = Vec::new();
    for event in &mut trace.events {
        round += u32::from(event.kind == RecordKind::Threads);
        if event.thread != 0 {
            threads_seen.push(event.thread);
            event.thread = round;
        }
    }
    assert!(round > 2 && threads_seen.contains(&2));
    assert_eq!(outcome(&trace, "several-threads"), Outcome::Failed);
}

#[test]
fn blocked_loop_makes_heartbeats_inconclusive() {
    // Keeps only the offloaded jobs recorded when the loop became blocked.
    let mut trace = simulate("blocking", &[("run", "offloaded"), ("inject", "hog")]);
    let hog = trace
        .events
        .iter()
        .position(|it| it.kind == RecordKind::Compute && it.thread == 0)
        .unwrap();
    let beats = trace.events.iter().filter(|it| it.kind == RecordKind::Beat);
    assert!(beats.count() > 10);
    let at = trace.events[hog].at;
    trace.events.retain(|it| {
        let is_job = it.kind == RecordKind::Compute && it.thread != 0;
        it.kind != RecordKind::Beat && (!is_job || it.recorded_at() == at)
    });
    assert_eq!(
        outcome(&trace, "beats-while-offloaded"),
        Outcome::NotExercised
    );
    let many_threads = [
        ("run", "offloaded"),
        ("inject", "burst"),
        ("every", "0"),
        ("threads", "16"),
        ("beat", "200"),
        ("size", "300"),
    ];
    let trace = simulate("blocking", &many_threads);
    assert_eq!(
        outcome(&trace, "beats-while-offloaded"),
        Outcome::NotExercised
    );
}

fn matches(
    event: &highwater::trace::Event,
    kind: RecordKind,
    phase: Phase,
    min_thread: u32,
) -> bool {
    event.kind == kind && event.phase == phase && event.thread >= min_thread
}

fn index_of(trace: &Trace, kind: RecordKind, phase: Phase) -> usize {
    let mut events = trace.events.iter();
    events
        .position(|event| matches(event, kind, phase, 0))
        .unwrap()
}

fn remove(trace: &mut Trace, kind: RecordKind, phase: Phase) {
    let index = index_of(trace, kind, phase);
    trace.events.remove(index);
}

#[test]
fn figures_can_be_computed_from_any_prefix() {
    for name in ["blocking", "threads"] {
        let trace = simulate(name, &[]);
        let mut last = Vec::new();
        for length in 0..=trace.events.len() {
            let mut prefix = trace.clone();
            prefix.events.truncate(length);
            last = scaling_figures(&prefix);
        }
        assert_eq!(last, scaling_figures(&trace));
        assert!(!last.is_empty());
    }
}
