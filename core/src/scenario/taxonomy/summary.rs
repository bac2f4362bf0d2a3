//! A summary of a trace, for the checks.

use super::{
    designs::INITIAL_RETRIES,
    names::{BREAKER, GET, HALF_OPEN, OPEN},
};
use crate::trace::{Event, Phase, RecordKind, Trace};
use std::mem;

/// The requests and the breaker of a run, collected in one pass over the trace.
#[derive(Default)]
pub(super) struct TaxonomySummary<'a> {
    /// Indexed by request number. Entry 0 collects records without a known request.
    pub(super) requests: Vec<PaymentRecord<'a>>,
    /// Useful retries within the budget that did not happen.
    pub(super) missed_retries: u64,
    /// Retries beyond the budget.
    pub(super) retries_over_budget: u64,
    pub(super) breaker: BreakerSummary,
    /// The remaining budget in hundredths of a retry.
    budget: u64,
    share: u64,
    attempts: u64,
}

/// The history of a request.
#[derive(Clone, Default)]
pub(super) struct PaymentRecord<'a> {
    pub(super) is_lookup: bool,
    /// The errors of its attempts in order.
    pub(super) faults: Vec<&'a str>,
    pub(super) attempts: u64,
    /// The number of faults before each retry.
    pub(super) retries: Vec<usize>,
    /// `true` if its latest error calls for a retry that has not happened yet.
    is_retry_due: bool,
    /// `true` if its latest bank call was a probe of the breaker.
    is_probe: bool,
    /// Its calls to the bank.
    pub(super) calls: u64,
    /// The logged error codes.
    pub(super) logged: Vec<&'a str>,
    pub(super) exposed: u64,
    pub(super) end_count: u64,
    /// The status and code of the error response.
    pub(super) failure: Option<&'a str>,
}

#[derive(Default)]
pub(super) struct BreakerSummary {
    pub(super) opened_count: u64,
    pub(super) probe_count: u64,
    /// The maximum number of concurrent probes.
    pub(super) max_probes: u64,
    pub(super) rejected_count: u64,
    /// Calls while it was open, and rejections while it was closed.
    pub(super) violations: u64,
    /// Probes that succeeded without closing it, or failed and closed it.
    pub(super) wrong_transitions: u64,
    state: ObservedState,
    current_probes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ObservedState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

/// Each error of the service with its response and whether it is transient. The mapping
/// is repeated here so that the checks are independent of the code under test.
const EXPECTED: [(&str, &str, bool); 8] = [
    ("invalid input", "400 invalid_input", false),
    ("no such payment", "404 not_found", false),
    ("already paid", "409 conflict", false),
    ("too many requests", "429 rate_limited", false),
    ("the bank timed out", "504 timeout", true),
    ("the bank is down", "503 unavailable", true),
    (BREAKER_OPEN, "503 unavailable", true),
    (BUG, "500 internal_error", false),
];

pub(super) const BUG: &str = "a bug in the receipt";

const BREAKER_OPEN: &str = "the breaker is open";

/// Returns the response to a fault.
pub(super) fn response_to(fault: &str) -> &'static str {
    let known = EXPECTED.iter().find(|(known, ..)| *known == fault);
    known.map_or("none", |(_, response, _)| response)
}

/// Returns the code of a fault.
pub(super) fn code_of(fault: &str) -> &'static str {
    response_to(fault).split(' ').next_back().unwrap_or("none")
}

/// Returns whether a retry may succeed.
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
            budget: INITIAL_RETRIES * 100,
            share: number("budget"),
            attempts: number("attempts"),
            ..TaxonomySummary::default()
        };
        for event in &trace.events {
            summary.add(trace, event);
        }
        summary
    }

    /// Returns the failed requests.
    pub(super) fn failed(&self) -> impl Iterator<Item = &PaymentRecord<'a>> + '_ {
        self.requests.iter().filter(|it| it.failure.is_some())
    }

    /// Counts the errors of the service.
    pub(super) fn errors(&self) -> usize {
        self.requests.iter().map(|it| it.faults.len()).sum()
    }

    fn add(&mut self, trace: &'a Trace, event: &Event) {
        let is_switch = event.kind == RecordKind::Switch || event.kind == RecordKind::Reject;
        if is_switch && trace.name(event.source) == BREAKER {
            self.breaker
                .add(event, event.target.map(|to| trace.name(to)));
            return;
        }
        let index = usize::try_from(event.subject).unwrap_or(0);
        let index = if index < self.requests.len() {
            index
        } else {
            0
        };
        let request = &mut self.requests[index];
        let cause = event.failure.map(|cause| trace.name(cause));
        match (event.kind, event.phase) {
            (RecordKind::Request, Phase::Begin) => {
                self.budget = (self.budget + self.share).min(INITIAL_RETRIES * 100);
            }
            (RecordKind::Request, _) => {
                self.missed_retries += u64::from(request.is_retry_due);
                request.end_count += 1;
                request.failure = cause;
            }
            (RecordKind::Handle, Phase::Begin) => {
                request.attempts += 1;
                request.is_lookup = trace.name(event.source) == GET;
            }
            (RecordKind::Handle, _) => {
                request.faults.extend(cause);
                // While the breaker is open a retry may come too early.
                let calls_for_retry = |fault| is_transient(fault) && fault != BREAKER_OPEN;
                request.is_retry_due = request.is_lookup
                    && cause.is_some_and(calls_for_retry)
                    && request.attempts < self.attempts
                    && self.budget >= 100;
                if mem::take(&mut request.is_probe) {
                    self.breaker
                        .probe_ended(cause.is_none_or(|fault| fault == BUG));
                }
            }
            (RecordKind::Retry, _) => {
                request.is_retry_due = false;
                request.retries.push(request.faults.len());
                self.retries_over_budget += u64::from(self.budget < 100);
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
        if event.kind == RecordKind::Reject {
            self.rejected_count += 1;
            self.violations += u64::from(self.state == ObservedState::Closed);
            return;
        }
        self.current_probes = 0;
        self.state = match to {
            Some(OPEN) => ObservedState::Open,
            Some(HALF_OPEN) => ObservedState::HalfOpen,
            _ => ObservedState::Closed,
        };
        self.opened_count += u64::from(self.state == ObservedState::Open);
    }

    /// Counts a call. Returns whether it is a probe.
    fn call(&mut self) -> bool {
        match self.state {
            ObservedState::Closed => {}
            ObservedState::Open => self.violations += 1,
            ObservedState::HalfOpen => {
                self.probe_count += 1;
                self.current_probes += 1;
                self.max_probes = self.max_probes.max(self.current_probes);
            }
        }
        self.state == ObservedState::HalfOpen
    }

    /// Compares a probe's outcome with the breaker's state.
    fn probe_ended(&mut self, has_succeeded: bool) {
        self.wrong_transitions += u64::from(has_succeeded != (self.state == ObservedState::Closed));
    }
}
