//! `cluster` with up to a million users: every request is counted, and a sample is
//! recorded.

use crate::strategies::{cluster_params, number};
use crate::support::{self, assert_none_fails, figure};
use highwater::{
    scenario::{self, Experiment, Outcome, TRACE_CAPACITY},
    trace::{Counters, Event, Phase, RecordKind, Trace},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("cluster", pairs)
}

fn simulate(pairs: &[(&str, &str)]) -> Trace {
    experiment(pairs).simulate()
}

fn outcomes(trace: &Trace) -> Vec<(&'static str, Outcome)> {
    assert_none_fails(trace);
    let verdicts = scenario::find("cluster").unwrap().judge(trace);
    let outcomes = verdicts.iter().map(|it| (it.check, it.outcome));
    outcomes.collect()
}

fn is_request(phase: Phase) -> impl Fn(&&Event) -> bool {
    move |event| event.kind == RecordKind::Request && event.phase == phase
}

/// Returns the front's final totals and the number of users that sent requests.
fn totals(trace: &Trace) -> (Counters, u64) {
    let ends = trace
        .events
        .iter()
        .filter(|it| it.kind == RecordKind::Result);
    let [end] = ends.collect::<Vec<_>>()[..] else {
        panic!("expected one result");
    };
    (end.counters, end.subject)
}

/// Returns the number of requests handled by all worker slots.
fn handled(trace: &Trace) -> u64 {
    let summary = trace.summary();
    let workers = summary
        .sources()
        .filter(|id| trace.name(*id).starts_with("Worker"));
    workers.map(|id| summary.counters(id).finished()).sum()
}

/// A fiftieth of a million users, each sending requests fifty times as often.
const CROWD: [(&str, &str); 4] = [
    ("users", "20000"),
    ("think", "400"),
    ("workers", "8"),
    ("event", "reload"),
];

fn crowd<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    CROWD.iter().chain(more).copied().collect()
}

#[test]
fn all_users_send_and_every_request_is_counted() {
    let trace = simulate(&CROWD);
    let (all, users) = totals(&trace);
    assert_eq!(users, 20_000);
    assert_eq!(all.started, all.succeeded + all.failed);
    assert_eq!((all.failed, all.in_flight()), (0, 0));
    assert!((39_000..41_000).contains(&all.started), "{all:?}");
    assert_eq!(all.sent, all.started, "every request is sent to a worker");
    assert_eq!(handled(&trace), all.started);
    assert_eq!(figure(&trace, "Requests"), all.started.to_string());
    let calls_by_process = figure(&trace, "Requests by process");
    let calls_by_process = calls_by_process
        .split(", ")
        .map(|it| it.parse::<u64>().unwrap());
    assert_eq!(calls_by_process.sum::<u64>(), all.started);
}

#[test]
fn failed_requests_are_counted() {
    let trace = simulate(&crowd(&[("restart", "stop_then_start")]));
    let (all, users) = totals(&trace);
    assert_eq!(users, 20_000);
    assert!(all.failed > 100, "{all:?}");
    assert_eq!(all.started, all.succeeded + all.failed);
    let [lost, rejected] =
        ["Lost in flight", "Rejected"].map(|name| figure(&trace, name).parse::<u64>().unwrap());
    assert!(lost > 0 && rejected > 0);
    assert_eq!(lost + rejected, all.failed);
    assert_eq!(all.started - rejected, all.sent);
    outcomes(&trace);
}

