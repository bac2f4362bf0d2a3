//! Errors that travel in responses.

use crate::{
    error::{AppError, Classification, Classify},
    sync::Arc,
};
use http::{Response, StatusCode};
use std::convert::Infallible;

/// The error on its way to the layer: a response without a body, with its status,
/// and with it as an `Arc<AppError>` in its extensions.
///
/// Should there be no layer, the client gets just that status.
///
/// ```
/// use highwater::error::AppError;
/// use http::Response;
///
/// let raised = Response::<String>::from(AppError::unavailable("stripe"));
/// assert_eq!((raised.status().as_u16(), raised.body().as_str()), (503, ""));
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

/// So that a service that never fails can have a layer for those that do.
impl Classify for Infallible {
    fn classify(&self) -> Classification {
        match *self {}
    }
}

/// So that handlers of axum return `Result<_, AppError>`.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use highwater::error::{AppError, Handler, Ids, http::HandlerLayer};
/// use http::Request;
/// use tower::ServiceExt;
///
/// async fn order() -> Result<String, AppError> {
///     Err(AppError::not_found("There is no such order."))
/// }
///
/// let app = Router::new()
///     .route("/orders/42", get(order))
///     .layer(HandlerLayer::new(Handler::new(), Ids::new(7)));
///
/// # futures::executor::block_on(async {
/// let answer = app.oneshot(Request::get("/orders/42").body(Body::empty())?).await?;
/// assert_eq!(answer.status(), 404);
/// assert_eq!(answer.headers()["content-type"], "application/problem+json");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for AppError {
    fn into_response(self) -> axum_core::response::Response {
        self.into()
    }
}
