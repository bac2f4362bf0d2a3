//! What became of the requests of some clients.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Client;

/// So many failures are kept one by one. Of those beyond only the number is.
const KEPT: usize = 100_000;
/// A latency is exact to a thousandth.
const DIGITS: u8 = 3;
const SHORTEST: Duration = Duration::from_micros(1);
const LONGEST: Duration = Duration::from_mins(2);

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody took the connection.
    Refused,
    /// The connection ended before a byte of the answer came.
    Reset,
    /// The connection ended within the answer.
    Cut,
    /// It did not come in time: it hung.
    TimedOut,
    /// It was no HTTP.
    Malformed,
    /// There was no connection for another reason: too many open files here,
    /// or no more ports.
    NotConnected,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Refused,
        Self::Reset,
        Self::Cut,
        Self::TimedOut,
        Self::Malformed,
        Self::NotConnected,
    ];

    /// What it is called in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset before an answer",
            Self::Cut => "cut within an answer",
            Self::TimedOut => "timed out",
            Self::Malformed => "malformed",
            Self::NotConnected => "not connected",
        }
    }
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
pub struct FailedRequest {
    /// Why there was none.
    pub failure: Failure,
    /// Whose request it was.
    pub client: Client,
    /// When it was begun, its connection included.
    pub started: Instant,
    /// When it was clear that there would be no answer.
    pub ended: Instant,
    /// Which process had the connection, if an answer before has told.
    pub worker: Option<u32>,
}

/// What became of the requests of some clients.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests that were begun.
    pub sent: u64,
    /// Answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers, by the process that says it gave them.
    pub workers: BTreeMap<u32, u64>,
    /// Failures, by kind.
    pub failures: BTreeMap<Failure, u64>,
    /// The failures one by one: the first hundred thousand.
    pub failed: Vec<FailedRequest>,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that the other side closed while nothing was asked on them.
    /// That fails no request.
    pub closed_idle: u64,
    /// Nanoseconds until an answer was complete, of all that were answered.
    pub latency: Histogram<u64>,
}

impl Tally {
    /// All answers, whatever their status.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// All requests without an answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many failed in this way.
    #[must_use]
    pub fn count(&self, failure: Failure) -> u64 {
        self.failures.get(&failure).copied().unwrap_or(0)
    }

    /// Answers that are not a success, by their status.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        let bad = |(status, _): &(&u16, &u64)| !(200..300).contains(*status);
        self.statuses
            .iter()
            .filter(bad)
            .map(|(_, count)| count)
            .sum()
    }

    /// The latency that so many of a hundred do not exceed; zero if there is
    /// none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_percentile(percent))
    }

    pub(crate) fn answer(&mut self, status: u16, worker: Option<u32>, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if let Some(worker) = worker {
            *self.workers.entry(worker).or_default() += 1;
        }
        self.latency.saturating_record(nanoseconds(latency));
    }

    pub(crate) fn fail(&mut self, failed: FailedRequest) {
        *self.failures.entry(failed.failure).or_default() += 1;
        if self.failed.len() < KEPT {
            self.failed.push(failed);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (worker, count) in &other.workers {
            *self.workers.entry(*worker).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        self.failed.extend(&other.failed);
        self.connections += other.connections;
        self.closed_idle += other.closed_idle;
        // They have the same bounds.
        let _ = self.latency.add(&other.latency);
    }
}

impl Default for Tally {
    fn default() -> Self {
        let latency =
            Histogram::new_with_bounds(nanoseconds(SHORTEST), nanoseconds(LONGEST), DIGITS);
        Tally {
            sent: 0,
            statuses: BTreeMap::new(),
            workers: BTreeMap::new(),
            failures: BTreeMap::new(),
            failed: Vec::new(),
            connections: 0,
            closed_idle: 0,
            latency: latency.expect("the bounds are far enough apart"),
        }
    }
}

/// One line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            sent,
            connections,
            closed_idle,
            ..
        } = self;
        write!(f, "{sent} sent, {} answered (", self.answered())?;
        for (index, (status, count)) in self.statuses.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{status}: {count}")?;
        }
        write!(f, "), {} failed", self.failures())?;
        for (failure, count) in &self.failures {
            write!(f, ", {count} {}", failure.name())?;
        }
        write!(
            f,
            "; {connections} connections, {closed_idle} closed while idle; p50 {:.1?}, p99 {:.1?}",
            self.percentile(50.0),
            self.percentile(99.0),
        )
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
