//! Metrics of a single worker and of all workers.
//!
//! A worker counts events in a [`Meter`], whose snapshot is a [`Metrics`]. The snapshot
//! is sent to the supervisor as one line, merged with those of other workers, and served
//! in the Prometheus text format.

mod durations;
mod meter;
mod text;

pub(crate) use durations::Durations;
pub use meter::JobOutcome;
pub(crate) use meter::{ConnectionTimeout, Meter};

use crate::logging::LogCounts;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A function that requests the merged metrics of all workers. It returns `None` if the
/// supervisor does not reply.
pub(crate) type ScrapeWorkers = Arc<dyn Fn() -> BoxFuture<'static, Option<Metrics>> + Send + Sync>;

/// The metrics of one worker since its start, or the sum for several workers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Metrics {
    /// The number of running workers that are included.
    pub(crate) workers: u64,
    /// Requests whose response is not complete.
    pub(crate) in_flight: u64,
    /// Started responses by status class, from 1xx to 5xx.
    #[serde(rename = "answered")]
    pub(crate) responses: [u64; 5],
    /// Requests whose client disconnected before the response was complete.
    #[serde(rename = "hung_up")]
    pub(crate) disconnects: u64,
    /// Requests whose head could not be parsed.
    #[serde(rename = "malformed")]
    pub(crate) malformed_requests: u64,
    /// Open connections.
    #[serde(rename = "open")]
    pub(crate) open_connections: u64,
    #[serde(rename = "accepted")]
    pub(crate) accepted_connections: u64,
    /// Failed attempts to accept a connection. Each was retried, unless the client had
    /// disconnected.
    #[serde(rename = "not_accepted")]
    pub(crate) accept_errors: u64,
    /// The number of times that a connection waited because the connection limit was
    /// reached.
    #[serde(rename = "full")]
    pub(crate) connection_waits: u64,
    /// Connections closed because they were idle.
    #[serde(rename = "idle")]
    pub(crate) idle_timeouts: u64,
    /// Connections closed because a request head did not arrive in time.
    #[serde(rename = "slow_heads")]
    pub(crate) head_timeouts: u64,
    /// Connections closed because the client did not read the response.
    #[serde(rename = "stalled")]
    pub(crate) stall_timeouts: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) jobs_done: u64,
    /// Jobs rejected because the queue was full.
    pub(crate) jobs_rejected: u64,
    pub(crate) jobs_panicked: u64,
    /// Log lines dropped because their reader stalled or exited.
    pub(crate) log_dropped: u64,
    /// Journal lines dropped for the same reasons.
    pub(crate) journal_dropped: u64,
    /// Repeated log lines that were counted but not written.
    #[serde(rename = "log_left_out")]
    pub(crate) log_suppressed: u64,
    /// The time from the end of a request head to the start of the response.
    #[serde(rename = "latency")]
    pub(crate) response_latency: Durations,
    /// The event-loop lag, sampled periodically.
    #[serde(rename = "lag")]
    pub(crate) loop_lag: Durations,
    /// The supervisor's metrics, which are added to the sum for all workers.
    #[serde(rename = "supervised")]
    pub(crate) supervisor: Option<SupervisorMetrics>,
}

/// Worker counts that only the supervisor can report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct SupervisorMetrics {
    /// The configured number of workers.
    #[serde(rename = "wanted")]
    pub(crate) configured: u64,
    /// Workers that accept connections.
    pub(crate) ready: u64,
    /// Workers that repeatedly fail to start.
    pub(crate) failing: u64,
    /// Workers that have been or are being replaced.
    pub(crate) restarts: u64,
}

