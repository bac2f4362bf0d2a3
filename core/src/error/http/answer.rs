//! What the client gets.

use super::{HandlerBody, REQUEST_ID, asked::Asked, bare};
use crate::{
    error::{AppError, Problem, text::guarded},
    sync::Arc,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};

/// Lets a response through; what it has of an error is handled.
pub(super) fn pass<B>(mut response: Response<B>, mut asked: Asked) -> Response<HandlerBody<B>> {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let raised = response.extensions_mut().remove::<Arc<AppError>>();
        let error = raised.or_else(|| bare::error(&response).map(Arc::new));
        if let Some(error) = error {
            let (head, body) = response.into_parts();
            if let Err(panic) = guarded(|| drop(body)) {
                asked.handle_panic(&*panic);
            }
            return answer(error, &mut asked, Some(head));
        }
    }
    // That of a problem stays, should a layer further in have another.
    let has_problem = || response.extensions().get::<Problem>().is_some();
    if let Some(id) = asked.known_id()
        && !has_problem()
    {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    response.map(|body| HandlerBody::passed(body, asked))
}

/// An answer to an error, in place of a response that told of it if there is one.
/// Whatever the error does while it is looked at and dropped, there is an answer.
pub(super) fn answer<B>(
    error: Arc<AppError>,
    asked: &mut Asked,
    head: Option<response::Parts>,
) -> Response<HandlerBody<B>> {
    let handled = guarded(|| asked.handle(&error));
    let dropped = guarded(|| drop(error));
    let problem = match handled {
        Ok(problem) => {
            if let Err(panic) = dropped {
                asked.handle_panic(&*panic);
            }
            problem
        }
        Err(panic) => {
            let bug = asked.bug(&*panic);
            asked.handle(&bug)
        }
    };
    let head = head.unwrap_or_else(|| Response::new(()).into_parts().0);
    render(problem, asked, head)
}

fn render<B>(problem: Problem, asked: &Asked, head: response::Parts) -> Response<HandlerBody<B>> {
    let mut head = head;
    let body = problem.to_json();
    head.status =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    forget_body(head.status, &mut head.headers);
    let content_type = HeaderValue::from_static(Problem::CONTENT_TYPE);
    head.headers.insert(header::CONTENT_TYPE, content_type);
    if let Some(id) = asked.known_id() {
        head.headers.insert(REQUEST_ID, id.clone());
    }
    if let Some(seconds) = problem.retry_after_seconds() {
        head.headers.insert(header::RETRY_AFTER, seconds.into());
    } else if head.headers.get(header::RETRY_AFTER).is_some_and(is_zero) {
        // Zero makes clients come back at once, and all together.
        head.headers.insert(header::RETRY_AFTER, 1.into());
    }
    head.extensions.insert(problem);
    Response::from_parts(head, HandlerBody::told(body))
}

/// Returns true for `0`, however many digits it has.
fn is_zero(value: &HeaderValue) -> bool {
    let digits = value.as_bytes().trim_ascii();
    !digits.is_empty() && digits.iter().all(|digit| *digit == b'0')
}

/// Headers that describe the content of a response, and headers that were computed
/// from it: digests and signatures.
const CONTENT_HEADERS: [HeaderName; 16] = [
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
    HeaderName::from_static("unencoded-digest"),
];

/// Removes the headers that are about the replaced body. The others stay: `Allow`,
/// `WWW-Authenticate`, those of CORS.
fn forget_body(status: StatusCode, headers: &mut HeaderMap) {
    for name in CONTENT_HEADERS {
        headers.remove(name);
    }
    // With this status they are about what was asked for: how long it really is.
    if status != StatusCode::RANGE_NOT_SATISFIABLE {
        headers.remove(header::ACCEPT_RANGES);
        headers.remove(header::CONTENT_RANGE);
    }
}
