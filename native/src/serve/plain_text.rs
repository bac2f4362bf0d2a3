//! Errors as plain text for browsers.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headers_accept::Accept;
use highwater::error::Problem;
use mediatype::{
    MediaType, MediaTypeBuf, Name,
    names::{APPLICATION, HTML, JSON, PLAIN, TEXT},
};

const PROBLEM_SUBTYPE: Name<'_> = Name::new_unchecked("problem");

/// Replaces problem details with plain text for clients that prefer text to JSON, such as
/// browsers. API responses stay JSON.
pub(super) async fn render_errors(request: Request, next: Next) -> Response {
    let is_page = !request.uri().path().starts_with("/api/");
    let wants_text = prefers_text(request.headers());
    let response = next.run(request).await;
    let problem = response.extensions().get::<Problem>().cloned();
    let Some(problem) = problem.filter(|_| is_page) else {
        return response;
    };
    let mut response = if wants_text {
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

/// Returns true if the client prefers text to JSON. Returns false if the `Accept` header
/// is missing or invalid, or if it accepts neither.
fn prefers_text(headers: &HeaderMap) -> bool {
    let types = [
        MediaType::from_parts(APPLICATION, PROBLEM_SUBTYPE, Some(JSON), &[]),
        MediaType::new(APPLICATION, JSON),
        MediaType::new(TEXT, HTML),
        MediaType::new(TEXT, PLAIN),
    ];
    let accept_values = headers.get_all(header::ACCEPT).iter();
    let accept_values: Result<Vec<&str>, _> = accept_values.map(HeaderValue::to_str).collect();
    let Ok(Ok(accept)) =
        accept_values.map(|accept_values| accept_values.join(",").parse::<Accept>())
    else {
        return false;
    };
    // A range with parameters, such as `text/html;charset=utf-8`, matches only a type
    // with the same parameters. Therefore each requested range is offered as well.
    let ranges = accept.media_types().map(MediaTypeBuf::to_ref);
    let ranges = ranges.filter(|range| types.iter().any(|it| it.essence() == range.essence()));
    let mut offered_types = types.to_vec();
    offered_types.extend(ranges);
    let preferred = accept.negotiate(&offered_types);
    preferred.is_some_and(|preferred| preferred.ty == TEXT)
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
    fn accept_header_selects_text_or_json() {
        for (accept, expected) in [
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
            assert_eq!(prefers_text(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn multiple_accept_headers_are_joined() {
        let mut headers = HeaderMap::new();
        for accept in ["application/json;q=0.5", "text/html"] {
            headers.append(header::ACCEPT, HeaderValue::from_static(accept));
        }
        assert!(prefers_text(&headers));
    }
}
