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
//! | a framework's bare 404, 405, 413, 415 … | the same status and headers, as a problem |
//! | any other response | unchanged |
//! | the body fails or panics while it is sent | a truncated body; [handled](HandlerBody) like any other error |
//!
//! Each failed request has a [`CorrelationId`](super::CorrelationId): the one in its
//! [`x-request-id`](REQUEST_ID) header if it is valid, or a new one. The id appears
//! in the same response header, in the `id` of the problem and in the log. A valid
//! client id is returned in every response. An invalid one is removed from the
//! request, so that the service can trust the header. Other successful responses have
//! no id unless [enabled](HandlerLayer::assign_request_ids).
//!
//! An error response is *bare* if it has no content type or is plain text, as
//! framework defaults are. An error response in JSON or HTML is left unchanged. To
//! send users an HTML page instead of JSON, add an outer layer that reads the
//! [`Problem`](super::Problem) from the response extensions. As long as the problem stays
//! there, a second `HandlerLayer` further out leaves the response unchanged.
//!
//! Errors are logged with the `log` crate, which prints nothing until the program
//! installs a logger, such as `env_logger`. Alternatively, pass a function to
//! [`Handler::log_to`](super::Handler::log_to).
//!
//! Malformed requests are rejected before they reach this layer.
//!
//! # Errors in responses
//!
//! If a service cannot return an error, as in many frameworks, convert the error with
//! `Response::from(error)`. With the feature `axum`, axum handlers can return
//! `Result<_, AppError>`. Other layers see a response with the status of the error,
//! no body, and the error as an `Arc<AppError>` in its extensions.

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

/// The request id header, in requests and responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
