//! Jobs: results, costs and texts.

use crate::cases;
use highwater::platform::Job;
use proptest::prelude::*;
use std::{cell::Cell, time::Duration};

const KINDS: [fn(u32) -> Job; 4] = [Job::Primes, Job::Fib, Job::HashChain, Job::Mandelbrot];

#[test]
fn jobs_have_known_results() {
    for (job, result) in [
        ("primes:0", 0),
        ("primes:2", 0),
        ("primes:3", 1),
        ("primes:1000", 168),
        ("primes:100000", 9_592),
        ("fib:0", 0),
        ("fib:1", 1),
        ("fib:21", 10_946),
        ("fib:27", 196_418),
        ("hash:0", 0),
        ("hash:1", 0x6668_7aad_f862_bd77),
        ("hash:10000", 5_973_431_211_556_338_806),
        ("mandelbrot:0", 0),
        ("mandelbrot:1", 1),
        ("mandelbrot:64", 277_184),
    ] {
        let job: Job = job.parse().unwrap();
        assert_eq!(job.run(), result, "{job}");
        assert_eq!(job.run_until(|| false), Some(result), "{job}");
    }
}

#[test]
fn jobs_check_for_cancellation() {
    for kind in KINDS {
        let job = Job::costing(kind, Duration::from_millis(20));
        let checks = Cell::new(0);
        let check = |until| {
            checks.set(checks.get() + 1);
            checks.get() == until
        };
        assert!(job.run_until(|| check(0)).is_some(), "{job}");
        let all = checks.replace(0);
        assert!((5..2_000).contains(&all), "{job} checks {all} times");
        assert_eq!(job.run_until(|| check(3)), None, "{job}");
        assert_eq!(checks.get(), 3, "{job}");
    }
}

#[test]
fn largest_jobs_can_be_cancelled() {
    for kind in KINDS {
        let checks = Cell::new(0);
        let check = || {
            checks.set(checks.get() + 1);
            checks.get() > 2
        };
        assert_eq!(kind(u32::MAX).run_until(check), None);
    }
}

#[test]
fn costing_returns_the_largest_fitting_job() {
    for kind in KINDS {
        for cost in [1, 40, 2_000, 60_000].map(Duration::from_millis) {
            let job = Job::costing(kind, cost);
            assert!(job.cost() <= cost, "{job}: {:?}", job.cost());
            let size: u32 = job.to_string().split_once(':').unwrap().1.parse().unwrap();
            assert!(kind(size + 1).cost() > cost, "{job}: {:?}", job.cost());
        }
        assert!(kind(u32::MAX).cost() > Duration::from_mins(5));
        let smallest = Job::costing(kind, Duration::ZERO);
        assert!(smallest.to_string().ends_with(":0"), "{smallest}");
    }
}

#[test]
fn invalid_job_texts_are_rejected() {
    for text in [
        "",
        ":",
        "fib",
        "fib:",
        "fib:-1",
        "fib:+1",
        "fib: 1",
        "fib:4294967296",
        "Fib:1",
        "sleep:1",
        "fib:1:2",
        "fib:١",
    ] {
        let error = text.parse::<Job>().unwrap_err();
        assert_eq!(error.0, text);
        assert!(
            error
                .to_string()
                .starts_with(&format!("invalid job {text:?}"))
        );
    }
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn job_round_trips_through_text(kind in 0_usize..4, size: u32) {
        let job = KINDS[kind](size);
        prop_assert_eq!(job.to_string().parse(), Ok(job));
    }

    #[test]
    fn cost_grows_with_the_size(kind in 0_usize..4, size: u32, more: u32) {
        let job = KINDS[kind];
        prop_assert!(job(size).cost() <= job(size.saturating_add(more)).cost());
        prop_assert!(job(size % 100).cost() <= job(size % 100 + 1).cost());
    }
}
