//! Metrics of one worker, and of all workers together.
//!
//! A worker counts with a [`Meter`], whose snapshot is a [`Metrics`]. A snapshot is sent
//! to the supervisor as one line, merged with those of other workers, and served in the
//! text format of Prometheus.

mod durations;
mod meter;
mod text;

pub(super) use durations::Durations;
pub(super) use meter::Meter;

use crate::logging::Counts;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Collects the merged metrics of all workers that report them. `None` if the supervisor
/// does not reply.
pub(super) type ScrapeWorkers = Arc<dyn Fn() -> BoxFuture<'static, Option<Metrics>> + Send + Sync>;

/// Returns a [`ScrapeWorkers`] for a worker without a supervisor: its own metrics.
#[cfg(any(test, not(unix)))]
pub(super) fn single_worker(meter: &Arc<Meter>) -> ScrapeWorkers {
    let meter = Arc::clone(meter);
    Arc::new(move || {
        let metrics = meter.metrics();
        Box::pin(async move { Some(metrics) })
    })
}

/// The metrics of one worker since its start, or the sum for several workers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Metrics {
    /// The running workers that these metrics include.
    pub(super) workers: u64,
    /// Requests whose response is not complete.
    pub(super) in_flight: u64,
    /// Responses that have started, by the first digit of their status, from 1.
    pub(super) answered: [u64; 5],
    /// Requests whose client disconnected before the response was complete.
    pub(super) hung_up: u64,
    /// Requests whose head could not be parsed.
    pub(super) malformed: u64,
    /// Open connections.
    pub(super) open: u64,
    pub(super) accepted: u64,
    /// Failed attempts to accept a connection. Each was retried, or the client was gone.
    pub(super) not_accepted: u64,
    /// The number of times that a connection had to wait for another one to close.
    pub(super) full: u64,
    /// Connections closed after a timeout: without a request, during a request's head,
    /// or because the client did not read its response.
    pub(super) idle: u64,
    pub(super) slow_heads: u64,
    pub(super) stalled: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    pub(super) jobs_done: u64,
    /// Jobs rejected because the queue was full.
    pub(super) jobs_rejected: u64,
    pub(super) jobs_panicked: u64,
    /// Lines of the log and of the journal that were dropped, because their reader
    /// stalled or was gone.
    pub(super) log_dropped: u64,
    pub(super) journal_dropped: u64,
    /// Repeated log lines that were counted but not written.
    pub(super) log_left_out: u64,
    /// The time from the end of a request's head to the start of its response.
    pub(super) latency: Durations,
    /// The lag of the event loop, sampled periodically.
    pub(super) lag: Durations,
    /// Metrics that only the supervisor has.
    pub(super) supervised: Option<Supervised>,
}

/// The supervisor's metrics of its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Supervised {
    /// The configured number of workers.
    pub(super) wanted: u64,
    /// Workers that accept connections.
    pub(super) ready: u64,
    /// Workers that repeatedly fail to start.
    pub(super) failing: u64,
    /// Workers that were replaced or are being replaced.
    pub(super) restarts: u64,
}

/// A line that is not in the format of [`Metrics::to_line`].
#[derive(Debug, thiserror::Error)]
#[error("not a line of metrics: {0}")]
pub(super) struct MetricsParseError(#[from] serde_json::Error);

impl Metrics {
    /// Returns the metrics as one line, without a line break.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings can be serialized")
    }

    /// Parses a line from [`to_line`](Self::to_line). Metrics that another build does not
    /// have are zero.
    ///
    /// # Errors
    ///
    /// [`MetricsParseError`].
    pub(super) fn from_line(line: &str) -> Result<Self, MetricsParseError> {
        Ok(serde_json::from_str(line)?)
    }

    /// Adds the metrics of other workers.
    pub(super) fn merge(&mut self, other: &Self) {
        // Destructured, so that the compiler reports a forgotten field.
        let Metrics {
            workers,
            in_flight,
            answered,
            hung_up,
            malformed,
            open,
            accepted,
            not_accepted,
            full,
            idle,
            slow_heads,
            stalled,
            read_bytes,
            written_bytes,
            jobs_done,
            jobs_rejected,
            jobs_panicked,
            log_dropped,
            journal_dropped,
            log_left_out,
            latency,
            lag,
            // Set on the sum only.
            supervised: _,
        } = other;
        self.workers += workers;
        self.in_flight += in_flight;
        for (sum, more) in self.answered.iter_mut().zip(answered) {
            *sum += more;
        }
        self.hung_up += hung_up;
        self.malformed += malformed;
        self.open += open;
        self.accepted += accepted;
        self.not_accepted += not_accepted;
        self.full += full;
        self.idle += idle;
        self.slow_heads += slow_heads;
        self.stalled += stalled;
        self.read_bytes += read_bytes;
        self.written_bytes += written_bytes;
        self.jobs_done += jobs_done;
        self.jobs_rejected += jobs_rejected;
        self.jobs_panicked += jobs_panicked;
        self.log_dropped += log_dropped;
        self.journal_dropped += journal_dropped;
        self.log_left_out += log_left_out;
        self.latency.merge(latency);
        self.lag.merge(lag);
    }

    /// Returns metrics with the log counters of this process.
    pub(super) fn from_log(counts: Counts) -> Self {
        Metrics {
            log_dropped: counts.log_dropped,
            journal_dropped: counts.journal_dropped,
            log_left_out: counts.left_out,
            ..Metrics::default()
        }
    }

    /// Returns what remains of a worker's metrics after it has exited: the counters, but
    /// not the gauges. This keeps the sums monotonic.
    pub(super) fn after_exit(self) -> Self {
        Metrics {
            workers: 0,
            in_flight: 0,
            open: 0,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
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
    fn metrics_survive_the_round_trip() {
        let metrics = sample();
        let line = metrics.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Metrics::from_line(&line).unwrap(), metrics);
    }

    #[test]
    fn unknown_fields_of_another_build_are_ignored() {
        let metrics = Metrics::from_line(r#"{"accepted": 3, "unknown": []}"#).unwrap();
        assert_eq!(metrics.accepted, 3);
        assert_eq!(metrics.latency.count(), 0);
        assert!(Metrics::from_line("ready").is_err());
    }

    #[test]
    fn merged_metrics_are_sums() {
        let mut all = sample();
        all.merge(&sample());
        assert_eq!(all.workers, 2);
        assert_eq!(all.answered, [0, 0, 0, 2, 0]);
        assert_eq!((all.read_bytes, all.written_bytes), (240, 160));
        assert_eq!(all.latency.count(), 2);
        assert_eq!(all.latency.sum(), Duration::from_millis(6));
        assert_eq!(all.lag.count(), 2);
    }

    #[test]
    fn exited_workers_keep_counters_but_not_gauges() {
        let exited = sample().after_exit();
        assert_eq!((exited.workers, exited.in_flight, exited.open), (0, 0, 0));
        assert_eq!((exited.answered[3], exited.accepted), (1, 1));
    }
}
