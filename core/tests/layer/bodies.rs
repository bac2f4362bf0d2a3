//! Tests of the layer with bodies that fail after the headers have been sent.

use crate::test_layer::{TestLayer, TextResponse, assert_problem, fail_with, respond_with};
use axum::{Router, body::Bytes, routing::get};
use futures::{executor::block_on, stream};
use highwater::error::{AppError, http::HandlerBody};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use std::{
    convert::Infallible,
    future::ready,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// One step of a body.
enum Part {
    Data(&'static str),
    Waits,
    Panics,
    Fails(AppError),
}

/// A body that executes steps in order.
struct Parts {
    parts: Vec<Part>,
    panics_on_drop: bool,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = AppError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AppError>>> {
        if self.parts.is_empty() {
            return Poll::Ready(None);
        }
        match self.parts.remove(0) {
            Part::Data(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
            Part::Waits => Poll::Pending,
            Part::Panics => panic!("SECRET in a body"),
            Part::Fails(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.parts.len() as u64)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        assert!(!self.panics_on_drop, "dropped");
    }
}

/// Returns a service that returns this response once.
fn respond_once<B>(
    response: Response<B>,
) -> impl Service<Request<String>, Response = Response<B>, Error = Infallible> {
    let mut response = Some(response);
    service_fn(move |_| ready(Ok(response.take().unwrap())))
}

fn layered_body(test: &TestLayer, parts: Vec<Part>, panics_on_drop: bool) -> HandlerBody<Parts> {
    let service = respond_once(Response::new(Parts {
        parts,
        panics_on_drop,
    }));
    let request = Request::get("/rows").body(String::new()).unwrap();
    let Ok(response) = block_on(test.layer.layer(service).oneshot(request));
    assert_eq!(response.status(), 200);
    response.into_body()
}

fn next<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    block_on(body.frame())
}

fn data(frame: Option<Result<Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>>) -> Bytes {
    frame.unwrap().unwrap().into_data().unwrap()
}

#[test]
fn successful_body_is_unchanged() {
    let test = TestLayer::new();
    let parts = vec![Part::Data("all is "), Part::Data("well")];
    let mut body = layered_body(&test, parts, false);
    assert_eq!(body.size_hint().exact(), Some(2));
    assert_eq!(data(next(&mut body)), "all is ");
    assert!(!body.is_end_stream());
    assert_eq!(data(next(&mut body)), "well");
    assert!(body.is_end_stream() && next(&mut body).is_none());
    drop(body);
    assert!(test.lines.lock().unwrap().is_empty());
}

#[test]
fn problem_body_reports_its_size() {
    let test = TestLayer::new();
    let not_found = || AppError::not_found("There is no such page.");
    let service = test.layer.layer(fail_with(not_found));
    let Ok(response) = block_on(service.oneshot(Request::new(String::new())));
    let (head, mut body) = response.into_parts();
    assert!(!body.is_end_stream());
    let length = body.size_hint().exact().unwrap();
    let bytes = data(next(&mut body));
    assert_eq!(bytes.len() as u64, length);
    assert!(body.is_end_stream() && next(&mut body).is_none());
    assert_eq!(body.size_hint().exact(), Some(0));
    let json = String::from_utf8(bytes.to_vec()).unwrap();
    assert_problem(&TextResponse::from_parts(head, json), &test);
}

#[test]
fn panicking_body_is_truncated_and_drains() {
    let test = TestLayer::new();
    let parts = vec![Part::Data("all is "), Part::Panics, Part::Data("more")];
    let mut body = layered_body(&test, parts, false);
    assert_eq!(data(next(&mut body)), "all is ");
    let error = next(&mut body).unwrap().unwrap_err();
    assert!(!error.to_string().contains("SECRET"), "{error}");
    assert!(next(&mut body).is_none() && body.is_end_stream());
    let line = test.line();
    assert!(
        line.contains(r#"operation="GET /rows" "#) && line.contains("SECRET in a body"),
        "{line}"
    );
    assert!(line.ends_with(r#" response="cut short""#), "{line}");
    assert_eq!(test.drains(), 1);
}

#[test]
fn failing_body_is_logged_once_across_layers() {
    let test = TestLayer::new();
    let parts = vec![Part::Fails(AppError::unavailable("the database"))];
    let body = layered_body(&test, parts, false);
    let outer = test.layer.layer(respond_once(Response::new(body)));
    let request = Request::new(String::new());
    let mut body = block_on(outer.oneshot(request)).unwrap().into_body();
    let error = next(&mut body).unwrap().unwrap_err();
    assert_eq!(error.downcast::<AppError>().unwrap().code(), "unavailable");
    assert!(test.line().contains("the database is unavailable"));
    assert_eq!(test.drains(), 0);
}

#[test]
fn panic_in_a_dropped_body_is_logged() {
    for parts in [vec![], vec![Part::Waits], vec![Part::Data("all is ")]] {
        let test = TestLayer::new();
        let mut body = layered_body(&test, parts, true);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let _polled = Pin::new(&mut body).poll_frame(&mut context);
        drop(body);
        assert!(test.line().contains(r#"error="panicked: dropped""#));
        assert_eq!(test.drains(), 1);
    }
    let test = TestLayer::new();
    let mut body = layered_body(&test, vec![Part::Fails(AppError::timeout("it"))], true);
    assert!(next(&mut body).unwrap().is_err());
    assert_eq!(
        test.lines.lock().unwrap().len(),
        2,
        "one line for the error and one for the bug"
    );
    drop(body);
    assert_eq!(test.lines.lock().unwrap().len(), 2);
}

#[test]
fn panicking_drop_of_a_replaced_body_keeps_the_response() {
    let test = TestLayer::new();
    let body = Parts {
        parts: vec![],
        panics_on_drop: true,
    };
    let bare_error = test.call(respond_with(|_| AppError::not_found("it").into()));
    assert_problem(&bare_error, &test);
    let response = Response::builder().status(404).body(body);
    let response = test.call(respond_once(response.unwrap()));
    assert_eq!(response.status(), 404);
    assert_eq!(
        test.lines.lock().unwrap().len(),
        2,
        "one line for the error and one for the bug"
    );
    assert_eq!(test.drains(), 1);
}

#[test]
fn axum_stream_error_is_classified() {
    let test = TestLayer::new();
    let app = Router::new()
        .route(
            "/own",
            get(async || {
                let rows = stream::iter([Ok("row"), Err(AppError::unavailable("the database"))]);
                axum::body::Body::from_stream(rows)
            }),
        )
        .route(
            "/io",
            get(async || {
                let reset = io::Error::from(io::ErrorKind::ConnectionReset);
                axum::body::Body::from_stream(stream::iter([Ok("row"), Err(reset)]))
            }),
        )
        .layer(test.layer.clone());
    for path in ["/own", "/io"] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let Ok(response) = block_on(app.clone().oneshot(request));
        assert!(block_on(response.into_body().collect()).is_err());
        let line = test.line();
        assert!(line.contains(" code=unavailable "), "{line}");
    }
}

/// An error of an intermediate layer that wraps an inner error.
#[derive(Debug, thiserror::Error)]
#[error("intermediate layer: {0}")]
struct Wrapped(#[source] Box<dyn std::error::Error + Send + Sync>);

#[test]
fn wrapped_body_error_is_logged_once() {
    type Wrap = fn(Box<dyn std::error::Error + Send + Sync>) -> axum::Error;
    let wraps: [Wrap; 4] = [
        |error| axum::Error::new(error),
        |error| axum::Error::new(axum::Error::new(axum::Error::new(error))),
        |error| axum::Error::new(io::Error::other(error)),
        |error| axum::Error::new(Wrapped(Box::new(Wrapped(error)))),
    ];
    for wrap in wraps {
        for part in [
            Part::Fails(AppError::unavailable("the database")),
            Part::Panics,
        ] {
            let test = TestLayer::new();
            let body = layered_body(&test, vec![Part::Data("row"), part], false);
            let body = axum::body::Body::new(body.map_err(wrap));
            let outer = test.layer.layer(respond_once(Response::new(body)));
            let mut body = block_on(outer.oneshot(Request::new(String::new())))
                .unwrap()
                .into_body();
            assert_eq!(data(next(&mut body)), "row");
            assert!(next(&mut body).unwrap().is_err());
            assert_eq!(test.lines.lock().unwrap().len(), 1);
        }
    }
}

#[test]
fn trailers_are_forwarded() {
    let test = TestLayer::new();
    let response = test.layer.layer(service_fn(async |_: Request<()>| {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"success"))),
            Ok(Frame::trailers(trailers)),
        ];
        Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(frames))))
    }));
    let Ok(response) = block_on(response.oneshot(Request::new(())));
    let body = block_on(response.into_body().collect()).unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}
