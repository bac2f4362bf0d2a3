//! Breaker scripts, and a property test against a list of admitted calls.

use crate::cases::cases;
use highwater::error::{AppError, Breaker, BreakerOpen, BreakerState, ErrorKind, Permit};
use proptest::prelude::*;
use std::time::Duration;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn breaker() -> Breaker {
    Breaker::new("stock")
        .failure_threshold(3)
        .open_duration(at(100))
        .half_open_max_calls(2)
}

/// Returns a breaker that opened at 0 after three failures.
fn opened() -> Breaker {
    let breaker = breaker();
    for _ in 0..3 {
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_failure(permit, at(0));
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn only_consecutive_failures_open_the_breaker() {
    let breaker = breaker();
    for _ in 0..10 {
        for _ in 0..2 {
            let permit = breaker.admit(at(0)).unwrap();
            breaker.record_failure(permit, at(0));
        }
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_success(permit, at(0));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn open_breaker_says_when_to_retry() {
    let breaker = opened();
    let error = breaker.admit(at(30)).unwrap_err();
    let expected = BreakerOpen {
        dependency: "stock",
        retry_after: at(70),
    };
    assert_eq!(error, expected);
    let error = AppError::from(error);
    assert_eq!(
        (error.kind(), error.retry_after()),
        (ErrorKind::Unavailable, Some(at(70)))
    );
    assert_eq!(format!("{error:#}"), "the breaker for stock is open");
    assert!(breaker.admit(at(99)).is_err());
    assert!(breaker.admit(at(100)).is_ok());
}

#[test]
fn half_open_breaker_follows_its_trial_calls() {
    let breaker = opened();
    let (first, second) = (
        breaker.admit(at(100)).unwrap(),
        breaker.admit(at(100)).unwrap(),
    );
    let rejected = breaker.admit(at(100)).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::ZERO);
    breaker.record_success(first, at(110));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(
        breaker.admit(at(110)).is_err(),
        "both trial calls are admitted"
    );
    breaker.record_success(second, at(120));
    assert_eq!(breaker.state(), BreakerState::Closed);

    let breaker = opened();
    let (first, second) = (
        breaker.admit(at(100)).unwrap(),
        breaker.admit(at(100)).unwrap(),
    );
    breaker.record_failure(first, at(110));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.record_success(second, at(120));
    assert_eq!(
        breaker.state(),
        BreakerState::Open,
        "a late outcome is ignored"
    );
    assert!(breaker.admit(at(209)).is_err());
    assert!(breaker.admit(at(210)).is_ok());
}

#[test]
fn unreported_trial_call_is_replaced() {
    let breaker = opened();
    let _silent = [100, 150].map(|ms| breaker.admit(at(ms)).unwrap());
    assert!(breaker.admit(at(249)).is_err());
    let _replacements = [250, 250].map(|ms| breaker.admit(at(ms)).unwrap());
    assert!(breaker.admit(at(349)).is_err(), "as many replacements");
}

#[test]
fn dropped_half_open_permit_gives_its_place_back() {
    let breaker = opened();
    let first = breaker.admit(at(100)).unwrap();
    let second = breaker.admit(at(100)).unwrap();
    assert!(breaker.admit(at(100)).is_err());
    drop(first);
    let third = breaker.admit(at(101)).unwrap();
    assert!(breaker.admit(at(101)).is_err(), "one place is free again");
    let cancelled: Result<(), AppError> = Err(AppError::new(ErrorKind::Cancelled));
    breaker.record(second, &cancelled, at(102));
    let fourth = breaker.admit(at(102)).unwrap();
    breaker.record_success(third, at(103));
    breaker.record_success(fourth, at(103));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn dropped_permit_that_was_replaced_gives_nothing_back() {
    let breaker = opened().half_open_max_calls(1);
    let silent = breaker.admit(at(100)).unwrap();
    let replacement = breaker.admit(at(200)).unwrap();
    drop(silent);
    assert!(breaker.admit(at(201)).is_err(), "one trial call at a time");
    drop(replacement);
    assert!(breaker.admit(at(202)).is_ok());
}

#[test]
fn permit_of_another_breaker_changes_nothing() {
    let (breaker, other) = (opened(), opened());
    let trial = breaker.admit(at(100)).unwrap();
    drop(other.admit(at(100)).unwrap());
    other.record_failure(trial, at(101));
    assert_eq!(other.state(), BreakerState::HalfOpen);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn rare_successful_trials_close_the_breaker() {
    let breaker = opened();
    let first = breaker.admit(at(1_000)).unwrap();
    breaker.record_success(first, at(1_001));
    let second = breaker.admit(at(2_000)).unwrap();
    breaker.record_success(second, at(2_001));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn slow_trial_calls_still_count() {
    let breaker = opened();
    for start in [100, 400] {
        let trial = breaker.admit(at(start)).unwrap();
        breaker.record_success(trial, at(start + 150));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);

    let breaker = opened();
    let slow = breaker.admit(at(100)).unwrap();
    breaker.record_failure(slow, at(250));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn only_dependency_errors_change_the_state() {
    let after = |kind: ErrorKind| {
        let breaker = Breaker::new("stock")
            .failure_threshold(2)
            .open_duration(at(100));
        for failed in [ErrorKind::Timeout, kind, ErrorKind::Timeout] {
            if let Ok(permit) = breaker.admit(at(0)) {
                breaker.record::<()>(permit, &Err(AppError::new(failed)), at(0));
            }
        }
        let in_a_row = breaker.state();
        let breaker = opened().half_open_max_calls(1);
        let trial = breaker.admit(at(100)).unwrap();
        breaker.record::<()>(trial, &Err(AppError::new(kind)), at(100));
        (in_a_row, breaker.state())
    };
    for kind in [ErrorKind::Cancelled, ErrorKind::Bug] {
        let expected = (BreakerState::Open, BreakerState::HalfOpen);
        assert_eq!(after(kind), expected, "{kind:?}: says nothing");
    }
    for kind in [ErrorKind::Unavailable, ErrorKind::Failure] {
        let expected = (BreakerState::Open, BreakerState::Open);
        assert_eq!(after(kind), expected, "{kind:?}: a failure");
    }
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::InvalidInput,
        ErrorKind::Conflict,
    ] {
        let expected = (BreakerState::Closed, BreakerState::Closed);
        assert_eq!(after(kind), expected, "{kind:?}: a success");
    }
}

#[test]
fn new_threshold_applies_to_earlier_failures() {
    let breaker = Breaker::new("stock").failure_threshold(9);
    for _ in 0..5 {
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_failure(permit, at(0));
    }
    let breaker = breaker.failure_threshold(2);
    let permit = breaker.admit(at(0)).unwrap();
    breaker.record_failure(permit, at(0));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn late_outcomes_are_ignored() {
    let breaker = breaker();
    let late: Vec<_> = (0..9).map(|_| breaker.admit(at(0)).unwrap()).collect();
    for _ in 0..3 {
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_failure(permit, at(0));
    }
    let (first, second) = (
        breaker.admit(at(100)).unwrap(),
        breaker.admit(at(100)).unwrap(),
    );
    for permit in late {
        breaker.record_failure(permit, at(100));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    breaker.record_success(first, at(100));
    breaker.record_success(second, at(100));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn half_open_breaker_without_calls_admits_later() {
    let breaker = breaker();
    let late = breaker.admit(at(0)).unwrap();
    for _ in 0..3 {
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_failure(permit, at(0));
    }
    // This makes it half-open; no call follows for a while.
    breaker.record_success(late, at(100));
    assert!(breaker.admit(at(150)).is_ok());
}

#[test]
fn extreme_settings_and_clocks_are_tolerated() {
    let breaker = Breaker::new("stock")
        .failure_threshold(0)
        .half_open_max_calls(0)
        .open_duration(at(100));
    let permit = breaker.admit(at(50)).unwrap();
    breaker.record_failure(permit, at(20));
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.admit(at(0)).unwrap_err().retry_after, at(100));
    let trial = breaker.admit(at(150)).unwrap();
    assert!(breaker.admit(at(150)).is_err());
    breaker.record_success(trial, at(150));
    assert_eq!(breaker.state(), BreakerState::Closed);

    let eager = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(Duration::ZERO);
    let permit = eager.admit(at(1)).unwrap();
    eager.record_failure(permit, at(1));
    let trial = eager.admit(at(2)).unwrap();
    assert!(eager.admit(at(2)).is_err(), "one at a time");
    eager.record_success(trial, at(3));
    assert_eq!(eager.state(), BreakerState::Closed);

    let forever = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(Duration::MAX);
    let permit = forever.admit(at(1)).unwrap();
    forever.record_failure(permit, at(1));
    assert!(forever.admit(at(1_000_000)).is_err());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    Succeed(usize),
    Fail(usize),
    Forget(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Admit),
        3 => (0..8_usize).prop_map(Step::Succeed),
        3 => (0..8_usize).prop_map(Step::Fail),
        1 => (0..8_usize).prop_map(Step::Forget),
        3 => (0..60_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn trial_calls_never_exceed_the_limit(
        threshold in 1..4_u32,
        trials in 1..4_u32,
        steps in prop::collection::vec(step(), 0..160),
    ) {
        let open_ms = 100;
        let breaker = Breaker::new("stock").failure_threshold(threshold).open_duration(at(open_ms)).half_open_max_calls(trials);
        let mut now = 0;
        // The calls in flight, and whether each is a trial call.
        let mut calls: Vec<(Permit, bool)> = Vec::new();
        // Since the breaker was last closed: when it opened, when trial calls were
        // admitted, and how many succeeded.
        let (mut opened_at, mut admitted_at, mut succeeded_trials) = (0, Vec::new(), 0);
        for step in steps {
            let before = breaker.state();
            let mut succeeds = None;
            match step {
                Step::Pass(ms) => now += ms,
                Step::Admit => match breaker.admit(at(now)) {
                    Ok(permit) => {
                        let is_trial = breaker.state() != BreakerState::Closed;
                        if is_trial {
                            prop_assert!(now >= opened_at + open_ms, "it is still open");
                            admitted_at.push(now);
                            // However often it reopened: no more than this within one
                            // open duration.
                            let is_near = |other: &&u64| **other + open_ms > now;
                            let near = admitted_at.iter().filter(is_near).count();
                            prop_assert!(near <= trials as usize, "{} within one open duration", near);
                        }
                        calls.push((permit, is_trial));
                    }
                    Err(rejected) => {
                        prop_assert_ne!(breaker.state(), BreakerState::Closed);
                        prop_assert!(rejected.retry_after <= at(open_ms));
                    }
                },
                // The call stays admitted and is never reported.
                Step::Forget(index) if index < calls.len() => {
                    std::mem::forget(calls.swap_remove(index));
                }
                Step::Succeed(index) if index < calls.len() => {
                    let (permit, is_trial) = calls.swap_remove(index);
                    breaker.record_success(permit, at(now));
                    succeeded_trials += u32::from(is_trial);
                    succeeds = Some(is_trial);
                }
                Step::Fail(index) if index < calls.len() => {
                    breaker.record_failure(calls.swap_remove(index).0, at(now));
                }
                Step::Forget(_) | Step::Succeed(_) | Step::Fail(_) => {}
            }
            match (before, breaker.state()) {
                (BreakerState::Closed, BreakerState::Closed) => {}
                (BreakerState::Closed, after) => {
                    prop_assert_eq!(after, BreakerState::Open);
                    (opened_at, succeeded_trials) = (now, 0);
                    admitted_at.clear();
                }
                (_, BreakerState::Closed) => {
                    prop_assert_eq!(succeeds, Some(true), "only a trial closes it");
                    prop_assert!(succeeded_trials >= trials, "too few successes");
                }
                (BreakerState::HalfOpen, BreakerState::Open) => {
                    prop_assert!(matches!(step, Step::Fail(_)), "only a failure opens it");
                }
                _ => {}
            }
        }
        // Unreported calls do not keep it open.
        prop_assert!(breaker.admit(at(now + open_ms)).is_ok());
    }
}
