//! The layer, where there is a bug: in the service, in an error, in a hook.

use crate::layered::{Answer, Tested, answering, failing, problem};
use futures::executor::block_on;
use highwater::error::{
    AppError, Classification, Classify, Handler, HandlerPolicy, Ids, http::HandlerLayer,
};
use http::Request;
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tower::{Layer, Service, ServiceExt, service_fn};

async fn broken(_: Request<String>) -> Result<Answer, Infallible> {
    panic!("SECRET of a panic")
}

#[test]
fn a_panic_is_answered_once_and_drains() {
    let tested = Tested::with(Handler::new(), |layer| {
        layer.locate_panics(|| Some("stock.rs:7:1".into()))
    });
    let answer = tested.ask(service_fn(broken));
    assert_eq!(answer.status(), 500);
    assert!(!answer.body().contains("SECRET") && !answer.body().contains("stock.rs"));
    assert_eq!(tested.drains(), 1);
    let line = tested.lines.lock().unwrap()[0].clone();
    assert!(line.contains("SECRET of a panic"), "{line}");
    assert!(line.ends_with(r"panicked_at=stock.rs:7:1"), "{line}");
    assert_eq!(problem(&answer, &tested)["code"], "internal_error");
}

#[test]
fn a_panic_before_there_is_a_future_is_one_as_well() {
    let tested = Tested::new();
    let answer = tested.ask(answering(|_| panic!("while it is called")));
    assert_eq!(answer.status(), 500);
    assert_eq!(tested.drains(), 1);
    problem(&answer, &tested);
}

/// It panics as it is polled, and as what is left of it is dropped.
struct Spiteful;

impl Future for Spiteful {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        panic!("polled")
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

/// It waits, or answers, and panics as it is dropped.
struct Sour(Option<Answer>);

impl Future for Sour {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0
            .take()
            .map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
    }
}

