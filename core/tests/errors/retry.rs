//! Tests of retry policies and budgets.

use crate::cases::cases;
use highwater::error::{AppError, ErrorKind, FailedAttempt, GiveUp, RetryBudget, RetryPolicy};
use proptest::prelude::*;
use std::time::Duration;

const START: Duration = Duration::ZERO;

fn large_budget() -> RetryBudget {
    RetryBudget::new().burst(1_000_000)
}

fn failed(error: &AppError, attempt: u32) -> FailedAttempt<'_> {
    FailedAttempt {
        error,
        is_idempotent: true,
        attempt,
    }
}

#[test]
fn only_transient_idempotent_failures_are_retried() {
    let retry = RetryPolicy::new();
    let decide = |kind: ErrorKind, is_idempotent| {
        let error = AppError::new(kind);
        let failed = FailedAttempt {
            is_idempotent,
            ..failed(&error, 1)
        };
        retry.decide(failed, START, || 0)
    };
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
        assert_eq!(decide(kind, true), Ok(Duration::ZERO));
        assert_eq!(decide(kind, false), Err(GiveUp::NotIdempotent));
    }
    for kind in [
        ErrorKind::Bug,
        ErrorKind::Failure,
        ErrorKind::Cancelled,
        ErrorKind::NotFound,
        ErrorKind::RateLimited,
    ] {
        assert_eq!(decide(kind, true), Err(GiveUp::NotTransient), "{kind:?}");
    }
}

#[test]
fn rejected_retries_consume_no_budget() {
    let budget = RetryBudget::new().percent(0).per_second(0).burst(1);
    let retry = RetryPolicy::new().attempts(2).budget(budget);
    let (bug, timeout) = (AppError::bug("no cart"), AppError::timeout("it"));
    let late = AppError::timeout("it").with_retry_after(Duration::from_hours(1));
    let draw = || panic!("no random number is needed");
    assert!(retry.decide(failed(&bug, 1), START, draw).is_err());
    let not_idempotent = FailedAttempt {
        is_idempotent: false,
        ..failed(&timeout, 1)
    };
    assert!(retry.decide(not_idempotent, START, draw).is_err());
    let decision = retry.decide(failed(&timeout, 2), START, draw);
    assert_eq!(decision, Err(GiveUp::AttemptsExhausted));
    let decision = retry.decide(failed(&late, 1), START, draw);
    assert_eq!(decision, Err(GiveUp::WaitTooLong));
    assert_eq!(retry.available(), 1);
    assert!(retry.decide(failed(&timeout, 1), START, || 0).is_ok());
    let decision = retry.decide(failed(&timeout, 1), START, draw);
    assert_eq!(decision, Err(GiveUp::BudgetExhausted));
}

#[test]
fn wait_is_spread_over_a_doubling_window() {
    let ms = Duration::from_millis;
    let retry = RetryPolicy::new()
        .attempts(u32::MAX)
        .backoff(ms(100))
        .max_wait(ms(1_000))
        .budget(large_budget());
    let error = AppError::timeout("it");
    for (attempt, window) in [
        (0, ms(100)),
        (1, ms(100)),
        (2, ms(200)),
        (3, ms(400)),
        (4, ms(800)),
        (5, ms(1_000)),
        (33, ms(1_000)),
        (u32::MAX - 1, ms(1_000)),
    ] {
        let wait = |draw: u64| {
            retry
                .decide(failed(&error, attempt), START, || draw)
                .unwrap()
        };
        assert_eq!(wait(0), Duration::ZERO, "attempt {attempt}");
        assert_eq!(wait(1 << 63), window / 2, "attempt {attempt}");
        assert!(wait(u64::MAX) < window && wait(u64::MAX) + ms(1) > window);
    }
    let later = AppError::timeout("it").with_retry_after(ms(900));
    let wait = retry.decide(failed(&later, 1), START, || 1 << 63);
    assert_eq!(
        wait,
        Ok(ms(950)),
        "the wait is the requested one plus jitter"
    );
    let draw = |draw| retry.decide(failed(&later, 5), START, || draw).unwrap();
    assert_eq!(
        draw(1 << 63),
        ms(950),
        "the wait is spread over the remaining range, not clamped"
    );
    let last = draw(u64::MAX);
    assert!(
        last < ms(1_000) && last > ms(999),
        "the wait stays within max_wait"
    );
}

#[test]
fn extreme_settings_are_tolerated() {
    let longest = Duration::MAX;
    let retry = RetryPolicy::new()
        .attempts(u32::MAX)
        .backoff(longest)
        .max_wait(longest)
        .budget(
            RetryBudget::new()
                .percent(u32::MAX)
                .per_second(u32::MAX)
                .burst(u32::MAX),
        );
    let error = AppError::timeout("it").with_retry_after(longest);
    for _ in 0..3 {
        retry.record_request(Duration::MAX);
        let wait = retry.decide(failed(&error, u32::MAX - 1), Duration::MAX, || u64::MAX);
        assert_eq!(wait, Ok(longest));
    }
    for (attempts, attempt) in [(0, 1), (1, 1), (0, 0), (1, 0)] {
        let no_retries = RetryPolicy::new().attempts(attempts);
        let decision = no_retries.decide(failed(&error, attempt), START, || 0);
        assert_eq!(
            decision,
            Err(GiveUp::AttemptsExhausted),
            "attempt {attempt} of {attempts}"
        );
    }
    let mut zero_budget = RetryBudget::new().burst(0);
    zero_budget.deposit(Duration::MAX);
    assert!(!zero_budget.withdraw(Duration::MAX));
}

