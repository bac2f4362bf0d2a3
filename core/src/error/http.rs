//! Errors as answers of an HTTP server: a layer around any service of `tower`.
//!
//! [`HandlerLayer`] goes around everything that is served, and whatever goes
//! wrong in there comes out as [problem details](super::Problem), handled once
//! by the [`Handler`](super::Handler):
//!
//! | what happens inside | what the client gets |
//! |---|---|
//! | the service fails | its error, as far as it is public |
//! | a response made [from an `AppError`](#errors-in-responses) | the same |
//! | a panic, also one while something is dropped | 500, and [`on_drain`](HandlerLayer::on_drain) is called |
//! | a bare 404, 405, 413, 415 … of a framework | the same status and headers, as a problem |
//! | any other response | that, untouched |
//! | its body fails or panics under way | a body that is cut short; [handled](HandlerBody) as any error |
//!
//! Each request that goes wrong has a [`CorrelationId`](super::CorrelationId): that
//! of its header [`x-request-id`](REQUEST_ID) if it has one, and a good one; else a
//! new one. The client finds it in that header of the response and in the
//! problem's `id`, the operator in the log. An id of a client is in that header of
//! every response. A bad one is not: it is taken out of the request, so that the
//! service can rely on what it finds there. Requests that go well and came without
//! have none, unless [they are to](HandlerLayer::set_request_ids).
//!
//! An error response is *bare* if it says nothing of its type or is plain text,
//! as those of frameworks are. One in JSON or HTML was made by somebody for
//! somebody, and is left as it is. Who wants to give people something better than
//! JSON can do so further out: a response that was made here has its
//! [`Problem`](super::Problem) in its extensions.
//!
//! What is no HTTP never gets here.
//!
//! # Errors in responses
//!
//! Where a service has to answer and cannot fail, as those of many frameworks,
//! an error goes in the response: `Response::from(error)`. With the feature
//! `axum`, a handler of axum simply returns `Result<_, AppError>`. On its way
//! through other layers it is a response without a body that has the error's
//! status, and the error, as an `Arc<AppError>`, in its extensions.

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

/// Has the id of a request, in the request and in its response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