/// Checks the counters at every record, not only at the end.
#[test]
fn user_has_one_request_at_a_time() {
    let trace = simulate(&crowd(&[("service", "400")]));
    let mut max_in_flight = 0;
    let mut open = BTreeSet::new();
    for event in trace
        .events
        .iter()
        .filter(|it| it.kind == RecordKind::Request)
    {
        let Counters { started, .. } = event.counters;
        assert_eq!(
            started,
            event.counters.finished() + event.counters.in_flight()
        );
        max_in_flight = max_in_flight.max(event.counters.in_flight());
        match event.phase {
            Phase::Begin => assert!(open.insert(event.subject)),
            _ => assert!(open.remove(&event.subject)),
        }
    }
    assert!(open.is_empty());
    // There are more users than the workers can serve at once, so users wait.
    assert!((1_000..=20_000).contains(&max_in_flight), "{max_in_flight}");
    assert_eq!(totals(&trace).1, 20_000);
    outcomes(&trace);
}

#[test]
fn sampled_users_are_recorded_completely() {
    let trace = simulate(&CROWD);
    let begins = trace.events.iter().filter(is_request(Phase::Begin));
    let users: BTreeSet<_> = begins.map(|event| event.subject).collect();
    let expected: BTreeSet<_> = (1..=2_000).map(|user| user * 10).collect();
    assert_eq!(users, expected);
    for kind in [RecordKind::Call, RecordKind::Handle] {
        let recorded = trace.events.iter().filter(|it| it.kind == kind);
        assert!(recorded.clone().count() >= 2_000);
        assert!(recorded.map(|it| it.subject).all(|user| user % 10 == 0));
    }
}

#[test]
fn small_crowds_are_recorded_completely() {
    let trace = simulate(&crowd(&[("users", "2000")]));
    let (all, users) = totals(&trace);
    assert_eq!(users, 2_000);
    let begins = trace.events.iter().filter(is_request(Phase::Begin));
    assert_eq!(begins.count() as u64, all.started);
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("balanced", Outcome::Passed)));
}

#[test]
fn trace_size_is_independent_of_user_count() {
    let few = simulate(&crowd(&[("users", "2000"), ("think", "2000")]));
    let many = simulate(&crowd(&[("users", "100000"), ("think", "2000")]));
    assert_eq!((few.dropped, many.dropped), (0, 0));
    assert_eq!(totals(&many).1, 100_000);
    assert_eq!(totals(&many).0.failed, 0);
    let [few, many] = [few, many].map(|trace| trace.events.len());
    assert!(
        many < few + few / 10,
        "records with few users: {few}, with many: {many}"
    );
    assert!(many < TRACE_CAPACITY / 4);
}

/// Sampled users do not all go to the same worker.
#[test]
fn each_worker_gets_its_share_of_samples() {
    let trace = simulate(&crowd(&[("users", "16000"), ("event", "none")]));
    for worker in 1..=8 {
        let worker = trace.id(&format!("Worker {worker}"));
        let calls = trace.events.iter().filter(|it| it.kind == RecordKind::Call);
        let calls_to_worker = calls.filter(|it| it.target == worker).count();
        assert!(
            (350..650).contains(&calls_to_worker),
            "{calls_to_worker} of about 4000 calls"
        );
    }
}

#[test]
fn runs_depend_only_on_the_seed() {
    let [one, again, other] = ["1", "1", "2"].map(|seed| simulate(&crowd(&[("seed", seed)])));
    assert_eq!(one, again);
    assert_ne!(one.events, other.events);
    assert_ne!(totals(&one).0.started, totals(&other).0.started);
}

#[test]
fn unrecorded_requests_support_no_claims() {
    let trace = simulate(&crowd(&[("event", "kill")]));
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("balanced", Outcome::NotExercised)));
    assert!(outcomes.contains(&("every-request-accounted", Outcome::Passed)));
    let verdicts = scenario::find("cluster").unwrap().judge(&trace);
    let accounted = &verdicts[0].evidence;
    assert!(accounted.ends_with("recorded: 1 user in 10"), "{accounted}");
    let summary = trace.summary();
    let is_sample = |name| summary.is_sample(trace.id(name).unwrap());
    assert!(is_sample("Front") && is_sample("Worker 1") && !is_sample("Supervisor"));
    let p99 = figure(&trace, "Request p99");
    assert!(p99.ends_with(" ms, of those recorded"), "{p99}");
}

