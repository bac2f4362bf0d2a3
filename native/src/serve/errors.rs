//! Error handling for all responses of the server.
//!
//! Errors are returned as problem details (RFC 9457) with the correlation id of the log
//! entry.

use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
use highwater_server::logging;
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

/// The path of the problem descriptions. A problem's type is this path followed by its
/// code.
pub(super) const PROBLEM_TYPES_PATH: &str = "/problems/";

/// Returns a worker's error handler.
pub(super) fn handler() -> Arc<Handler> {
    let handler = Handler::new()
        .problem_types(PROBLEM_TYPES_PATH)
        .log_with(logging::failed_request);
    Arc::new(handler)
}

/// Returns the layer that handles a service's errors. After a bug, it sends the response
/// and calls `drain`.
pub(super) fn layer(
    handler: Arc<Handler>,
    drain: impl Fn() + Send + Sync + 'static,
) -> HandlerLayer {
    // `RandomState` is seeded with random bytes from the system.
    let seed = RandomState::new().hash_one("ids");
    HandlerLayer::new(handler, IdGenerator::new(seed))
        .on_drain(drain)
        .locate_panics(logging::take_panic_location)
}
