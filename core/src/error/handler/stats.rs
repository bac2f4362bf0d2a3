//! Error counts.

use crate::error::{AppError, Decision};

/// Error counts of a [`Handler`](super::Handler).
///
/// ```
/// use highwater::error::{AppError, Handler, IdGenerator, Incident};
///
/// let handler = Handler::new();
/// for message in ["one", "two"] {
///     let incident = Incident::new(IdGenerator::new(7).generate(), "GET /");
///     let _decision = handler.handle(&AppError::not_found(message), &incident);
/// }
/// let stats = handler.stats();
/// assert_eq!((stats.handled, stats.operational, stats.bugs), (2, 2, 0));
/// assert_eq!(stats.codes, [("not_found", 2)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HandlerStats {
    /// All errors, not including disconnected clients.
    pub handled: u64,
    /// Operational errors.
    pub operational: u64,
    /// Bugs, including those of the handler's own observers.
    pub bugs: u64,
    /// Errors for which the handler decided to retry.
    pub retries: u64,
    /// Errors for which the handler decided to respond.
    pub responses: u64,
    /// Errors for which the handler decided to drain the process.
    pub drains: u64,
    /// Errors for which the handler decided to crash the process.
    pub crashes: u64,
    /// Requests whose [client disconnected](crate::error::ErrorKind::ClientGone).
    pub hung_up: u64,
    /// Errors by code, in the order of first occurrence.
    pub codes: Vec<(&'static str, u64)>,
    /// Errors with other codes. Only the first 64 codes are counted separately.
    pub other_codes: u64,
}

const MAX_CODES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct HandlerCounts(HandlerStats);

impl HandlerCounts {
    pub(super) fn add(&mut self, error: &AppError, decision: &Decision) {
        let stats = &mut self.0;
        stats.handled += 1;
        if error.is_bug() {
            stats.bugs += 1;
        } else {
            stats.operational += 1;
        }
        match decision {
            Decision::Respond(_) => stats.responses += 1,
            Decision::Retry(_) => stats.retries += 1,
            Decision::Drain(_) => stats.drains += 1,
            Decision::Crash => stats.crashes += 1,
        }
        let code = error.code();
        let has_room = stats.codes.len() < MAX_CODES;
        match stats.codes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None if has_room => stats.codes.push((code, 1)),
            None => stats.other_codes += 1,
        }
    }

    pub(super) fn add_hang_up(&mut self) {
        self.0.hung_up += 1;
    }

    pub(super) fn stats(&self) -> HandlerStats {
        self.0.clone()
    }
}
