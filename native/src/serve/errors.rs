//! Errors of the server: one handler for all that it answers.
//!
//! Every error is problem details (RFC 9457) with the id that its line in the log
//! has. To people it is a few words instead.

use crate::{death, logging};
use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use highwater::error::{AppError, Classification, Handler, Ids, Kind, Problem, http::HandlerLayer};
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// What a problem means is told at this and its code.
pub(super) const PROBLEMS: &str = "/problems/";

/// The layer around all that is served. A bug is answered, and then `drain` is
/// called.
pub(super) fn layer(drain: impl Fn() + Send + Sync + 'static) -> HandlerLayer {
    let handler = Handler::new()
        .problem_types(PROBLEMS)
        .log_with(logging::request);
    // What the standard library seeds its maps with comes from the system.
    let seed = RandomState::new().hash_one("ids");
    HandlerLayer::new(handler, Ids::new(seed))
        .on_drain(drain)
        .locate_panics(death::place_of_last_panic)
}

/// There is no more room for now.
pub(super) fn busy(message: String) -> AppError {
    let busy = Classification::new(Kind::Unavailable).with_code("busy");
    AppError::new(busy)
        .with_public(message)
        .with_retry_after(Duration::from_secs(1))
}

/// Tells a person in words what went wrong. A program, which does not ask for
/// HTML, and whoever uses the API, gets the problem as it is.
pub(super) async fn in_words(request: Request, next: Next) -> Response {
    let accept = request.headers().get_all(header::ACCEPT).iter();
    let mut accept = accept.filter_map(|value| value.to_str().ok());
    let is_page = !request.uri().path().starts_with("/api/");
    let is_person = accept.any(|accept| accept.contains("text/html"));
    let response = next.run(request).await;
    let problem = response.extensions().get::<Problem>().cloned();
    let Some(problem) = problem.filter(|_| is_page) else {
        return response;
    };
    let mut response = if is_person {
        let (mut head, _) = response.into_parts();
        head.headers.remove(header::CONTENT_TYPE);
        (head, words(&problem)).into_response()
    } else {
        response
    };
    let accept = HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, accept);
    response
}

fn words(problem: &Problem) -> String {
    let (detail, id) = (problem.detail(), problem.id());
    let (status, title) = (problem.status(), problem.title());
    format!("{detail}\n\n{status} {title}, request {id}\n")
}
