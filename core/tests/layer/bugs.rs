//! Tests of the layer with bugs in the service, in errors and in hooks.

use crate::test_layer::{TestLayer, TextResponse, assert_problem, fail_with, respond_with};
use futures::executor::block_on;
use highwater::error::{
    AppError, Classification, Classify, Handler, HandlerPolicy, IdGenerator, http::HandlerLayer,
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

async fn panicking_handler(_: Request<String>) -> Result<TextResponse, Infallible> {
    panic!("SECRET in a panic")
}

#[test]
fn panic_returns_500_and_drains_once() {
    let test = TestLayer::with(Handler::new(), |layer| {
        layer.locate_panics(|| Some("stock.rs:7:1".into()))
    });
    let response = test.call(service_fn(panicking_handler));
    assert_eq!(response.status(), 500);
    assert!(!response.body().contains("SECRET") && !response.body().contains("stock.rs"));
    assert_eq!(test.drains(), 1);
    let line = test.lines.lock().unwrap()[0].clone();
    assert!(line.contains("SECRET in a panic"), "{line}");
    assert!(line.ends_with(r"panicked_at=stock.rs:7:1"), "{line}");
    assert_eq!(assert_problem(&response, &test)["code"], "internal_error");
}

#[test]
fn panic_in_call_returns_500() {
    let test = TestLayer::new();
    let response = test.call(respond_with(|_| panic!("in call")));
    assert_eq!(response.status(), 500);
    assert_eq!(test.drains(), 1);
    assert_problem(&response, &test);
}

/// A future that panics when it is polled and again when it is dropped.
struct PanicsOnPollAndDrop;

impl Future for PanicsOnPollAndDrop {
    type Output = Result<TextResponse, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        panic!("polled")
    }
}