#[test]
fn retries_add_at_most_a_fifth_of_the_load() {
    let retry = RetryPolicy::new().attempts(3);
    let error = AppError::unavailable("stock");
    let (requests, seconds) = (10_000, 10);
    let mut calls = 0_u64;
    for request in 0..requests {
        let now = Duration::from_secs(seconds) * request / requests;
        retry.record_request(now);
        let mut attempt = 1;
        calls += 1;
        while retry.decide(failed(&error, attempt), now, || 0).is_ok() {
            attempt += 1;
            calls += 1;
        }
    }
    let max_calls = u64::from(requests) * 12 / 10 + 100 + 10 * seconds;
    assert!(
        calls <= max_calls,
        "{calls} calls, at most {max_calls} expected"
    );
    assert!(
        calls > max_calls - 20,
        "{calls} calls did not exhaust the budget"
    );
}

/// A step of a random history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Request,
    Withdraw,
    Advance(Duration),
    /// A deposit from a thread that read the clock earlier.
    EarlierDeposit(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Request),
        4 => Just(Step::Withdraw),
        2 => (0..2_000_u64).prop_map(|ms| Step::Advance(Duration::from_millis(ms))),
        1 => (0..2_000_u64).prop_map(|ms| Step::EarlierDeposit(Duration::from_millis(ms))),
    ]
}

proptest! {
    #![proptest_config(cases(1024))]

    /// Holds for every interval, not only from the start.
    #[test]
    fn retries_stay_within_share_rate_and_burst(
        percent in 0..150_u32,
        per_second in 0..20_u32,
        burst in 0..8_u32,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut budget = RetryBudget::new().percent(percent).per_second(per_second).burst(burst);
        let mut now = Duration::ZERO;
        // The number of requests so far and the time, for each granted retry.
        let (mut requests, mut granted) = (0_u64, Vec::new());
        for step in steps {
            match step {
                Step::Request => {
                    budget.deposit(now);
                    requests += 1;
                }
                Step::Withdraw => {
                    if budget.withdraw(now) {
                        granted.push((requests, now));
                    }
                }
                Step::Advance(time) => now += time,
                Step::EarlierDeposit(time) => {
                    budget.deposit(now.saturating_sub(time));
                    requests += 1;
                }
            }
            prop_assert!(budget.available() <= u64::from(burst));
        }
        for (first, (requests, since)) in granted.iter().enumerate() {
            for (last, (later, until)) in granted.iter().enumerate().skip(first) {
                // In units of 1/100,000, so that all arithmetic is on integers.
                let retries = (last - first + 1) as u128 * 100_000;
                let share = u128::from(later - requests) * u128::from(percent) * 1_000;
                let minimum = until.saturating_sub(*since).as_millis() * u128::from(per_second) * 100;
                let max_retries = share + minimum + u128::from(burst) * 100_000;
                prop_assert!(retries <= max_retries, "{} retries, at most {} expected", retries, max_retries);
            }
        }
    }

    #[test]
    fn deposits_allow_retries(
        percent in 1..150_u32,
        per_second in 1..20_u32,
        burst in 1..8_u32,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut budget = RetryBudget::new().percent(percent).per_second(per_second).burst(burst);
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Request => budget.deposit(now),
                Step::Withdraw => drop(budget.withdraw(now)),
                Step::Advance(time) => now += time,
                Step::EarlierDeposit(time) => budget.deposit(now.saturating_sub(time)),
            }
        }
        let mut after_requests = budget.clone();
        for _ in 0..100_u32.div_ceil(percent) {
            after_requests.deposit(now);
        }
        prop_assert!(after_requests.withdraw(now));
        now += Duration::from_secs(1);
        prop_assert!(budget.withdraw(now));
    }

    #[test]
    fn attempts_never_exceed_the_limit(
        attempts in 0..6_u32,
        burst in 0..20_u32,
        requests in prop::collection::vec(
            (any::<bool>(), any::<bool>(), prop::option::of(0..20_000_u64), any::<u64>()),
            0..40,
        ),
    ) {
        let longest = Duration::from_secs(5);
        let budget = RetryBudget::new().percent(0).per_second(0).burst(burst);
        let retry = RetryPolicy::new().attempts(attempts).max_wait(longest).budget(budget);
        let mut retries = 0;
        for (is_transient, is_idempotent, retry_after, draw) in requests {
            let kind = if is_transient { ErrorKind::Timeout } else { ErrorKind::Bug };
            let mut error = AppError::new(kind);
            let retry_after = retry_after.map(Duration::from_millis);
            if let Some(after) = retry_after {
                error = error.with_retry_after(after);
            }
            let mut attempt = 1;
            while let Ok(wait) = retry.decide(
                FailedAttempt { error: &error, is_idempotent, attempt },
                START,
                || draw,
            ) {
                prop_assert!(is_transient && is_idempotent);
                prop_assert!(wait <= longest && wait >= retry_after.unwrap_or_default());
                attempt += 1;
                retries += 1;
            }
            prop_assert!(attempt <= attempts.max(1));
        }
        prop_assert!(retries <= burst);
    }
}
