//! Outcomes and figures of an error scenario's run.

use super::HANDED_BACK;
use crate::scenario::{
    format::format_ms,
    worker_slot::{WorkerSlot, WorkerSlots},
    workers::{KILLED, LOST},
};
use crate::trace::{Event, Phase, RecordKind, Trace};
use std::time::Duration;

/// The outcomes of a run's requests and processes in an error scenario. It is computed
/// from the trace alone, for tables, reports and checks.
///
/// ```
/// use highwater::scenario::{self, Tally};
///
/// let trace = scenario::find("taxonomy")?.experiment().simulate();
/// let tally = Tally::of(&trace);
/// assert_eq!(tally.answered() + tally.lost, tally.requests);
/// assert_eq!(tally.logged, tally.errors, "every error is logged once");
/// # Ok::<(), scenario::InputError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests answered with 2xx, right or wrong.
    pub succeeded: u64,
    /// Requests answered with 4xx: the client's fault.
    pub client_errors: u64,
    /// Requests answered with 5xx.
    pub server_errors: u64,
    /// Requests lost with the worker they were in flight on.
    pub lost: u64,
    /// Successful requests with a wrong response.
    pub wrong: u64,
    /// Responses that exposed internal details.
    pub exposed: u64,
    /// Request attempts, without those handed back before they started.
    pub attempts: u64,
    /// Attempts that ended in an error.
    pub errors: u64,
    /// Retries of requests.
    pub retries: u64,
    /// Calls rejected by a circuit breaker.
    pub rejected: u64,
    /// Log lines.
    pub logged: u64,
    /// Processes that crashed or failed to start, without killed ones.
    pub crashes: u64,
    /// Processes that replaced an exited process.
    pub restarts: u64,
    /// `true` once the supervisor gave up, so that no more workers are replaced.
    pub has_given_up: bool,
    /// The longest time from an exit until the replacement was ready.
    pub longest_restart: Duration,
    worker_slots: WorkerSlots,
}

impl Tally {
    /// Builds the tally of a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut tally = Tally::default();
        for event in &trace.events {
            tally.apply(trace, event);
        }
        tally
    }

    /// Applies the next record of a trace.
    pub fn apply(&mut self, trace: &Trace, event: &Event) {
        let cause = event.failure.map(|cause| trace.name(cause));
        if let Some(empty_time) = self.worker_slots.apply(trace, event) {
            self.restarts += 1;
            self.longest_restart = self.longest_restart.max(empty_time);
        }
        match (event.kind, event.phase) {
            (RecordKind::Request, Phase::Begin) => self.requests += 1,
            (RecordKind::Request, Phase::End) => self.end(cause),
            (RecordKind::Handle, Phase::End) => {
                let is_attempt = cause != Some(HANDED_BACK);
                let is_error = is_attempt && cause.is_some_and(|cause| cause != LOST);
                self.attempts += u64::from(is_attempt);
                self.errors += u64::from(is_error);
            }
            (RecordKind::Wrong, _) => self.wrong += 1,
            (RecordKind::Expose, _) => self.exposed += 1,
            (RecordKind::Retry, _) => self.retries += 1,
            (RecordKind::Reject, _) => self.rejected += 1,
            (RecordKind::Log, _) => self.logged += 1,
            (RecordKind::Exit, _) => self.exit(event, cause),
            _ => {}
        }
    }

    /// Returns the number of answered requests, successful or not.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.succeeded + self.client_errors + self.server_errors
    }

    /// Returns the number of requests that have not completed.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.requests.saturating_sub(self.answered() + self.lost)
    }

    /// Returns the worker slots with their current and former processes.
    #[must_use]
    pub fn worker_slots(&self) -> &[WorkerSlot] {
        self.worker_slots.as_slice()
    }

    /// Returns the availability in thousandths: the share of completed requests without
    /// a 5xx response. Like a monitor, it counts wrong responses as available. `None`
    /// before the first request has completed.
    #[must_use]
    pub fn availability(&self) -> Option<u64> {
        let available = self.succeeded + self.client_errors;
        (available * 1000).checked_div(self.answered() + self.lost)
    }

    /// Returns the attempts per hundred completed requests: 100 without retries. `None`
    /// before the first request has completed.
    #[must_use]
    pub fn amplification(&self) -> Option<u64> {
        (self.attempts * 100).checked_div(self.answered() + self.lost)
    }

    fn end(&mut self, cause: Option<&str>) {
        match cause.and_then(|cause| cause.as_bytes().first()) {
            None => self.succeeded += 1,
            Some(b'4') => self.client_errors += 1,
            Some(b'5') => self.server_errors += 1,
            Some(_) => self.lost += 1,
        }
    }

    /// Counts an exit. A source without a slot is the supervisor, which exits when it
    /// gives up.
    fn exit(&mut self, event: &Event, cause: Option<&str>) {
        if self.worker_slots.get(event.source).is_some() {
            let has_crashed = cause.is_some_and(|cause| !cause.starts_with(KILLED));
            self.crashes += u64::from(has_crashed);
        } else {
            self.has_given_up = true;
        }
    }
}

impl Tally {
    /// Returns the figures with their names, for display. They are the same in every
    /// world. Figures about processes appear only if the run has processes, and the
    /// figure about a breaker only otherwise.
    ///
    /// ```
    /// use highwater::scenario::{self, Tally};
    ///
    /// let trace = scenario::find("taxonomy")?.experiment().simulate();
    /// let figures = Tally::of(&trace).figures();
    /// assert_eq!(figures[0].0, "Available");
    /// assert!(figures[0].1.ends_with(" %"));
    /// # Ok::<(), scenario::InputError>(())
    /// ```
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        let number = |value: u64| value.to_string();
        let mut figures = vec![
            ("Available", self.available()),
            ("Wrong answers", number(self.wrong)),
            ("Answered 2xx", number(self.succeeded)),
            ("Answered 4xx", number(self.client_errors)),
            ("Answered 5xx", number(self.server_errors)),
            ("Lost in flight", number(self.lost)),
            ("Still in flight", number(self.in_flight())),
            ("Attempts per request", self.attempts_per_request()),
            ("Retries", number(self.retries)),
            ("Errors", number(self.errors)),
            ("Log lines", number(self.logged)),
            ("Responses exposing details", number(self.exposed)),
        ];
        if self.worker_slots().is_empty() {
            figures.push(("Rejected by breaker", number(self.rejected)));
        } else {
            figures.extend([
                ("Crashes", number(self.crashes)),
                ("Restarts", self.restarts_text()),
                ("Longest restart", self.longest_restart_text()),
            ]);
        }
        figures
    }

    /// Returns the [`availability`](Tally::availability) in percent, such as `95.0 %`.
    #[must_use]
    pub fn available(&self) -> String {
        let share = self.availability();
        share.map_or_else(dash, |share| format!("{}.{} %", share / 10, share % 10))
    }

    fn attempts_per_request(&self) -> String {
        let hundredths = self.amplification();
        hundredths.map_or_else(dash, |hundredths| {
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        })
    }

    fn restarts_text(&self) -> String {
        let suffix = if self.has_given_up {
            ", then gave up"
        } else {
            ""
        };
        format!("{}{suffix}", self.restarts)
    }

    fn longest_restart_text(&self) -> String {
        if self.longest_restart == Duration::ZERO {
            return dash();
        }
        format_ms(self.longest_restart)
    }
}

fn dash() -> String {
    "–".to_owned()
}
