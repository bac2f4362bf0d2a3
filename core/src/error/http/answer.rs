//! What the client gets.

use super::{HandlerBody, REQUEST_ID, asked::Asked, bare};
use crate::{
    error::{AppError, Problem, text::guarded},
    sync::Arc,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};

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
    }
    head.extensions.insert(problem);
    Response::from_parts(head, HandlerBody::told(body))
}

/// What a response says of a body that it does not have any more. The rest stays:
/// which methods there are, how to authenticate, who may read it.
fn forget_body(status: StatusCode, headers: &mut HeaderMap) {
    for name in [
        header::CONTENT_DISPOSITION,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LENGTH,
        header::ETAG,
        header::LAST_MODIFIED,
        header::TRAILER,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    // With this status they are about what was asked for: how long it really is.
    if status != StatusCode::RANGE_NOT_SATISFIABLE {
        headers.remove(header::ACCEPT_RANGES);
        headers.remove(header::CONTENT_RANGE);
    }
}
