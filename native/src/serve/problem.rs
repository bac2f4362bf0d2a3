//! Errors as RFC 9457 "Problem Details".

use axum::{
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An error answer of the API.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// `detail` is one line: what is wrong, and what would be right.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            status,
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// It may go better in so many seconds.
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Without a `type` of its own a problem means what its status means,
        // and its title is the status's.
        let body = json!({
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, content_type, body.to_string()).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Nothing is there.
pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is no {}: there are GET /api/scenarios and POST /api/runs",
            uri.path()
        ),
    )
}

/// Something is there, but not for this method.
pub(super) async fn method_not_allowed(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not take this method: see the header Allow",
            uri.path()
        ),
    )
}
