//! Errors of the server: one handler for all that it answers.
//!
//! Every error is problem details (RFC 9457) with the id that its line in the log
//! has. To people it is a few plain_text instead.

use crate::{logging, panic_report};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headers_accept::Accept;
use highwater::error::{
    AppError, Classification, ErrorKind, Handler, Ids, Problem, http::HandlerLayer,
};
use mediatype::{
    MediaType, MediaTypeBuf, Name,
    names::{APPLICATION, HTML, JSON, PLAIN, TEXT},
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

/// What a problem means is told at this and its code.
pub(super) const PROBLEM_TYPES: &str = "/problems/";

/// Returns the handler of all errors of a worker.
pub(super) fn handler() -> Arc<Handler> {
    let handler = Handler::new()
        .problem_types(PROBLEM_TYPES)
        .log_with(logging::request);
    Arc::new(handler)
}

const PROBLEM: Name<'_> = Name::new_unchecked("problem");

/// The layer around all that is served. A bug is answered, and then `drain` is
/// called.
pub(super) fn layer(
    handler: Arc<Handler>,
    drain: impl Fn() + Send + Sync + 'static,
) -> HandlerLayer {
    // What the standard library seeds its maps with comes from the system.
    let seed = RandomState::new().hash_one("ids");
    HandlerLayer::new(handler, Ids::new(seed))
        .on_drain(drain)
        .locate_panics(panic_report::take_panic_location)
}

/// There is no more room for now.
pub(super) fn busy(message: String) -> AppError {
    let busy = Classification::new(ErrorKind::Unavailable).with_code("busy");
    AppError::new(busy)
        .with_public(message)
        .with_retry_after(Duration::from_secs(1))
}

/// Tells a person in plain_text what went wrong. A program, which does not ask for
/// HTML, and whoever uses the API, gets the problem as it is.
pub(super) async fn errors_as_text(request: Request, next: Next) -> Response {
    let is_page = !request.uri().path().starts_with("/api/");
    let is_person = prefers_text(request.headers());
    let response = next.run(request).await;
    let problem = response.extensions().get::<Problem>().cloned();
    let Some(problem) = problem.filter(|_| is_page) else {
        return response;
    };
    let mut response = if is_person {
        let (mut head, _) = response.into_parts();
        head.headers.remove(header::CONTENT_TYPE);
        (head, plain_text(&problem)).into_response()
    } else {
        response
    };
    let accept = HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, accept);
    response
}

/// Returns true if the client would rather have text than JSON. Without a valid
/// `Accept`, or if it takes neither, it would not.
fn prefers_text(headers: &HeaderMap) -> bool {
    let types = [
        MediaType::from_parts(APPLICATION, PROBLEM, Some(JSON), &[]),
        MediaType::new(APPLICATION, JSON),
        MediaType::new(TEXT, HTML),
        MediaType::new(TEXT, PLAIN),
    ];
    let sent = headers.get_all(header::ACCEPT).iter();
    let sent: Result<Vec<&str>, _> = sent.map(HeaderValue::to_str).collect();
    let Ok(Ok(accept)) = sent.map(|sent| sent.join(",").parse::<Accept>()) else {
        return false;
    };
    // A range with parameters, as in `text/html;charset=utf-8`, matches only what has
    // the same, so each is offered as well as it was ranges for.
    let ranges = accept.media_types().map(MediaTypeBuf::to_ref);
    let ranges = ranges.filter(|ranges| types.iter().any(|it| it.essence() == ranges.essence()));
    let mut offered = types.to_vec();
    offered.extend(ranges);
    let best = accept.negotiate(&offered);
    best.is_some_and(|best| best.ty == TEXT)
}

fn plain_text(problem: &Problem) -> String {
    let (detail, id) = (problem.detail(), problem.id());
    let (status, title) = (problem.status(), problem.title());
    format!("{detail}\n\n{status} {title}, request {id}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides_between_words_and_json() {
        for (accept, is_person) in [
            ("", false),
            ("*/*", false),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("text/html;q=0", false),
            ("text/html;q=0.000, */*", false),
            ("text/html, application/xhtml+xml, */*;q=0.8", true),
            ("text/html;charset=utf-8", true),
            (
                "text/html; level=\"1,2\"; q=0.5, application/json; q=0.4",
                true,
            ),
            ("application/json, text/html;q=0.9", false),
            ("application/json;q=0.3, text/html;q=0.9", true),
            ("application/problem+json, text/html", false),
            ("application/problem+json;q=0.1, text/html;Q=0.2", true),
            ("application/*, text/html;q=0.5", false),
            ("text/*", true),
            ("text/*;q=0.1, application/*", false),
            ("*/*;q=0.1, text/html;q=0.05", false),
            ("text/plain", true),
            ("application/json, text/plain, */*", false),
            ("image/png", false),
            ("application/text/html", false),
            ("x-text/html-x", false),
            ("text/html+json", false),
            ("text/html, ;;", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_text(&headers), is_person, "{accept}");
        }
    }

    #[test]
    fn accept_may_come_in_several_headers() {
        let mut headers = HeaderMap::new();
        for accept in ["application/json;q=0.5", "text/html"] {
            headers.append(header::ACCEPT, HeaderValue::from_static(accept));
        }
        assert!(prefers_text(&headers));
    }
}
