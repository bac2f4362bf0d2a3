//! Error responses.

use super::{HandlerBody, REQUEST_ID, request_context::RequestContext};
use crate::{
    error::{AppError, Classification, Classify, ErrorKind, Problem},
    panics::catch_panic,
    sync::Arc,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};
use std::convert::Infallible;

/// Converts an error to a response with its status, an empty body, and the error as
/// an `Arc<AppError>` in its extensions.
///
/// A [`HandlerLayer`](super::HandlerLayer) turns it into a problem. Without one, the
/// client gets only the status.
///
/// ```
/// use highwater::error::AppError;
/// use http::Response;
///
/// let response = Response::<String>::from(AppError::unavailable("stripe"));
/// assert_eq!((response.status().as_u16(), response.body().as_str()), (503, ""));
/// ```
impl<B: Default> From<AppError> for Response<B> {
    fn from(error: AppError) -> Self {
        let mut response = Response::new(B::default());
        *response.status_mut() =
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Arc::new(error));
        response
    }
}

/// Allows the layer to wrap services that never fail.
impl Classify for Infallible {
    fn classify(&self) -> Classification {
        match *self {}
    }
}

/// Allows axum handlers to return `Result<_, AppError>`.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use highwater::error::{AppError, Handler, IdGenerator, http::HandlerLayer};
/// use http::Request;
/// use tower::ServiceExt;
///
/// async fn order() -> Result<String, AppError> {
///     Err(AppError::not_found("There is no such order."))
/// }
///
/// let app = Router::new()
///     .route("/orders/42", get(order))
///     // Real code needs a random seed.
///     .layer(HandlerLayer::new(Handler::new(), IdGenerator::new(7)));
///
/// # futures::executor::block_on(async {
/// let response = app.oneshot(Request::get("/orders/42").body(Body::empty())?).await?;
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for AppError {
    fn into_response(self) -> axum_core::response::Response {
        self.into()
    }
}

/// Returns the response unchanged, or replaces it if it contains an error.
pub(super) fn pass_through<B>(
    mut response: Response<B>,
    mut request_context: RequestContext,
) -> Response<HandlerBody<B>> {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let attached_error = response.extensions_mut().remove::<Arc<AppError>>();
        let error = attached_error.or_else(|| error_of_bare_response(&response).map(Arc::new));
        if let Some(error) = error {
            let (head, body) = response.into_parts();
            if let Err(panic) = catch_panic(|| drop(body)) {
                request_context.handle_panic(&*panic);
            }
            return error_response(error, &mut request_context, Some(head));
        }
    }
    // A problem from an inner layer keeps its id.
    let has_problem = || response.extensions().get::<Problem>().is_some();
    if let Some(id) = request_context.known_id()
        && !has_problem()
    {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    response.map(|body| HandlerBody::from_service(body, request_context))
}

/// Creates the response to an error, based on the `head` of the replaced response, if
/// any. Always returns a response, even if the error panics when it is formatted or
/// dropped.
pub(super) fn error_response<B>(
    error: Arc<AppError>,
    request_context: &mut RequestContext,
    head: Option<response::Parts>,
) -> Response<HandlerBody<B>> {
    let handle_result = catch_panic(|| request_context.handle(&error));
    let drop_result = catch_panic(|| drop(error));
    let problem = match handle_result {
        Ok(problem) => {
            if let Err(panic) = drop_result {
                request_context.handle_panic(&*panic);
            }
            problem
        }
        Err(panic) => {
            let bug = request_context.bug(&*panic);
            request_context.handle(&bug)
        }
    };
    let head = head.unwrap_or_else(|| Response::new(()).into_parts().0);
    render(problem, request_context, head)
}

fn render<B>(
    problem: Problem,
    request_context: &RequestContext,
    head: response::Parts,
) -> Response<HandlerBody<B>> {
    let mut head = head;
    let body = problem.to_json();
    head.status =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    remove_content_headers(head.status, &mut head.headers);
    let content_type = HeaderValue::from_static(Problem::CONTENT_TYPE);
    head.headers.insert(header::CONTENT_TYPE, content_type);
    if let Some(id) = request_context.known_id() {
        head.headers.insert(REQUEST_ID, id.clone());
    }
    if let Some(seconds) = problem.retry_after_seconds() {
        head.headers.insert(header::RETRY_AFTER, seconds.into());
    } else if head.headers.get(header::RETRY_AFTER).is_some_and(is_zero) {
        // With 0, all clients would retry immediately.
        head.headers.insert(header::RETRY_AFTER, 1.into());
    }
    head.extensions.insert(problem);
    Response::from_parts(head, HandlerBody::from_problem(body))
}

/// Returns whether the value consists of zeros only.
fn is_zero(value: &HeaderValue) -> bool {
    let digits = value.as_bytes().trim_ascii();
    !digits.is_empty() && digits.iter().all(|digit| *digit == b'0')
}

/// Headers that describe the content of a response or are computed from it, such as
/// digests and signatures.
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

/// Removes the headers that describe the replaced body. Others, such as `Allow`,
/// `WWW-Authenticate` and the CORS headers, are kept.
fn remove_content_headers(status: StatusCode, headers: &mut HeaderMap) {
    for name in CONTENT_HEADERS {
        headers.remove(name);
    }
    // With status 416 they describe the requested resource, for example its length.
    if status != StatusCode::RANGE_NOT_SATISFIABLE {
        headers.remove(header::ACCEPT_RANGES);
        headers.remove(header::CONTENT_RANGE);
    }
}

/// Returns the error that a bare response represents, or `None` if the response is
/// not bare. A response with a problem is not bare: an inner layer has handled its error.
fn error_of_bare_response<B>(response: &Response<B>) -> Option<AppError> {
    if response.extensions().get::<Problem>().is_some() {
        return None;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_bare = content_type.is_none_or(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"text/plain"))
    });
    let detail = "the service returned this status without details";
    is_bare.then(|| AppError::new(classify_status(response.status())).with_detail(detail))
}

fn classify_status(status: StatusCode) -> Classification {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorKind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => ErrorKind::Timeout,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ErrorKind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorKind::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
        // A framework's 500 does not prove a bug.
        _ if status.is_server_error() => ErrorKind::Failure,
        _ => ErrorKind::InvalidInput,
    };
    Classification::new(kind).with_status(status.as_u16())
}