/// The error for a line that is not in the format of [`Metrics::to_line`].
#[cfg(any(unix, test))]
#[derive(Debug, thiserror::Error)]
#[error("invalid metrics line: {0}")]
pub(crate) struct MetricsParseError(#[from] serde_json::Error);

impl Metrics {
    /// Returns metrics that contain only the log counters of this process.
    pub(crate) fn from_log(counts: LogCounts) -> Self {
        Metrics {
            log_dropped: counts.log_dropped,
            journal_dropped: counts.journal_dropped,
            log_suppressed: counts.suppressed,
            ..Metrics::default()
        }
    }
}

/// Only a supervisor and its workers send and merge metrics.
#[cfg(any(unix, test))]
impl Metrics {
    /// Returns the metrics as one line, without a line break.
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("metrics contain only serializable values")
    }

    /// Parses a line from [`to_line`](Self::to_line). Missing metrics, which a different
    /// build may not support, are zero.
    ///
    /// # Errors
    ///
    /// [`MetricsParseError`].
    pub(crate) fn from_line(line: &str) -> Result<Self, MetricsParseError> {
        Ok(serde_json::from_str(line)?)
    }

    /// Adds the metrics of other workers.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Destructured, so that the compiler reports a forgotten field.
        let Metrics {
            workers,
            in_flight,
            responses,
            disconnects,
            malformed_requests,
            open_connections,
            accepted_connections,
            accept_errors,
            connection_waits,
            idle_timeouts,
            head_timeouts,
            stall_timeouts,
            read_bytes,
            written_bytes,
            jobs_done,
            jobs_rejected,
            jobs_panicked,
            log_dropped,
            journal_dropped,
            log_suppressed,
            response_latency,
            loop_lag,
            // Set only on the sum.
            supervisor: _,
        } = other;
        self.workers += workers;
        self.in_flight += in_flight;
        for (sum, count) in self.responses.iter_mut().zip(responses) {
            *sum += count;
        }
        self.disconnects += disconnects;
        self.malformed_requests += malformed_requests;
        self.open_connections += open_connections;
        self.accepted_connections += accepted_connections;
        self.accept_errors += accept_errors;
        self.connection_waits += connection_waits;
        self.idle_timeouts += idle_timeouts;
        self.head_timeouts += head_timeouts;
        self.stall_timeouts += stall_timeouts;
        self.read_bytes += read_bytes;
        self.written_bytes += written_bytes;
        self.jobs_done += jobs_done;
        self.jobs_rejected += jobs_rejected;
        self.jobs_panicked += jobs_panicked;
        self.log_dropped += log_dropped;
        self.journal_dropped += journal_dropped;
        self.log_suppressed += log_suppressed;
        self.response_latency.merge(response_latency);
        self.loop_lag.merge(loop_lag);
    }

    /// Returns the metrics to retain after the worker has exited: its counters without
    /// its gauges. Retaining the counters keeps the sums monotonic.
    pub(crate) fn after_exit(self) -> Self {
        Metrics {
            workers: 0,
            in_flight: 0,
            open_connections: 0,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::time::Duration;

    fn sample() -> Metrics {
        let meter = Meter::default();
        meter.connection_accepted();
        meter.bytes_read(120);
        meter.request_started();
        meter.response_started(StatusCode::NOT_FOUND, Duration::from_millis(3));
        meter.bytes_written(80);
        meter.record_lag(Duration::from_micros(70));
        meter.metrics()
    }

    #[test]
    fn metrics_round_trip_through_their_line() {
        let metrics = sample();
        let line = metrics.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Metrics::from_line(&line).unwrap(), metrics);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let metrics = Metrics::from_line(r#"{"accepted": 3, "unknown": []}"#).unwrap();
        assert_eq!(metrics.accepted_connections, 3);
        assert_eq!(metrics.response_latency.count(), 0);
        assert!(Metrics::from_line("ready").is_err());
    }

    #[test]
    fn merging_adds_all_metrics() {
        let mut all = sample();
        all.merge(&sample());
        assert_eq!(all.workers, 2);
        assert_eq!(all.responses, [0, 0, 0, 2, 0]);
        assert_eq!((all.read_bytes, all.written_bytes), (240, 160));
        assert_eq!(all.response_latency.count(), 2);
        assert_eq!(all.response_latency.sum(), Duration::from_millis(6));
        assert_eq!(all.loop_lag.count(), 2);
    }

    #[test]
    fn exited_worker_keeps_counters_and_drops_gauges() {
        let exited = sample().after_exit();
        assert_eq!(
            (exited.workers, exited.in_flight, exited.open_connections),
            (0, 0, 0)
        );
        assert_eq!((exited.responses[3], exited.accepted_connections), (1, 1));
    }
}
