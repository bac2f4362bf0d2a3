//! The layer, where the client is gone: that is nobody's error.

use crate::layered::{Tested, answering, failing};
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

/// A request whose client closes the connection in the middle of its body.
fn cut_short(path: &str, how: ErrorKind) -> Request<Body> {
    let parts = [Ok("half"), Err(io::Error::from(how))];
    Request::post(path)
        .body(Body::from_stream(stream::iter(parts)))
        .unwrap()
}

#[test]
fn a_client_that_is_gone_is_logged_at_debug_and_counted_apart() {
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
                    AppError::invalid_input("The body did not come whole.").with_source(cause)
                })
            }),
        );
    for how in [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
    ] {
        for path in ["/boxed", "/io", "/rejected"] {
            let tested = Tested::new();
            let app = handlers.clone().layer(tested.layer.clone());
            let Ok(answer) = block_on(app.oneshot(cut_short(path, how)));
            let problem = answer.extensions().get::<Problem>().unwrap();
            let is_told = path == "/rejected";
            let code = if is_told {
                "invalid_input"
            } else {
                "client_gone"
            };
            assert_eq!(
                problem.code(),
                code,
                "{path}: what somebody says of it stays"
            );
            tested.line();
            assert_eq!(*tested.levels.lock().unwrap(), [Level::Debug], "{path}");
            let stats = tested.handler.stats();
            assert_eq!((stats.hung_up, stats.handled), (1, 0), "{path}");
            assert_eq!(stats.codes, [], "{path}");
            assert_eq!(tested.drains(), 0);
        }
    }
}

#[test]
fn a_dependency_that_hangs_up_is_still_an_error() {
    let reset = || io::Error::from(ErrorKind::ConnectionReset);
    let upstream = || axum::Error::new(io::Error::from(ErrorKind::UnexpectedEof));
    let tested = Tested::new();
    for error in [
        || AppError::from(io::Error::from(ErrorKind::ConnectionReset)),
        || AppError::unavailable("the database").with_source("reset by peer"),
    ] {
        let answer = tested.ask(failing(error));
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(tested.line().contains(" status=503 "));
    }
    for error in [
        AppError::unavailable("the database").with_source(upstream()),
        AppError::bug("no cart").with_source(upstream()),
        AppError::invalid_input("no such order").with_source(reset()),
    ] {
        let (status, mut error) = (error.status(), Some(error));
        let answer = tested.ask(answering(move |_| error.take().unwrap().into()));
        assert_eq!(answer.status().as_u16(), status);
        tested.line();
    }
    let levels = tested.levels.lock().unwrap();
    assert!(!levels.contains(&Level::Debug), "{levels:?}");
    assert_eq!(tested.handler.stats().hung_up, 0);
}

#[test]
fn a_body_that_a_server_marks_is_known_in_the_answer_too() {
    let tested = Tested::with(Handler::new(), HandlerLayer::ignore_client_ids);
    let echo = Router::new().route(
        "/",
        post(async |request: Request<Body>| request.into_body()),
    );
    let parts = [Ok("half"), Err(AppError::client_gone())];
    let request = Request::post("/").body(Body::from_stream(stream::iter(parts)));
    let Ok(answer) = block_on(echo.layer(tested.layer.clone()).oneshot(request.unwrap()));
    assert!(block_on(answer.into_body().collect()).is_err());
    assert_eq!(*tested.levels.lock().unwrap(), [Level::Debug]);
    assert_eq!(tested.handler.stats().hung_up, 1);
}
