//! What frameworks answer by themselves: a status, and not much else.

use crate::error::{AppError, Classification, Kind};
use http::{Response, StatusCode, header};

/// The error that a bare response stands for; `None` if somebody made it for
/// somebody to read.
pub(super) fn error<B>(response: &Response<B>) -> Option<AppError> {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_bare = content_type.is_none_or(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"text/plain"))
    });
    let said = "a response with this status, and no error in it";
    is_bare.then(|| AppError::new(classify(response.status())).with_detail(said))
}

fn classify(status: StatusCode) -> Classification {
    let kind = match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthorized,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Kind::Timeout,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => Kind::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        // That somebody answered 500 does not say that it was a bug.
        _ if status.is_server_error() => Kind::Failure,
        _ => Kind::InvalidInput,
    };
    Classification::new(kind).with_status(status.as_u16())
}
