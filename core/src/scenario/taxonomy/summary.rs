//! What the checks ask of a trace.

use super::{BREAKER, GET, HALF_OPEN, OPEN, designs::BURST};
use crate::trace::{Event, Phase, RecordKind, Trace};
use std::mem;

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct TaxonomySummary<'a> {
    /// By their numbers, from 1. The first is for what belongs to none.
    pub(super) requests: Vec<PaymentRecord<'a>>,
    /// How often there was no retry where one might have helped, and was paid for.
    pub(super) missed: u64,
    /// How often there were more retries than the requests had paid for.
    pub(super) overdrawn: u64,
    pub(super) breaker: BreakerSummary,
    /// What is left of the budget, in hundredths of a retry.
    budget: u64,
    share: u64,
    attempts: u64,
}

/// What became of a request.
#[derive(Clone, Default)]
pub(super) struct PaymentRecord<'a> {
    pub(super) is_lookup: bool,
    /// What its attempts failed with, in turn.
    pub(super) faults: Vec<&'a str>,
    pub(super) attempts: u64,
    /// After how many faults it was done again, each time.
    pub(super) retries: Vec<usize>,
    /// Its latest error is worth another attempt, and there was none yet.
    is_owed: bool,
    /// What it had of the bank last was a probe of the breaker.
    is_probe: bool,
    /// Calls to the bank.
    pub(super) calls: u64,
    /// The codes that the log has.
    pub(super) logged: Vec<&'a str>,
    pub(super) exposed: u64,
    pub(super) answers: u64,
    /// The status and the code, if it was not answered well.
    pub(super) failure: Option<&'a str>,
}

#[derive(Default)]
pub(super) struct BreakerSummary {
    pub(super) opened: u64,
    pub(super) probed: u64,
    /// The most probes there were at a time.
    pub(super) most_probes: u64,
    pub(super) refused: u64,
    /// Calls while it was open, and refusals while it was not.
    pub(super) astray: u64,
    /// Probes that succeeded and did not close it, or failed and did.
    pub(super) misjudged: u64,
    state: ObservedState,
    probes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ObservedState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

/// What follows from an error of the service: the answer, and whether it may be
/// done again. Written down once more, so that the checks do not ask whom they
/// check.
const EXPECTED: [(&str, &str, bool); 8] = [
    ("invalid input", "400 invalid_input", false),
    ("no such payment", "404 not_found", false),
    ("paid already", "409 conflict", false),
    ("too many requests", "429 rate_limited", false),
    ("the bank timed out", "504 timeout", true),
    ("the bank is down", "503 unavailable", true),
    (LEFT_ALONE, "503 unavailable", true),
    (BUG, "500 internal_error", false),
];

pub(super) const BUG: &str = "a bug in the receipt";

const LEFT_ALONE: &str = "the bank is left alone";

/// The answer to a fault.
pub(super) fn answer_to(fault: &str) -> &'static str {
    let known = EXPECTED.iter().find(|(known, ..)| *known == fault);
    known.map_or("none", |(_, answer, _)| answer)
}

/// The code of a fault.
pub(super) fn code_of(fault: &str) -> &'static str {
    answer_to(fault).split(' ').next_back().unwrap_or("none")
}

/// Whether it may be over the next time.
pub(super) fn is_transient(fault: &str) -> bool {
    EXPECTED
        .iter()
        .any(|(known, _, is_transient)| *known == fault && *is_transient)
}

impl<'a> TaxonomySummary<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let count = usize::try_from(number("requests")).unwrap_or(0);
        let mut summary = TaxonomySummary {
            requests: vec![PaymentRecord::default(); count + 1],
            budget: BURST * 100,
            share: number("budget"),
            attempts: number("attempts"),
            ..TaxonomySummary::default()
        };
        for event in &trace.events {
            summary.add(trace, event);
        }
        summary
    }

    /// Those that went wrong.
    pub(super) fn failed(&self) -> impl Iterator<Item = &PaymentRecord<'a>> + '_ {
        self.requests.iter().filter(|it| it.failure.is_some())
    }

    /// Errors of the service.
    pub(super) fn errors(&self) -> usize {
        self.requests.iter().map(|it| it.faults.len()).sum()
    }

    fn add(&mut self, trace: &'a Trace, event: &Event) {
        let is_switch = event.kind == RecordKind::Switch || event.kind == RecordKind::Refuse;
        if is_switch && trace.name(event.source) == BREAKER {
            self.breaker
                .add(event, event.target.map(|to| trace.name(to)));
            return;
        }
        let place = usize::try_from(event.subject).unwrap_or(0);
        let place = if place < self.requests.len() {
            place
        } else {
            0
        };
        let request = &mut self.requests[place];
        let cause = event.failure.map(|cause| trace.name(cause));
        match (event.kind, event.phase) {
            (RecordKind::Request, Phase::Begin) => {
                self.budget = (self.budget + self.share).min(BURST * 100);
            }
            (RecordKind::Request, _) => {
                self.missed += u64::from(request.is_owed);
                request.answers += 1;
                request.failure = cause;
            }
            (RecordKind::Handle, Phase::Begin) => {
                request.attempts += 1;
                request.is_lookup = trace.name(event.source) == GET;
            }
            (RecordKind::Handle, _) => {
                request.faults.extend(cause);
                // Where the bank is left alone another attempt may come too soon.
                let is_worth_it = |fault| is_transient(fault) && fault != LEFT_ALONE;
                request.is_owed = request.is_lookup
                    && cause.is_some_and(is_worth_it)
                    && request.attempts < self.attempts
                    && self.budget >= 100;
                if mem::take(&mut request.is_probe) {
                    self.breaker.judged(cause.is_none_or(|fault| fault == BUG));
                }
            }
            (RecordKind::Retry, _) => {
                request.is_owed = false;
                request.retries.push(request.faults.len());
                self.overdrawn += u64::from(self.budget < 100);
                self.budget = self.budget.saturating_sub(100);
            }
            (RecordKind::Call, _) => {
                request.calls += 1;
                request.is_probe = self.breaker.call();
            }
            (RecordKind::Log, _) => request.logged.extend(cause),
            (RecordKind::Expose, _) => request.exposed += 1,
            _ => {}
        }
    }
}

impl BreakerSummary {
    fn add(&mut self, event: &Event, to: Option<&str>) {
        if event.kind == RecordKind::Refuse {
            self.refused += 1;
            self.astray += u64::from(self.state == ObservedState::Closed);
            return;
        }
        self.probes = 0;
        self.state = match to {
            Some(OPEN) => ObservedState::Open,
            Some(HALF_OPEN) => ObservedState::HalfOpen,
            _ => ObservedState::Closed,
        };
        self.opened += u64::from(self.state == ObservedState::Open);
    }

    /// Whether the call is a probe.
    fn call(&mut self) -> bool {
        match self.state {
            ObservedState::Closed => {}
            ObservedState::Open => self.astray += 1,
            ObservedState::HalfOpen => {
                self.probed += 1;
                self.probes += 1;
                self.most_probes = self.most_probes.max(self.probes);
            }
        }
        self.state == ObservedState::HalfOpen
    }

    /// A probe has come out well, or not.
    fn judged(&mut self, is_well: bool) {
        self.misjudged += u64::from(is_well != (self.state == ObservedState::Closed));
    }
}