impl Drop for PanicsOnPollAndDrop {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

/// A future that panics on drop, pending or after completion.
struct PanicsOnDrop(Option<TextResponse>);

impl Future for PanicsOnDrop {
    type Output = Result<TextResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0
            .take()
            .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
    }
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn panic_on_drop_keeps_the_response() {
    let test = TestLayer::new();
    let response = test.call(service_fn(|_| {
        PanicsOnDrop(Some(TextResponse::new("success".into())))
    }));
    assert_eq!(
        (response.status().as_u16(), &**response.body()),
        (200, "success")
    );
    let line = test.line();
    assert!(line.contains(r#"error="panicked: dropped""#), "{line}");
    assert_eq!(test.drains(), 1);
}

#[test]
fn panic_in_a_dropped_request_is_logged() {
    let test = TestLayer::new();
    let service = test.layer.layer(service_fn(|_| PanicsOnDrop(None)));
    let request = Request::get("/orders").body(String::new()).unwrap();
    let mut response = Box::pin(service.oneshot(request));
    let polled = response
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(response);
    let line = test.line();
    assert!(line.contains(r#"error="panicked: dropped""#), "{line}");
    assert_eq!(test.drains(), 1);
}

#[test]
#[should_panic = "polled after completion"]
fn polling_after_completion_panics() {
    let test = TestLayer::new();
    let mut service = test.layer.layer(respond_with(|_| TextResponse::default()));
    let mut response = Box::pin(service.call(Request::new(String::new())));
    assert_eq!(block_on(&mut response).unwrap().status(), 200);
    let _second_poll = block_on(response);
}

/// An error whose classification panics.
#[derive(Debug, thiserror::Error)]
#[error("it")]
struct PanicsInClassify;

impl Classify for PanicsInClassify {
    fn classify(&self) -> Classification {
        panic!("classified")
    }
}

#[test]
fn panicking_classification_returns_500() {
    let test = TestLayer::new();
    let failing_service =
        service_fn(async |_: Request<String>| Err::<TextResponse, _>(PanicsInClassify));
    let response = test.call(failing_service);
    assert_eq!(response.status(), 500);
    assert_eq!(assert_problem(&response, &test)["code"], "internal_error");
    assert_eq!(test.drains(), 1);
}

#[test]
fn double_panic_returns_500() {
    let test = TestLayer::new();
    let response = test.call(service_fn(|_| PanicsOnPollAndDrop));
    assert_eq!(response.status(), 500);
    assert_problem(&response, &test);
}

/// A service whose readiness is the result of a function.
#[derive(Clone)]
struct WithReadiness(fn() -> Poll<Result<(), AppError>>);

impl Service<Request<String>> for WithReadiness {
    type Response = TextResponse;
    type Error = AppError;
    type Future = std::future::Ready<Result<TextResponse, AppError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.0()
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        panic!("called before it was ready")
    }
}

#[test]
fn readiness_failure_returns_an_error_response() {
    let test = TestLayer::new();
    let response = test.call(WithReadiness(|| {
        Poll::Ready(Err(AppError::unavailable("the pool")))
    }));
    assert_eq!(response.status(), 503);
    assert_problem(&response, &test);
    let response = test.call(WithReadiness(|| panic!("not ready")));
    assert_eq!(response.status(), 500);
    assert_problem(&response, &test);

    let mut pending_service = test.layer.layer(WithReadiness(|| Poll::Pending));
    let ready = block_on(poll_fn(|context| {
        Poll::Ready(Service::<Request<String>>::poll_ready(
            &mut pending_service,
            context,
        ))
    }));
    assert!(ready.is_pending(), "a pending service stays pending");
}

/// An error that panics in every method.
#[derive(Debug)]
struct PanicsEverywhere;

impl fmt::Display for PanicsEverywhere {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("displayed")
    }
}

impl Error for PanicsEverywhere {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("source called")
    }
}

impl Drop for PanicsEverywhere {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn error_that_always_panics_returns_500() {
    let test = TestLayer::new();
    let response = test.call(fail_with(|| {
        AppError::failure("it").with_source(PanicsEverywhere)
    }));
    assert_eq!(response.status(), 500);
    assert_eq!(test.drains(), 1, "its panics count as a bug");
    let lines = std::mem::take(&mut *test.lines.lock().unwrap());
    let id = response.headers()["x-request-id"].to_str().unwrap();
    let lines_with_id = lines
        .iter()
        .filter(|line| line.starts_with(&format!("id={id} ")));
    assert_eq!(
        (lines_with_id.count(), lines.len()),
        (2, 2),
        "one line for the error and one for the bug: {lines:?}"
    );
    let response_with_error =
        respond_with(|_| AppError::failure("it").with_source(PanicsEverywhere).into());
    let response = test.call(response_with_error);
    assert_eq!(response.status(), 500);
    assert_eq!(test.drains(), 2);
}

#[test]
fn panicking_observer_drains_and_keeps_the_response() {
    let handler = Handler::new().on_error(|_| panic!("observed"));
    let test = TestLayer::with(handler, |layer| layer);
    for _ in 0..2 {
        let response = test.call(fail_with(|| AppError::not_found("There is no such page.")));
        assert_eq!(response.status(), 404);
        let lines = std::mem::take(&mut *test.lines.lock().unwrap());
        assert_eq!(
            lines.len(),
            2,
            "one line for the error and one for the bug: {lines:?}"
        );
    }
    assert_eq!(test.drains(), 2);
}

#[test]
fn panicking_log_keeps_the_response() {
    let layer = HandlerLayer::new(
        Handler::new().log_to(|_, _| panic!("logged")),
        IdGenerator::new(7),
    );
    let service = layer.layer(fail_with(|| AppError::not_found("There is no such page.")));
    let request = Request::get("/").body(String::new()).unwrap();
    let Ok(response) = block_on(service.oneshot(request));
    assert_eq!(response.status(), 404);
}

#[test]
fn panicking_hooks_are_logged() {
    let test = TestLayer::with(Handler::new(), |layer| {
        layer
            .on_drain(|| panic!("SECRET in drain"))
            .locate_panics(|| panic!("SECRET in locate"))
    });
    let response = test.call(fail_with(|| AppError::bug("no cart")));
    assert_eq!(response.status(), 500);
    assert!(!response.body().contains("SECRET"));
    let lines = test.lines.lock().unwrap().join("\n");
    assert!(lines.contains("in drain"), "{lines}");
}

#[test]
fn crash_policy_calls_the_crash_hook() {
    let crashes = Arc::new(AtomicUsize::new(0));
    let test = TestLayer::with(Handler::new().policy(HandlerPolicy::Crash), {
        let crashes = Arc::clone(&crashes);
        |layer| {
            layer.on_crash(move || {
                crashes.fetch_add(1, Ordering::Relaxed);
            })
        }
    });
    assert_eq!(
        test.call(fail_with(|| AppError::timeout("it"))).status(),
        504
    );
    assert_eq!(crashes.load(Ordering::Relaxed), 0);
    assert_eq!(
        test.call(fail_with(|| AppError::bug("no cart"))).status(),
        500
    );
    assert_eq!(crashes.load(Ordering::Relaxed), 1);
    assert_eq!(test.drains(), 0);
}
