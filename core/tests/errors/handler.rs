//! Tests of the handler: logs, counts, observers and decisions.

use highwater::error::{
    AppError, Decision, ErrorKind, GiveUp, Handler, HandlerPolicy, IdGenerator, Incident,
    RetryBudget, RetryPolicy,
};
use log::Level;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Collects the lines that a handler logs.
#[derive(Clone, Default)]
struct LogLines(Arc<Mutex<Vec<(Level, String)>>>);

impl LogLines {
    fn attach(&self, handler: Handler) -> Handler {
        let lines = self.clone();
        handler.log_to(move |level, line| {
            let mut lines = lines.0.lock().unwrap();
            lines.push((level, line.to_owned()));
        })
    }

    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn incident() -> Incident<'static> {
    Incident::new(IdGenerator::new(7).generate(), "GET /orders/42")
}

#[test]
fn only_bugs_are_fatal() {
    for (policy, expected) in [
        (HandlerPolicy::Supervise, "drain"),
        (HandlerPolicy::Crash, "crash"),
        (HandlerPolicy::Swallow, "respond"),
    ] {
        let handler = Handler::new().policy(policy);
        let operational = handler.handle(&AppError::unavailable("stripe"), &incident());
        assert!(!operational.is_fatal(), "{policy:?}");
        let bug = handler.handle(&AppError::bug("no cart"), &incident());
        assert_eq!(
            bug.is_fatal(),
            policy != HandlerPolicy::Swallow,
            "{policy:?}"
        );
        assert_eq!(
            bug.problem().is_some(),
            policy != HandlerPolicy::Crash,
            "{policy:?}"
        );
        assert_eq!(bug.as_str(), expected);
        let stats = handler.stats();
        assert_eq!((stats.handled, stats.operational, stats.bugs), (2, 1, 1));
        assert_eq!(stats.responses + stats.drains + stats.crashes, 2);
    }
}

#[test]
fn error_is_reported_once_across_layers() {
    let lines = LogLines::default();
    let seen = Arc::new(Mutex::new(0));
    let handler = lines.attach(Handler::new()).on_error({
        let seen = Arc::clone(&seen);
        move |_| *seen.lock().unwrap() += 1
    });
    let error = AppError::bug("no cart");
    let first = handler.handle(&error, &incident());
    assert_eq!(handler.handle(&error, &incident()), first);
    assert_eq!(lines.take().len(), 1);
    assert_eq!((*seen.lock().unwrap(), handler.stats().handled), (1, 1));
}

#[test]
fn log_level_depends_on_the_error() {
    let lines = LogLines::default();
    let handler = lines.attach(Handler::new().retry(RetryPolicy::new()));
    for (error, level) in [
        (AppError::bug("no cart"), Level::Error),
        (AppError::failure("it"), Level::Warn),
        (AppError::unavailable("it"), Level::Warn),
        (AppError::invalid_input("it"), Level::Info),
        (AppError::rate_limited(Duration::ZERO), Level::Info),
    ] {
        let _decision = handler.handle(&error, &incident());
        assert_eq!(lines.take()[0].0, level, "{error:?}");
    }
    let retried = handler.handle(&AppError::timeout("it"), &incident().idempotent());
    assert!(retried.is_retry());
    assert_eq!(
        lines.take()[0].0,
        Level::Debug,
        "retried errors are logged at debug level"
    );
}

#[test]
fn log_line_contains_everything() {
    let lines = LogLines::default();
    let handler = lines.attach(Handler::new().retry(RetryPolicy::new().attempts(2)));
    let error = AppError::unavailable("stripe")
        .with_source(std::io::Error::other("no route"))
        .with_context("order", 42)
        .with_context("note", "");
    let line = line!() - 4;
    let incident = incident().idempotent().attempt(2);
    let decision = handler.handle(&error, &incident);
    assert!(!decision.is_retry());
    let id = incident.id;
    let file = file!();
    let column = error.location().column();
    let expected = format!(
        "id={id} class=operational code=unavailable status=503 decision=respond \
         gave_up=\"no attempts left\" operation=\"GET /orders/42\" attempt=2 \
         at=\"{file}:{line}:{column}\" error=\"stripe is unavailable: no route\" order=42 note=\"\""
    );
    assert_eq!(lines.take(), [(Level::Warn, expected)]);
}

#[test]
fn log_line_contains_the_context_of_causes() {
    let lines = LogLines::default();
    let handler = lines.attach(Handler::new());
    let cause = AppError::unavailable("stripe").with_context("host", "10.0.0.7");
    let wrapped = std::io::Error::other(cause);
    let error = AppError::failure("no charge")
        .with_source(wrapped)
        .with_context("order", 42);
    let _decision = handler.handle(&error, &incident());
    let (_, line) = &lines.take()[0];
    let end = r#"error="no charge: stripe is unavailable" order=42 host=10.0.0.7"#;
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn observers_receive_error_decision_and_reason() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = Handler::new().retry(RetryPolicy::new()).on_error({
        let seen = Arc::clone(&seen);
        move |report| {
            let observed = (
                report.error.kind(),
                report.decision.as_str(),
                report.gave_up,
            );
            seen.lock().unwrap().push(observed);
        }
    });
    let _decision = handler.handle(&AppError::timeout("it"), &incident().idempotent());
    let _decision = handler.handle(&AppError::timeout("it"), &incident());
    let _decision = handler.handle(&AppError::bug("no cart"), &incident().idempotent());
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (ErrorKind::Timeout, "retry", None),
            (ErrorKind::Timeout, "respond", Some(GiveUp::NotIdempotent)),
            (ErrorKind::Bug, "drain", None),
        ]
    );
}

