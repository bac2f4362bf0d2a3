//! What the scenarios about errors have in common: requests with ids, a log that
//! is on record, clients that look at what they are answered.
//!
//! Good requests go straight through. Operational errors branch off to an answer
//! or to another attempt, bugs to the end of whoever had them.

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
    "How many there are.",
    (ParamUnit::Count, 1, 2_000, 60),
);

pub(super) const INTERVAL: Param = Param::integer(
    "interval",
    "Time between requests",
    "How far apart they arrive, give or take a quarter. They do not wait for each other.",
    (ParamUnit::Ms, 0, 1_000, 30),
)
.live();

/// The name in the trace.
pub(super) const ERROR_HANDLER: &str = "ErrorHandler";

/// How an attempt ends that was not begun: it is for somebody else.
pub(super) const HANDED_BACK: &str = "handed back";

/// Every error has it in its details. No answer may.
pub(super) const SECRET: &str = "password=hunter2";

/// The id that the client gave to a request: its number can be told from it, so
/// that whoever finds it in a log or an answer knows which one is meant.
pub(super) fn id_of(request: u64) -> CorrelationId {
    let id = CorrelationId::parse(format!("request-{request}"));
    id.expect("it is made of letters, digits and a dash")
}

/// Which request has that id; 0 if none has.
pub(super) fn request_of(id: &str) -> u64 {
    let number = id.strip_prefix("request-");
    number.map_or(0, |number| number.parse().unwrap_or(0))
}

/// The log of a program, which also puts on record that it was written to.
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

    /// A line as a [`Handler`](crate::error::Handler) writes it. Whose it is and
    /// what it is about is read from the line, as an operator would.
    pub(super) fn write(&self, line: &str) {
        let value = |key| line.split(' ').find_map(|word| word.strip_prefix(key));
        let request = request_of(value("id=").unwrap_or_default());
        let code = value("code=").unwrap_or("no code");
        self.trace
            .instant_with_cause(RecordKind::Log, self.id, request, code);
    }
}

/// A client is answered, and looks at the body.
pub(super) fn answer(
    trace: &Recorder,
    by: NameId,
    request: (u64, Span),
    answer: ErrorResponse<'_>,
) {
    let (number, span) = request;
    if answer.body.contains(SECRET) {
        trace.instant(RecordKind::Expose, by, number);
    }
    span.fail(&format!("{} {}", answer.status, answer.code));
}

/// An answer that is none to be glad of.
#[derive(Clone, Copy)]
pub(super) struct ErrorResponse<'a> {
    pub(super) status: u16,
    pub(super) code: &'a str,
    pub(super) body: &'a str,
}

impl<'a> ErrorResponse<'a> {
    /// What a problem is sent as.
    pub(super) fn of(problem: &Problem, body: &'a str) -> Self {
        ErrorResponse {
            status: problem.status(),
            code: problem.code(),
            body,
        }
    }
}