/// Nearly all users wait, and the only worker has too many requests to drain in time.
#[test]
fn overload_does_not_break_counts() {
    let trace = simulate(&crowd(&[("service", "10000"), ("workers", "1")]));
    let (all, users) = totals(&trace);
    assert_eq!((users, all.started), (20_000, all.finished()));
    assert!(all.failed > 10_000, "{all:?}");
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("reload", Outcome::NotExercised)));
}

#[test]
fn detects_wrong_user_counts() {
    let tampered =
        |tamper: &dyn Fn(&mut Trace)| support::checks_failed_by("cluster", &CROWD, tamper);
    let missed = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Result);
        trace.events[end.unwrap()].subject -= 1;
    });
    assert_eq!(missed, ["every-request-accounted"]);
    let never_sent = tampered(&|trace| {
        trace
            .events
            .retain(|it| it.subject != 50 || it.kind != RecordKind::Request);
    });
    assert_eq!(never_sent, ["every-request-accounted"]);
    let unanswered = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| is_request(Phase::End)(&it));
        trace.events.remove(end.unwrap());
    });
    assert_eq!(unanswered, ["every-request-accounted"]);
    let miscounted = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Result);
        trace.events[end.unwrap()].counters.succeeded -= 1;
    });
    assert_eq!(miscounted, ["every-request-accounted"]);
    // The request belongs to an unrecorded user, so only the totals show its failure.
    let failed = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Result);
        let counters = &mut trace.events[end.unwrap()].counters;
        counters.succeeded -= 1;
        counters.failed += 1;
    });
    assert_eq!(failed, ["reload"]);
}

fn any_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let load = (number(1..=3_000), number(100..=900), number(1..=300));
    (cluster_params(), load).prop_map(|(mut pairs, (users, think, service))| {
        pairs.extend([("users", users), ("think", think), ("service", service)]);
        pairs
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 32,
        ..ProptestConfig::default()
    })]

    #[test]
    fn claims_hold_for_any_settings(pairs in any_params()) {
        let experiment = experiment(&pairs);
        let trace = experiment.simulate();
        outcomes(&trace);
        let (all, users) = totals(&trace);
        prop_assert_eq!(users, experiment.params().integer("users"));
        prop_assert_eq!(all.started, all.finished());
        prop_assert!(all.sent >= handled(&trace));
        prop_assert!(trace.events.len() < TRACE_CAPACITY / 2);
        prop_assert_eq!(trace, experiment.simulate());
    }
}

#[test]
fn requests_waiting_for_a_replacement_are_not_rejected() {
    let trace = simulate(&[
        ("users", "10000"),
        ("workers", "1"),
        ("event", "kill"),
        ("startup", "1000"),
    ]);
    let mut prefix = trace.clone();
    for length in (0..trace.events.len()).rev().step_by(97) {
        prefix.events.truncate(length);
        assert_eq!(figure(&prefix, "Rejected"), "0", "after {length} records");
    }
    assert_eq!(figure(&trace, "Lost in flight"), "1");
}

#[test]
fn dead_workers_do_not_count_as_silent() {
    let trace = simulate(&[
        ("event", "kill"),
        ("work", "100"),
        ("times", "fixed"),
        ("startup", "1000"),
    ]);
    let gap = figure(&trace, "Longest heartbeat gap");
    let ms: f64 = gap.trim_end_matches(" ms").parse().unwrap();
    assert!(ms < 300.0, "{gap}");
}

#[test]
fn rejections_are_excluded_from_latency() {
    let trace = simulate(&[("event", "bad_reload"), ("restart", "stop_then_start")]);
    let rejected: u64 = figure(&trace, "Rejected").parse().unwrap();
    assert!(rejected > 60, "{rejected}");
    assert_ne!(figure(&trace, "Request p50"), "0.00 ms");
}
