//! Tests of the layer with clients that disconnect.

use crate::test_layer::{TestLayer, fail_with, respond_with};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::rejection::BytesRejection,
    routing::post,
};
use futures::{executor::block_on, stream};
use highwater::error::{AppError, Handler, Problem, http::HandlerLayer};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use log::Level;
use std::io::{self, ErrorKind};
use tower::ServiceExt;

/// Returns a request whose client closes the connection halfway through the body.
fn truncated_request(path: &str, kind: ErrorKind) -> Request<Body> {
    let parts = [Ok("half"), Err(io::Error::from(kind))];
    Request::post(path)
        .body(Body::from_stream(stream::iter(parts)))
        .unwrap()
}

#[test]
fn disconnected_client_is_logged_at_debug() {
    let handlers = Router::new()
        .route(
            "/boxed",
            post(async |request: Request<Body>| {
                let body = to_bytes(request.into_body(), 1024).await;
                body.map_err(|error| AppError::from_boxed(error.into()))
            }),
        )
        .route(
            "/io",
            post(async |request: Request<Body>| -> Result<Bytes, AppError> {
                let body = to_bytes(request.into_body(), 1024).await;
                Ok(body.map_err(io::Error::other)?)
            }),
        )
        .route(
            "/rejected",
            post(async |body: Result<Bytes, BytesRejection>| {
                body.map_err(|cause| {
                    AppError::invalid_input("The body is incomplete.").with_source(cause)
                })
            }),
        );
    for kind in [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
    ] {
        for path in ["/boxed", "/io", "/rejected"] {
            let test = TestLayer::new();
            let app = handlers.clone().layer(test.layer.clone());
            let Ok(response) = block_on(app.oneshot(truncated_request(path, kind)));
            let problem = response.extensions().get::<Problem>().unwrap();
            let is_classified = path == "/rejected";
            let code = if is_classified {
                "invalid_input"
            } else {
                "client_gone"
            };
            assert_eq!(
                problem.code(),
                code,
                "{path}: an explicit classification is kept"
            );
            test.line();
            assert_eq!(*test.levels.lock().unwrap(), [Level::Debug], "{path}");
            let stats = test.handler.stats();
            assert_eq!((stats.hung_up, stats.handled), (1, 0), "{path}");
            assert_eq!(stats.codes, [], "{path}");
            assert_eq!(test.drains(), 0);
        }
    }
}

#[test]
fn disconnected_dependency_is_an_error() {
    let reset = || io::Error::from(ErrorKind::ConnectionReset);
    let upstream = || axum::Error::new(io::Error::from(ErrorKind::UnexpectedEof));
    let test = TestLayer::new();
    for error in [
        || AppError::from(io::Error::from(ErrorKind::ConnectionReset)),
        || AppError::unavailable("the database").with_source("reset by peer"),
    ] {
        let response = test.call(fail_with(error));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(test.line().contains(" status=503 "));
    }
    for error in [
        AppError::unavailable("the database").with_source(upstream()),
        AppError::bug("no cart").with_source(upstream()),
        AppError::invalid_input("no such order").with_source(reset()),
    ] {
        let (status, mut error) = (error.status(), Some(error));
        let response = test.call(respond_with(move |_| error.take().unwrap().into()));
        assert_eq!(response.status().as_u16(), status);
        test.line();
    }
    let levels = test.levels.lock().unwrap();
    assert!(!levels.contains(&Level::Debug), "{levels:?}");
    assert_eq!(test.handler.stats().hung_up, 0);
}

#[test]
fn client_gone_is_recognised_in_a_response_body() {
    let test = TestLayer::with(Handler::new(), HandlerLayer::ignore_client_ids);
    let echo = Router::new().route(
        "/",
        post(async |request: Request<Body>| request.into_body()),
    );
    let parts = [Ok("half"), Err(AppError::client_gone())];
    let request = Request::post("/").body(Body::from_stream(stream::iter(parts)));
    let Ok(response) = block_on(echo.layer(test.layer.clone()).oneshot(request.unwrap()));
    assert!(block_on(response.into_body().collect()).is_err());
    assert_eq!(*test.levels.lock().unwrap(), [Level::Debug]);
    assert_eq!(test.handler.stats().hung_up, 1);
}
