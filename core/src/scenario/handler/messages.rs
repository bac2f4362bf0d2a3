//! Messages between the gateway and a worker, encoded as lines of text.

use super::ledger::{ACCOUNTS, BUG_AMOUNT};
use crate::{
    platform::Random,
    scenario::{Context, Values},
};
use std::{fmt, time::Duration};

/// A request to transfer money.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransferRequest {
    pub(super) number: u64,
    pub(super) amount: usize,
    /// The account to debit.
    pub(super) from: usize,
    /// The number of confirmation attempts that time out.
    pub(super) timeouts: u32,
    /// The duration of each confirmation attempt.
    pub(super) latency: Duration,
}

impl TransferRequest {
    /// Draws a request from its number, the seed and the current parameters.
    pub(super) fn draw(context: &Context, number: u64, latency: Duration) -> Self {
        let mut random = context.seed.stream(1000 + number);
        let index = usize::try_from(number).unwrap_or(0);
        let valid = TransferRequest {
            number,
            amount: 1 + index % (BUG_AMOUNT - 1),
            from: index % ACCOUNTS,
            timeouts: 0,
            latency,
        };
        if has_bug(&context.params, number) {
            let amount = BUG_AMOUNT;
            return TransferRequest { amount, ..valid };
        }
        valid.with_fault(&context.params, &mut random)
    }

    fn with_fault(self, params: &Values, random: &mut Random) -> Self {
        let percent = u32::try_from(params.integer("operational")).unwrap_or(100);
        if !random.chance(percent) {
            return self;
        }
        let [is_invalid, is_unknown, is_persistent] =
            [33, 50, 40].map(|percent| random.chance(percent));
        match (is_invalid, is_unknown) {
            (true, _) => TransferRequest { amount: 0, ..self },
            (_, true) => TransferRequest {
                from: ACCOUNTS,
                ..self
            },
            _ => TransferRequest {
                timeouts: if is_persistent { u32::MAX } else { 1 },
                ..self
            },
        }
    }

    pub(super) fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        Some(TransferRequest {
            number: fields.next()?.parse().ok()?,
            amount: fields.next()?.parse().ok()?,
            from: fields.next()?.parse().ok()?,
            timeouts: fields.next()?.parse().ok()?,
            latency: Duration::from_nanos(fields.next()?.parse().ok()?),
        })
    }
}

fn has_bug(params: &Values, number: u64) -> bool {
    number.checked_rem(params.integer("bug_every")) == Some(0)
}

impl fmt::Display for TransferRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransferRequest {
            number,
            amount,
            from,
            timeouts,
            latency,
        } = self;
        let latency = latency.as_nanos();
        write!(f, "{number} {amount} {from} {timeouts} {latency}")
    }
}

/// A worker's message to the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) enum WorkerReply<'a> {
    /// An error occurred. The handler has not decided yet.
    Raised { number: u64, error: &'a str },
    /// The handler retries the request after an error with this code.
    Retry { number: u64, code: &'a str },
    /// The transfer is complete; `total` is the total of accounts and fees.
    Done { number: u64, total: i64 },
    /// The error response.
    Failed {
        number: u64,
        status: u16,
        code: &'a str,
        body: &'a str,
    },
    /// The worker is draining and did not start the request.
    HandedBack { number: u64 },
    /// A log line.
    Log { line: &'a str },
    /// The worker accepts no more requests.
    Drain,
}

impl<'a> WorkerReply<'a> {
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (reply, rest) = line.split_once(' ').unwrap_or((line, ""));
        match reply {
            "log" => return Some(WorkerReply::Log { line: rest }),
            "drain" => return Some(WorkerReply::Drain),
            _ => {}
        }
        let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = number.parse().ok()?;
        Some(match reply {
            "raised" => WorkerReply::Raised {
                number,
                error: rest,
            },
            "retry" => WorkerReply::Retry { number, code: rest },
            "done" => WorkerReply::Done {
                number,
                total: rest.parse().ok()?,
            },
            "failed" => {
                let (status, rest) = rest.split_once(' ')?;
                let (code, body) = rest.split_once(' ')?;
                WorkerReply::Failed {
                    number,
                    status: status.parse().ok()?,
                    code,
                    body,
                }
            }
            "back" => WorkerReply::HandedBack { number },
            _ => return None,
        })
    }
}

impl fmt::Display for WorkerReply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerReply::Raised { number, error } => write!(f, "raised {number} {error}"),
            WorkerReply::Retry { number, code } => write!(f, "retry {number} {code}"),
            WorkerReply::Done { number, total } => write!(f, "done {number} {total}"),
            WorkerReply::Failed {
                number,
                status,
                code,
                body,
            } => write!(f, "failed {number} {status} {code} {body}"),
            WorkerReply::HandedBack { number } => write!(f, "back {number}"),
            WorkerReply::Log { line } => write!(f, "log {line}"),
            WorkerReply::Drain => f.write_str("drain"),
        }
    }
}