impl Drop for Sour {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn a_panic_as_the_service_is_cleared_away_does_not_change_the_answer() {
    let tested = Tested::new();
    let answer = tested.ask(service_fn(|_| {
        Sour(Some(Answer::new("all is well".into())))
    }));
    assert_eq!(
        (answer.status().as_u16(), &**answer.body()),
        (200, "all is well")
    );
    let line = tested.line();
    assert!(line.contains(r#"error="panicked: dropped""#), "{line}");
    assert_eq!(tested.drains(), 1);
}

#[test]
fn a_panic_as_a_request_is_given_up_is_known() {
    let tested = Tested::new();
    let service = tested.layer.layer(service_fn(|_| Sour(None)));
    let request = Request::get("/orders").body(String::new()).unwrap();
    let mut answer = Box::pin(service.oneshot(request));
    let polled = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(answer);
    let line = tested.line();
    assert!(line.contains(r#"error="panicked: dropped""#), "{line}");
    assert_eq!(tested.drains(), 1);
}

#[test]
#[should_panic = "polled after completion"]
fn nothing_is_made_up_for_who_asks_twice() {
    let tested = Tested::new();
    let mut service = tested.layer.layer(answering(|_| Answer::default()));
    let mut answer = Box::pin(service.call(Request::new(String::new())));
    assert_eq!(block_on(&mut answer).unwrap().status(), 200);
    let _again = block_on(answer);
}

/// An error that has a bug where it should say what it is.
#[derive(Debug, thiserror::Error)]
#[error("it")]
struct Unclear;

impl Classify for Unclear {
    fn classify(&self) -> Classification {
        panic!("classified")
    }
}

#[test]
fn an_error_that_panics_as_it_is_classified_is_answered() {
    let tested = Tested::new();
    let fails = service_fn(async |_: Request<String>| Err::<Answer, _>(Unclear));
    let answer = tested.ask(fails);
    assert_eq!(answer.status(), 500);
    assert_eq!(problem(&answer, &tested)["code"], "internal_error");
    assert_eq!(tested.drains(), 1);
}

#[test]
fn a_panic_that_panics_again_as_it_is_cleared_away_is_answered() {
    let tested = Tested::new();
    let answer = tested.ask(service_fn(|_| Spiteful));
    assert_eq!(answer.status(), 500);
    problem(&answer, &tested);
}

/// A service that is never ready, in one way or another.
#[derive(Clone)]
struct Unready(fn() -> Poll<Result<(), AppError>>);

impl Service<Request<String>> for Unready {
    type Response = Answer;
    type Error = AppError;
    type Future = std::future::Ready<Result<Answer, AppError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.0()
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        panic!("it was called and is not ready")
    }
}

#[test]
fn a_service_that_fails_to_be_ready_answers_why() {
    let tested = Tested::new();
    let answer = tested.ask(Unready(|| {
        Poll::Ready(Err(AppError::unavailable("the pool")))
    }));
    assert_eq!(answer.status(), 503);
    problem(&answer, &tested);
    let answer = tested.ask(Unready(|| panic!("not ready")));
    assert_eq!(answer.status(), 500);
    problem(&answer, &tested);

    let mut waits = tested.layer.layer(Unready(|| Poll::Pending));
    let ready = block_on(poll_fn(|context| {
        Poll::Ready(Service::<Request<String>>::poll_ready(&mut waits, context))
    }));
    assert!(ready.is_pending(), "who waits is not hurried");
}

/// An error with a bug in every corner.
#[derive(Debug)]
struct Rotten;

impl fmt::Display for Rotten {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("displayed")
    }
}

impl Error for Rotten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("asked for its source")
    }
}

impl Drop for Rotten {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn an_error_that_panics_wherever_it_is_touched_is_answered() {
    let tested = Tested::new();
    let answer = tested.ask(failing(|| AppError::failure("it").with_source(Rotten)));
    assert_eq!(answer.status(), 500);
    assert_eq!(tested.drains(), 1, "there is a bug after all");
    let lines = std::mem::take(&mut *tested.lines.lock().unwrap());
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    let have_it = lines
        .iter()
        .filter(|line| line.starts_with(&format!("id={id} ")));
    assert_eq!(
        (have_it.count(), lines.len()),
        (2, 2),
        "the error, and its bug: {lines:?}"
    );
    let raised = answering(|_| AppError::failure("it").with_source(Rotten).into());
    let answer = tested.ask(raised);
    assert_eq!(answer.status(), 500);
    assert_eq!(tested.drains(), 2);
}

#[test]
fn an_observer_that_panics_drains_and_does_not_change_the_answer() {
    let handler = Handler::new().on_error(|_| panic!("observed"));
    let tested = Tested::with(handler, |layer| layer);
    for _ in 0..2 {
        let answer = tested.ask(failing(|| AppError::not_found("There is no such page.")));
        assert_eq!(answer.status(), 404);
        let lines = std::mem::take(&mut *tested.lines.lock().unwrap());
        assert_eq!(lines.len(), 2, "the error, and the bug: {lines:?}");
    }
    assert_eq!(tested.drains(), 2);
}

#[test]
fn a_log_that_panics_does_not_change_the_answer() {
    let layer = HandlerLayer::new(Handler::new().log_to(|_, _| panic!("logged")), Ids::new(7));
    let service = layer.layer(failing(|| AppError::not_found("There is no such page.")));
    let request = Request::get("/").body(String::new()).unwrap();
    let Ok(answer) = block_on(service.oneshot(request));
    assert_eq!(answer.status(), 404);
}

#[test]
fn hooks_that_panic_are_bugs_that_are_told_of() {
    let tested = Tested::with(Handler::new(), |layer| {
        layer
            .on_drain(|| panic!("SECRET while draining"))
            .locate_panics(|| panic!("SECRET while looking"))
    });
    let answer = tested.ask(failing(|| AppError::bug("it")));
    assert_eq!(answer.status(), 500);
    assert!(!answer.body().contains("SECRET"));
    let lines = tested.lines.lock().unwrap().join("\n");
    assert!(lines.contains("while draining"), "{lines}");
}

#[test]
fn under_crash_the_hook_is_what_ends_the_process() {
    let crashes = Arc::new(AtomicUsize::new(0));
    let tested = Tested::with(Handler::new().policy(HandlerPolicy::Crash), {
        let crashes = Arc::clone(&crashes);
        |layer| {
            layer.on_crash(move || {
                crashes.fetch_add(1, Ordering::Relaxed);
            })
        }
    });
    assert_eq!(
        tested.ask(failing(|| AppError::timeout("it"))).status(),
        504
    );
    assert_eq!(crashes.load(Ordering::Relaxed), 0);
    assert_eq!(tested.ask(failing(|| AppError::bug("it"))).status(), 500);
    assert_eq!(crashes.load(Ordering::Relaxed), 1);
    assert_eq!(tested.drains(), 0);
}
