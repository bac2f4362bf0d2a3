//! Errors as HTTP responses: a layer around any `tower` service.
//!
//! [`HandlerLayer`] wraps a whole application. The [`Handler`](super::Handler)
//! handles every error inside it once, and the client gets [problem
//! details](super::Problem):
//!
//! | inside | response |
//! |---|---|
//! | the service returns an error | the public part of the error |
//! | a response made [from an `AppError`](#errors-in-responses) | the same |
//! | a panic, even in a destructor | 500, and [`on_drain`](HandlerLayer::on_drain) is called |
//! | a bare 404, 405, 413, 415 … of a framework | the same status and headers, as a problem |
//! | any other response | unchanged |
//! | the body fails or panics while it is sent | a truncated body; [handled](HandlerBody) like any other error |
//!
//! Each failed request has a [`CorrelationId`](super::CorrelationId): that of its
//! [`x-request-id`](REQUEST_ID) header if it is valid, or a new one. It is in that
//! header of the response, in the `id` of the problem, and in the log. A valid id of
//! a client is in the header of every response. An invalid one is removed from the
//! request, so that the service can rely on the header. Other successful responses
//! have no id, unless [enabled](HandlerLayer::set_request_ids).
//!
//! An error response is *bare* if it has no content type or is plain text, like those
//! of frameworks. An error response in JSON or HTML is left unchanged. To send people
//! something nicer than JSON, add a layer further out: the response has its
//! [`Problem`](super::Problem) in its extensions.
//!
//! Malformed requests are rejected before they reach this layer.
//!
//! # Errors in responses
//!
//! Where a service cannot return an error, as in many frameworks, put it into a
//! response with `Response::from(error)`. With the feature `axum`, handlers of axum
//! can return `Result<_, AppError>`. Other layers see a response with the status of
//! the error, no body, and the error as an `Arc<AppError>` in its extensions.

mod body;
mod future;
mod layer;
mod request_context;
mod response;
mod service;

pub use body::HandlerBody;
pub use future::HandlerFuture;
pub use layer::HandlerLayer;
pub use service::HandlerService;

use http::HeaderName;

/// The header with the id of a request, in the request and in its response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
