//! `cluster` with users, up to a million: each of them asks, every request is
//! counted, and few are on record.

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

/// The front's totals when all is over, and how many users had asked.
fn totals(trace: &Trace) -> (Counters, u64) {
    let ends = trace
        .events
        .iter()
        .filter(|it| it.kind == RecordKind::Result);
    let [end] = ends.collect::<Vec<_>>()[..] else {
        panic!("there is one end");
    };
    (end.counters, end.subject)
}

/// What all places for workers did.
fn handled(trace: &Trace) -> u64 {
    let summary = trace.summary();
    let of_workers = summary
        .sources()
        .filter(|id| trace.name(*id).starts_with("Worker"));
    of_workers.map(|id| summary.counters(id).finished()).sum()
}

/// Fifty times fewer than a million, and quicker: as many at once.
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
fn everybody_asks_and_every_request_is_counted() {
    let trace = simulate(&CROWD);
    let (all, asked) = totals(&trace);
    assert_eq!(asked, 20_000);
    assert_eq!(all.started, all.succeeded + all.failed);
    assert_eq!((all.failed, all.in_flight()), (0, 0));
    assert!((39_000..41_000).contains(&all.started), "{all:?}");
    assert_eq!(all.sent, all.started, "each was handed to somebody");
    assert_eq!(handled(&trace), all.started);
    assert_eq!(figure(&trace, "Requests"), all.started.to_string());
    let shares = figure(&trace, "Requests by process");
    let shares = shares.split(", ").map(|it| it.parse::<u64>().unwrap());
    assert_eq!(shares.sum::<u64>(), all.started);
}

#[test]
fn what_fails_is_counted_too() {
    let trace = simulate(&crowd(&[("restart", "stop_then_start")]));
    let (all, asked) = totals(&trace);
    assert_eq!(asked, 20_000);
    assert!(all.failed > 100, "{all:?}");
    assert_eq!(all.started, all.succeeded + all.failed);
    let [lost, refused] =
        ["Lost in flight", "Refused"].map(|name| figure(&trace, name).parse::<u64>().unwrap());
    assert!(lost > 0 && refused > 0);
    assert_eq!(lost + refused, all.failed);
    assert_eq!(all.started - refused, all.sent);
    outcomes(&trace);
}

/// At every record, not only in the end.
#[test]
fn a_user_has_one_request_at_a_time() {
    let trace = simulate(&crowd(&[("service", "400")]));
    let mut most = 0;
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
        most = most.max(event.counters.in_flight());
        match event.phase {
            Phase::Begin => assert!(open.insert(event.subject)),
            _ => assert!(open.remove(&event.subject)),
        }
    }
    assert!(open.is_empty());
    // More than can be served at once: they wait, and so there are never more.
    assert!((1_000..=20_000).contains(&most), "{most}");
    assert_eq!(totals(&trace).1, 20_000);
    outcomes(&trace);
}

#[test]
fn on_record_is_one_of_so_many_users_and_all_that_they_do() {
    let trace = simulate(&CROWD);
    let begun = trace.events.iter().filter(is_request(Phase::Begin));
    let users: BTreeSet<_> = begun.map(|event| event.subject).collect();
    let expected: BTreeSet<_> = (1..=2_000).map(|user| user * 10).collect();
    assert_eq!(users, expected);
    for kind in [RecordKind::Call, RecordKind::Handle] {
        let of_it = trace.events.iter().filter(|it| it.kind == kind);
        assert!(of_it.clone().count() >= 2_000);
        assert!(of_it.map(|it| it.subject).all(|user| user % 10 == 0));
    }
}

#[test]
fn few_users_are_all_on_record() {
    let trace = simulate(&crowd(&[("users", "2000")]));
    let (all, asked) = totals(&trace);
    assert_eq!(asked, 2_000);
    let begun = trace.events.iter().filter(is_request(Phase::Begin));
    assert_eq!(begun.count() as u64, all.started);
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("everybody-in-turn", Outcome::Passed)));
}

/// Fifty times the users, and no more to keep.
#[test]
fn the_trace_does_not_grow_with_the_users() {
    let few = simulate(&crowd(&[("users", "2000"), ("think", "2000")]));
    let many = simulate(&crowd(&[("users", "100000"), ("think", "2000")]));
    assert_eq!((few.dropped, many.dropped), (0, 0));
    assert_eq!(totals(&many).1, 100_000);
    assert_eq!(totals(&many).0.failed, 0);
    let [few, many] = [few, many].map(|trace| trace.events.len());
    assert!(many < few + few / 10, "{few} and {many}");
    assert!(many < TRACE_CAPACITY / 4);
}