#[test]
fn panicking_observer_is_a_bug() {
    for (policy, expected) in [
        (HandlerPolicy::Supervise, "drain"),
        (HandlerPolicy::Crash, "crash"),
        (HandlerPolicy::Swallow, "respond"),
    ] {
        let lines = LogLines::default();
        let seen = Arc::new(Mutex::new(0));
        let handler = lines
            .attach(Handler::new().policy(policy))
            .on_error(|_| panic!("row 7"));
        let handler = handler.on_error({
            let seen = Arc::clone(&seen);
            move |_| *seen.lock().unwrap() += 1
        });
        let decision = handler.handle(&AppError::not_found("it"), &incident());
        assert_eq!(decision.as_str(), expected);
        if let Some(problem) = decision.problem() {
            assert_eq!(
                problem.status(),
                404,
                "the response still describes the error"
            );
        }
        assert_eq!(*seen.lock().unwrap(), 1, "other observers are still called");
        let levels = lines.take().into_iter().map(|(level, _)| level);
        assert!(levels.eq([Level::Info, Level::Error]));
        let stats = handler.stats();
        assert_eq!((stats.handled, stats.operational, stats.bugs), (2, 1, 1));
    }
}

#[test]
fn panicking_log_function_drains_and_notifies_observers() {
    let seen = Arc::new(Mutex::new(0));
    let handler = Handler::new().log_to(|_, _| panic!("the disk is full"));
    let handler = handler.retry(RetryPolicy::new()).on_error({
        let seen = Arc::clone(&seen);
        move |_| *seen.lock().unwrap() += 1
    });
    let decision = handler.handle(&AppError::timeout("it"), &incident().idempotent());
    let Decision::Drain(problem) = decision else {
        panic!("expected a drain after a panic in the log function");
    };
    assert_eq!(problem.status(), 504);
    assert_eq!(*seen.lock().unwrap(), 1);
    assert!(
        handler
            .handle(&AppError::timeout("it"), &incident())
            .is_fatal()
    );
}

#[test]
fn handler_retries_within_budget_with_reproducible_jitter() {
    let budget = || RetryBudget::new().percent(10).per_second(0).burst(3);
    let new_handler = || Handler::new().retry(RetryPolicy::new().attempts(9).budget(budget()));
    let (handler, same_handler) = (new_handler(), new_handler());
    let ids = IdGenerator::new(7);
    let mut waits = Vec::new();
    for request in 0..40 {
        let incident = Incident::new(ids.generate(), "GET /stock").idempotent();
        handler.record_request(incident.now);
        same_handler.record_request(incident.now);
        let decision = handler.handle(&AppError::timeout("it"), &incident);
        assert_eq!(
            same_handler.handle(&AppError::timeout("it"), &incident),
            decision,
            "{request}"
        );
        if let Decision::Retry(wait) = decision {
            assert!(wait < Duration::from_millis(100));
            waits.push(wait);
        }
    }
    // The budget starts full, so the first deposit has no effect.
    assert_eq!(waits.len(), 3 + 3, "a burst of 3 plus 10 % of the requests");
    assert_eq!(handler.stats().retries, 6);
    let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
    assert_eq!(distinct.len(), waits.len(), "all waits are different");
}

#[test]
fn handled_error_is_not_retried_again() {
    let budget = RetryBudget::new().percent(0).per_second(0).burst(2);
    let handler = Handler::new().retry(RetryPolicy::new().attempts(9).budget(budget));
    let incident = incident().idempotent();
    let error = AppError::timeout("it");
    assert!(handler.handle(&error, &incident).is_retry());
    assert!(!handler.handle(&error, &incident).is_retry());
    let next = handler.handle(&AppError::timeout("it"), &incident);
    assert!(next.is_retry(), "the budget has one retry left");
    let last = handler.handle(&AppError::timeout("it"), &incident);
    assert!(!last.is_retry());
    assert_eq!(handler.stats().retries, 2);
}

#[test]
fn number_of_counted_codes_is_bounded() {
    let handler = Handler::new();
    for number in 0..100 {
        let code: &'static str = Box::leak(format!("code_{number}").into_boxed_str());
        let classification =
            highwater::error::Classification::new(ErrorKind::Conflict).with_code(code);
        for _ in 0..2 {
            let _decision = handler.handle(&AppError::new(classification.clone()), &incident());
        }
    }
    let stats = handler.stats();
    assert_eq!((stats.codes.len(), stats.other_codes), (64, 72));
    assert_eq!(stats.codes[0], ("code_0", 2));
    assert_eq!(stats.handled, 200);
}
