//! Scripted breaker tests, and a property test against a list of admitted calls.

use crate::cases::cases;
use futures::FutureExt as _;
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
fn open_breaker() -> Breaker {
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
    let breaker = open_breaker();
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
fn clones_share_state_but_not_options() {
    let breaker = breaker();
    let strict = breaker.clone().failure_threshold(1);
    let permit = breaker.admit(at(0)).unwrap();
    breaker.record_failure(permit, at(0));
    assert_eq!(breaker.state(), BreakerState::Closed, "the threshold is 3");
    let permit = strict.admit(at(0)).unwrap();
    strict.record_failure(permit, at(0));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn rejected_call_has_the_location_of_the_caller() {
    let breaker = open_breaker();
    let clock = || at(0);
    let (call, line) = (breaker.call(&clock, async || Ok(())), line!());
    let error = is_send(call).now_or_never().unwrap().unwrap_err();
    assert_eq!(
        (error.location().file(), error.location().line()),
        (file!(), line)
    );
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn trial_calls_close_or_reopen_the_breaker() {
    let breaker = open_breaker();
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
        "both trial calls are already admitted"
    );
    breaker.record_success(second, at(120));
    assert_eq!(breaker.state(), BreakerState::Closed);

    let breaker = open_breaker();
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
fn overdue_trial_calls_are_replaced() {
    let breaker = open_breaker();
    let _overdue = [100, 150].map(|ms| breaker.admit(at(ms)).unwrap());
    assert!(breaker.admit(at(249)).is_err());
    let _replacements = [250, 250].map(|ms| breaker.admit(at(ms)).unwrap());
    assert!(
        breaker.admit(at(349)).is_err(),
        "both replacements are already admitted"
    );
}

#[test]
fn dropped_half_open_permit_is_released() {
    let breaker = open_breaker();
    let first = breaker.admit(at(100)).unwrap();
    let second = breaker.admit(at(100)).unwrap();
    assert!(breaker.admit(at(100)).is_err());
    drop(first);
    let third = breaker.admit(at(101)).unwrap();
    assert!(
        breaker.admit(at(101)).is_err(),
        "only one permit was released"
    );
    let cancelled: Result<(), AppError> = Err(AppError::new(ErrorKind::Cancelled));
    breaker.record(second, &cancelled, at(102));
    let fourth = breaker.admit(at(102)).unwrap();
    breaker.record_success(third, at(103));
    breaker.record_success(fourth, at(103));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn dropped_overdue_permit_releases_nothing() {
    let breaker = open_breaker().half_open_max_calls(1);
    let overdue = breaker.admit(at(100)).unwrap();
    let replacement = breaker.admit(at(200)).unwrap();
    drop(overdue);
    assert!(breaker.admit(at(201)).is_err(), "one trial call at a time");
    drop(replacement);
    assert!(breaker.admit(at(202)).is_ok());
}

#[test]
fn permit_of_another_breaker_is_ignored() {
    let (breaker, other) = (open_breaker(), open_breaker());
    let trial = breaker.admit(at(100)).unwrap();
    drop(other.admit(at(100)).unwrap());
    other.record_failure(trial, at(101));
    assert_eq!(other.state(), BreakerState::HalfOpen);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn infrequent_successful_trials_close_the_breaker() {
    let breaker = open_breaker();
    let first = breaker.admit(at(1_000)).unwrap();
    breaker.record_success(first, at(1_001));
    let second = breaker.admit(at(2_000)).unwrap();
    breaker.record_success(second, at(2_001));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn slow_trial_calls_still_count() {
    let breaker = open_breaker();
    for start in [100, 400] {
        let trial = breaker.admit(at(start)).unwrap();
        breaker.record_success(trial, at(start + 150));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);

    let breaker = open_breaker();
    let slow = breaker.admit(at(100)).unwrap();
    breaker.record_failure(slow, at(250));
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn only_dependency_errors_change_the_state() {
    let states_after = |kind: ErrorKind| {
        let breaker = Breaker::new("stock")
            .failure_threshold(2)
            .open_duration(at(100));
        for error_kind in [ErrorKind::Timeout, kind, ErrorKind::Timeout] {
            if let Ok(permit) = breaker.admit(at(0)) {
                breaker.record::<()>(permit, &Err(AppError::new(error_kind)), at(0));
            }
        }
        let state_after_timeouts = breaker.state();
        let breaker = open_breaker().half_open_max_calls(1);
        let trial = breaker.admit(at(100)).unwrap();
        breaker.record::<()>(trial, &Err(AppError::new(kind)), at(100));
        (state_after_timeouts, breaker.state())
    };
    for kind in [ErrorKind::Cancelled, ErrorKind::Bug] {
        let expected = (BreakerState::Open, BreakerState::HalfOpen);
        assert_eq!(states_after(kind), expected, "{kind:?} is ignored");
    }
    for kind in [ErrorKind::Unavailable, ErrorKind::Failure] {
        let expected = (BreakerState::Open, BreakerState::Open);
        assert_eq!(states_after(kind), expected, "{kind:?} counts as a failure");
    }
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::InvalidInput,
        ErrorKind::Conflict,
    ] {
        let expected = (BreakerState::Closed, BreakerState::Closed);
        assert_eq!(states_after(kind), expected, "{kind:?} counts as a success");
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
fn idle_half_open_breaker_admits_calls() {
    let breaker = breaker();
    let late = breaker.admit(at(0)).unwrap();
    for _ in 0..3 {
        let permit = breaker.admit(at(0)).unwrap();
        breaker.record_failure(permit, at(0));
    }
    // The breaker becomes half-open, and no call follows for a while.
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

    let zero_duration = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(Duration::ZERO);
    let permit = zero_duration.admit(at(1)).unwrap();
    zero_duration.record_failure(permit, at(1));
    let trial = zero_duration.admit(at(2)).unwrap();
    assert!(
        zero_duration.admit(at(2)).is_err(),
        "one trial call at a time"
    );
    zero_duration.record_success(trial, at(3));
    assert_eq!(zero_duration.state(), BreakerState::Closed);

    let max_duration = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(Duration::MAX);
    let permit = max_duration.admit(at(1)).unwrap();
    max_duration.record_failure(permit, at(1));
    assert!(max_duration.admit(at(1_000_000)).is_err());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    Succeed(usize),
    Fail(usize),
    Forget(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Admit),
        3 => (0..8_usize).prop_map(Step::Succeed),
        3 => (0..8_usize).prop_map(Step::Fail),
        1 => (0..8_usize).prop_map(Step::Forget),
        3 => (0..60_u64).prop_map(Step::Advance),
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
            let mut recorded_success = None;
            match step {
                Step::Advance(ms) => now += ms,
                Step::Admit => match breaker.admit(at(now)) {
                    Ok(permit) => {
                        let is_trial = breaker.state() != BreakerState::Closed;
                        if is_trial {
                            prop_assert!(now >= opened_at + open_ms, "the breaker is still open");
                            admitted_at.push(now);
                            // The limit holds even if the breaker reopened in the
                            // meantime.
                            let is_recent = |other: &&u64| **other + open_ms > now;
                            let recent = admitted_at.iter().filter(is_recent).count();
                            prop_assert!(recent <= trials as usize, "{} trial calls within one open duration", recent);
                        }
                        calls.push((permit, is_trial));
                    }
                    Err(rejected) => {
                        prop_assert_ne!(breaker.state(), BreakerState::Closed);
                        prop_assert!(rejected.retry_after <= at(open_ms));
                    }
                },
                // The call stays admitted, and its outcome is never recorded.
                Step::Forget(index) if index < calls.len() => {
                    std::mem::forget(calls.swap_remove(index));
                }
                Step::Succeed(index) if index < calls.len() => {
                    let (permit, is_trial) = calls.swap_remove(index);
                    breaker.record_success(permit, at(now));
                    succeeded_trials += u32::from(is_trial);
                    recorded_success = Some(is_trial);
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
                    prop_assert_eq!(recorded_success, Some(true), "only a successful trial call closes the breaker");
                    prop_assert!(succeeded_trials >= trials, "the breaker closed after too few successes");
                }
                (BreakerState::HalfOpen, BreakerState::Open) => {
                    prop_assert!(matches!(step, Step::Fail(_)), "only a failure reopens the breaker");
                }
                _ => {}
            }
        }
        // Calls without an outcome do not block the breaker.
        prop_assert!(breaker.admit(at(now + open_ms)).is_ok());
    }
}