/// Nor do those of a sample who would each be the same worker's.
#[test]
fn each_worker_has_its_share_of_what_is_on_record() {
    let trace = simulate(&crowd(&[("users", "16000"), ("event", "none")]));
    for worker in 1..=8 {
        let worker = trace.id(&format!("Worker {worker}"));
        let calls = trace.events.iter().filter(|it| it.kind == RecordKind::Call);
        let share = calls.filter(|it| it.target == worker).count();
        assert!((350..650).contains(&share), "{share} of about 4000");
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let [one, again, other] = ["1", "1", "2"].map(|seed| simulate(&crowd(&[("seed", seed)])));
    assert_eq!(one, again);
    assert_ne!(one.events, other.events);
    assert_ne!(totals(&one).0.started, totals(&other).0.started);
}

#[test]
fn what_is_not_on_record_is_not_claimed() {
    let trace = simulate(&crowd(&[("event", "kill")]));
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("everybody-in-turn", Outcome::NotExercised)));
    assert!(outcomes.contains(&("every-request-accounted", Outcome::Passed)));
    let verdicts = scenario::find("cluster").unwrap().judge(&trace);
    let accounted = &verdicts[0].evidence;
    assert!(
        accounted.ends_with("on record is one user of 10"),
        "{accounted}"
    );
    let summary = trace.summary();
    let is_sample = |name| summary.is_sample(trace.id(name).unwrap());
    assert!(is_sample("Front") && is_sample("Worker 1") && !is_sample("Supervisor"));
    let p99 = figure(&trace, "Request p99");
    assert!(p99.ends_with(" ms, of those on record"), "{p99}");
}

/// They wait, up to all of them, and a worker with so many is not drained in time.
#[test]
fn too_few_workers_are_no_reason_to_lose_count() {
    let trace = simulate(&crowd(&[("service", "10000"), ("workers", "1")]));
    let (all, asked) = totals(&trace);
    assert_eq!((asked, all.started), (20_000, all.finished()));
    assert!(all.failed > 10_000, "{all:?}");
    let outcomes = outcomes(&trace);
    assert!(outcomes.contains(&("reload", Outcome::NotExercised)));
}

#[test]
fn each_claim_about_users_can_fail() {
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
    let never_asked = tampered(&|trace| {
        trace
            .events
            .retain(|it| it.subject != 50 || it.kind != RecordKind::Request);
    });
    assert_eq!(never_asked, ["every-request-accounted"]);
    let unanswered = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| is_request(Phase::End)(&it));
        trace.events.remove(end.unwrap());
    });
    assert_eq!(unanswered, ["every-request-accounted"]);
    let lost_count = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Result);
        trace.events[end.unwrap()].counters.succeeded -= 1;
    });
    assert_eq!(lost_count, ["every-request-accounted"]);
    // Of somebody who is not on record, so that only the totals tell.
    let noticed = tampered(&|trace| {
        let end = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Result);
        let counters = &mut trace.events[end.unwrap()].counters;
        counters.succeeded -= 1;
        counters.failed += 1;
    });
    assert_eq!(noticed, ["reload"]);
}

fn anything() -> impl Strategy<Value = Vec<(&'static str, String)>> {
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
    fn whatever_is_set_what_it_claims_holds(pairs in anything()) {
        let experiment = experiment(&pairs);
        let trace = experiment.simulate();
        outcomes(&trace);
        let (all, asked) = totals(&trace);
        prop_assert_eq!(asked, experiment.params().integer("users"));
        prop_assert_eq!(all.started, all.finished());
        prop_assert!(all.sent >= handled(&trace));
        prop_assert!(trace.events.len() < TRACE_CAPACITY / 2);
        prop_assert_eq!(trace, experiment.simulate());
    }
}

#[test]
fn who_waits_for_a_new_worker_is_not_refused() {
    let trace = simulate(&[
        ("users", "10000"),
        ("workers", "1"),
        ("event", "kill"),
        ("startup", "1000"),
    ]);
    let mut so_far = trace.clone();
    for played in (0..trace.events.len()).rev().step_by(97) {
        so_far.events.truncate(played);
        assert_eq!(figure(&so_far, "Refused"), "0", "after {played} records");
    }
    assert_eq!(figure(&trace, "Lost in flight"), "1");
}

#[test]
fn nobody_is_silent_who_is_dead() {
    let trace = simulate(&[("event", "kill"), ("work", "100"), ("startup", "1000")]);
    let silence = figure(&trace, "Longest without a heartbeat");
    let ms: f64 = silence.trim_end_matches(" ms").parse().unwrap();
    assert!(ms < 300.0, "{silence}");
}

#[test]
fn to_be_refused_takes_no_time() {
    let trace = simulate(&[("event", "bad_reload"), ("restart", "stop_then_start")]);
    let refused: u64 = figure(&trace, "Refused").parse().unwrap();
    assert!(refused > 60, "{refused}");
    assert_ne!(figure(&trace, "Request p50"), "0.00 ms");
}
