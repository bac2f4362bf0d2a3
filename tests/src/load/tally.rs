//! Request outcomes for one kind of client.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Client;

/// The maximum number of failed requests to record individually. Further failures are
/// only counted.
const MAX_FAILED_REQUESTS: usize = 100_000;
/// Significant digits of recorded latencies.
const SIGNIFICANT_DIGITS: u8 = 3;
const MIN_LATENCY: Duration = Duration::from_micros(1);
const MAX_LATENCY: Duration = Duration::from_mins(2);

/// The reason why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The connection was closed before the first byte of the response.
    Reset,
    /// The connection was closed in the middle of the response.
    Cut,
    /// The request timed out.
    TimedOut,
    /// The response was not valid HTTP.
    Malformed,
    /// Connecting failed for another reason, such as too many open files or no free port.
    NotConnected,
}

impl Failure {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Refused,
        Self::Reset,
        Self::Cut,
        Self::TimedOut,
        Self::Malformed,
        Self::NotConnected,
    ];

    /// Returns the name used in summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "closed before the response",
            Self::Cut => "closed during the response",
            Self::TimedOut => "timed out",
            Self::Malformed => "malformed response",
            Self::NotConnected => "not connected",
        }
    }
}

/// A request that failed.
#[derive(Clone, Copy, Debug)]
pub struct FailedRequest {
    /// The reason for the failure.
    pub failure: Failure,
    /// The kind of client.
    pub client: Client,
    /// The time at which the request, or connecting, started.
    pub started: Instant,
    /// The time at which it failed.
    pub ended: Instant,
    /// The server process, if a response on the same connection has named it.
    pub worker: Option<u32>,
    /// The time since the previous request on the same connection of HTTP/1.1 was sent. The
    /// connection was idle for less than that.
    pub since_previous: Option<Duration>,
}

impl FailedRequest {
    /// Returns whether the request was lost because the server closed an idle connection of
    /// HTTP/1.1 just as the request arrived. A server that drains keeps idle connections open
    /// for the time `linger`.
    #[must_use]
    pub fn is_idle_close_race(&self, linger: Duration) -> bool {
        // Not the think time: a busy machine delays clients.
        let is_pause_long = self.since_previous.is_some_and(|pause| pause > linger);
        is_pause_long && self.failure == Failure::Reset
    }
}

/// Request counters of one kind of client.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Responses by server process.
    pub workers: BTreeMap<u32, u64>,
    /// Failures by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// The first hundred thousand failed requests.
    pub failed: Vec<FailedRequest>,
    /// Requests of HTTP/2 that the server had not received when it closed their connection,
    /// and that were sent again. Each counts as one request.
    pub sent_again: u64,
    /// Connections opened.
    pub connections: u64,
    /// Connections closed by the server while they were idle. They do not count as
    /// failures.
    pub closed_idle: u64,
    /// Latency until the complete response, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The part of `latency` with status 2xx.
    pub success_latency: Histogram<u64>,
}

impl Tally {
    /// Returns the number of responses with any status.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Returns the number of requests without a response.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Returns the number of failures for this reason.
    #[must_use]
    pub fn count(&self, failure: Failure) -> u64 {
        self.failures.get(&failure).copied().unwrap_or(0)
    }

    /// Returns the number of responses with a status other than 2xx.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        let is_unsuccessful = |(status, _): &(&u16, &u64)| !(200..300).contains(*status);
        self.statuses
            .iter()
            .filter(is_unsuccessful)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns a latency percentile, or zero without responses.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_percentile(percent))
    }

    /// Returns the latencies of the responses with status 2xx since an earlier tally of
    /// the same load test.
    #[must_use]
    pub fn successes_since(&self, earlier: &Self) -> Histogram<u64> {
        let mut latency = self.success_latency.clone();
        // Cannot fail, since the earlier histogram contains no other values.
        let _ = latency.subtract(&earlier.success_latency);
        latency
    }

    pub(crate) fn add_response(&mut self, status: u16, worker: Option<u32>, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if let Some(worker) = worker {
            *self.workers.entry(worker).or_default() += 1;
        }
        self.latency.saturating_record(nanoseconds(latency));
        if (200..300).contains(&status) {
            self.success_latency.saturating_record(nanoseconds(latency));
        }
    }

    pub(crate) fn add_failure(&mut self, failed: FailedRequest) {
        *self.failures.entry(failed.failure).or_default() += 1;
        if self.failed.len() < MAX_FAILED_REQUESTS {
            self.failed.push(failed);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
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
        self.sent_again += other.sent_again;
        self.connections += other.connections;
        self.closed_idle += other.closed_idle;
        // Cannot fail, since both histograms have the same bounds.
        let _ = self.latency.add(&other.latency);
        let _ = self.success_latency.add(&other.success_latency);
    }
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(
            nanoseconds(MIN_LATENCY),
            nanoseconds(MAX_LATENCY),
            SIGNIFICANT_DIGITS,
        );
        let latency = latency.expect("valid bounds");
        Tally {
            sent: 0,
            statuses: BTreeMap::new(),
            workers: BTreeMap::new(),
            failures: BTreeMap::new(),
            failed: Vec::new(),
            sent_again: 0,
            connections: 0,
            closed_idle: 0,
            success_latency: latency.clone(),
            latency,
        }
    }
}

/// Prints one line.
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
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{status}: {count}")?;
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
        )?;
        if self.sent_again > 0 {
            write!(f, "; {} sent again", self.sent_again)?;
        }
        Ok(())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
