//! Error handling for all responses of the server.
//!
//! Errors are returned as problem details (RFC 9457) with the correlation id of the log
//! entry.

use crate::{logging, trace_context::TraceContext};
use highwater::{
    error::{Handler, IdGenerator, http::HandlerLayer},
    scale::WorkerId,
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

/// Returns the error handler of a worker, which logs the errors.
pub(crate) fn handler(handler: Handler, worker: WorkerId) -> Arc<Handler> {
    Arc::new(handler.log_with(move |report| logging::failed_request(worker, report)))
}

/// Returns the layer that handles a service's errors. After a bug, it sends the response
/// and calls `drain`.
pub(crate) fn layer(
    handler: Arc<Handler>,
    drain: impl Fn() + Send + Sync + 'static,
) -> HandlerLayer {
    // `RandomState` is seeded with random bytes from the system.
    let seed = RandomState::new().hash_one("ids");
    HandlerLayer::new(handler, IdGenerator::new(seed))
        .on_drain(drain)
        .locate_panics(logging::take_panic_location)
        .trace_ids(|extensions| extensions.get().map(TraceContext::trace_id))
}
