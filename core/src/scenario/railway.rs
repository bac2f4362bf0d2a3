//! Shared parts of the error scenarios: request ids, a recorded log, and clients that
//! inspect the responses.
//!
//! As on a railway, successful requests go straight through, operational errors branch
//! off to a response or a retry, and bugs end their worker.

mod narrate;
mod tally;

pub(super) use narrate::narrate;
pub use tally::Tally;

use super::{Param, ParamUnit};
use crate::{
    error::{CorrelationId, Problem},
    trace::{NameId, RecordKind, Recorder, Span},
};

pub(super) const REQUESTS: Param = Param::integer(
    "requests",
    "Requests",
    "Total number.",
    (ParamUnit::Count, 1, 2_000, 60),
);

pub(super) const INTERVAL: Param = Param::integer(
    "interval",
    "Time between requests",
    "Mean time between arrivals, regardless of responses.",
    (ParamUnit::Ms, 0, 1_000, 30),
)
.live();

/// The error handler's name in the trace.
pub(super) const ERROR_HANDLER: &str = "ErrorHandler";

/// The cause of an attempt that a draining worker handed back before starting it.
pub(super) const HANDED_BACK: &str = "handed back";

/// A secret in the details of every error. No response may contain it.
pub(super) const SECRET: &str = "password=hunter2";

/// Returns the correlation id that the client gave a request. It contains the request's
/// number, so log lines and responses identify the request.
pub(super) fn correlation_id(request: u64) -> CorrelationId {
    let id = CorrelationId::parse(format!("request-{request}"));
    id.expect("letters, digits and a dash are valid")
}

/// Returns the number of the request with that id, or 0 if the id has no number.
pub(super) fn request_number(id: &str) -> u64 {
    let number = id.strip_prefix("request-");
    number.map_or(0, |number| number.parse().unwrap_or(0))
}

/// A program's error log, which records each line in the trace.
#[derive(Clone)]
pub(super) struct ErrorLog {
    trace: Recorder,
    id: NameId,
}

impl ErrorLog {
    pub(super) fn open(trace: &Recorder) -> Self {
        let id = trace.name(ERROR_HANDLER);
        trace.instant(RecordKind::Start, id, 0);
        ErrorLog {
            trace: trace.clone(),
            id,
        }
    }

    pub(super) fn id(&self) -> NameId {
        self.id
    }

    /// Records a line written by a [`Handler`](crate::error::Handler). The request and
    /// the code are parsed from the line, as an operator would read them.
    pub(super) fn write(&self, line: &str) {
        let value = |key| line.split(' ').find_map(|word| word.strip_prefix(key));
        let request = request_number(value("id=").unwrap_or_default());
        let code = value("code=").unwrap_or("no code");
        self.trace
            .instant_with_cause(RecordKind::Log, self.id, request, code);
    }
}

/// Ends a request with an error response, whose body the client inspects for
/// [`SECRET`].
pub(super) fn respond(
    trace: &Recorder,
    by: NameId,
    request: (u64, Span),
    response: ErrorResponse<'_>,
) {
    let (number, span) = request;
    if response.body.contains(SECRET) {
        trace.instant(RecordKind::Expose, by, number);
    }
    span.fail(&format!("{} {}", response.status, response.code));
}

/// An error response.
#[derive(Clone, Copy)]
pub(super) struct ErrorResponse<'a> {
    pub(super) status: u16,
    pub(super) code: &'a str,
    pub(super) body: &'a str,
}

impl<'a> ErrorResponse<'a> {
    /// Creates the response for a problem with a serialized body.
    pub(super) fn of(problem: &Problem, body: &'a str) -> Self {
        ErrorResponse {
            status: problem.status(),
            code: problem.code(),
            body,
        }
    }
}
