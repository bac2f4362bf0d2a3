//! The numbers of a worker, and of all of them together.
//!
//! A worker counts with a [`Meter`]. What that has counted is a [`Metrics`], which
//! fits in a line for the supervisor, can be added to that of others, and is told
//! to whoever asks as text that Prometheus reads.

mod durations;
mod meter;
mod text;

pub(super) use durations::Durations;
pub(super) use meter::Meter;

use crate::logging::Counts;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks for the numbers of all workers, as far as they tell them. `None` if there is
/// nobody who knows.
pub(super) type ScrapeWorkers = Arc<dyn Fn() -> BoxFuture<'static, Option<Metrics>> + Send + Sync>;

/// Those of a worker that knows of no others.
#[cfg(any(test, not(unix)))]
pub(super) fn single_worker(meter: &Arc<Meter>) -> ScrapeWorkers {
    let meter = Arc::clone(meter);
    Arc::new(move || {
        let metrics = meter.metrics();
        Box::pin(async move { Some(metrics) })
    })
}

/// What has happened in a worker since its start, or in several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Metrics {
    /// Those that are in these numbers and have not ended.
    pub(super) workers: u64,
    /// Requests that are not answered to the end.
    pub(super) in_flight: u64,
    /// Answers that have begun, by the first digit of their status, from 1.
    pub(super) answered: [u64; 5],
    /// Requests whose client hung up before it had all of the answer.
    pub(super) hung_up: u64,
    /// Requests whose head could not be read.
    pub(super) malformed: u64,
    /// Connections that are open.
    pub(super) open: u64,
    pub(super) accepted: u64,
    /// Connections that the system did not let us accept. Each was tried again, or
    /// gone.
    pub(super) not_accepted: u64,
    /// How often a connection had to wait until another one ended.
    pub(super) full: u64,
    /// Connections that were cut off: they asked nothing, did not get on with a
    /// head, or took nothing of an answer for too long.
    pub(super) idle: u64,
    pub(super) slow_heads: u64,
    pub(super) stalled: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    pub(super) jobs_done: u64,
    /// Jobs for which there was no room.
    pub(super) jobs_rejected: u64,
    pub(super) jobs_panicked: u64,
    /// Lines that were not written as their reader stalled or was gone: of the log,
    /// and of what programs are told.
    pub(super) log_dropped: u64,
    pub(super) journal_dropped: u64,
    /// Lines of the log that were repeated, and counted only.
    pub(super) log_left_out: u64,
    /// From the end of a request's head to the beginning of its answer.
    pub(super) latency: Durations,
    /// How late the loop came to what was due, looked at again and again.
    pub(super) lag: Durations,
    /// What only a supervisor counts.
    pub(super) supervised: Option<Supervised>,
}

/// The workers of a supervisor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Supervised {
    /// Those that there are to be.
    pub(super) wanted: u64,
    /// Those that accept connections.
    pub(super) ready: u64,
    /// Those that fail to start again and again.
    pub(super) failing: u64,
    /// How many were replaced, or are to be.
    pub(super) restarts: u64,
}

/// A line that has no metrics.
#[derive(Debug, thiserror::Error)]
#[error("the line has no metrics: {0}")]
pub(super) struct MetricsParseError(#[from] serde_json::Error);

impl Metrics {
    /// All of it in one line, without the line break.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts can be written")
    }

    /// What [`to_line`](Self::to_line) made. What another build did not count is
    /// zero.
    ///
    /// # Errors
    ///
    /// [`MetricsParseError`].
    pub(super) fn from_line(line: &str) -> Result<Self, MetricsParseError> {
        Ok(serde_json::from_str(line)?)
    }

    /// Adds those of others.
    pub(super) fn merge(&mut self, other: &Self) {
        // By name, so that none is forgotten.
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
            // Of the sum, not of one worker.
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

    /// What a process has written of its log.
    pub(super) fn from_log(counts: Counts) -> Self {
        Metrics {
            log_dropped: counts.log_dropped,
            journal_dropped: counts.journal_dropped,
            log_left_out: counts.left_out,
            ..Metrics::default()
        }
    }

    /// What is left of a worker that has ended: what it did, and nothing that it
    /// has. Sums do not go down then.
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

    fn some() -> Metrics {
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
    fn what_is_written_in_a_line_is_read_from_it() {
        let metrics = some();
        let line = metrics.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Metrics::from_line(&line).unwrap(), metrics);
    }

    #[test]
    fn a_line_of_another_build_is_read_as_far_as_it_goes() {
        let metrics = Metrics::from_line(r#"{"accepted": 3, "unheard_of": []}"#).unwrap();
        assert_eq!(metrics.accepted, 3);
        assert_eq!(metrics.latency.count(), 0);
        assert!(Metrics::from_line("ready").is_err());
    }

    #[test]
    fn several_add_up() {
        let mut all = some();
        all.merge(&some());
        assert_eq!(all.workers, 2);
        assert_eq!(all.answered, [0, 0, 0, 2, 0]);
        assert_eq!((all.read_bytes, all.written_bytes), (240, 160));
        assert_eq!(all.latency.count(), 2);
        assert_eq!(all.latency.sum(), Duration::from_millis(6));
        assert_eq!(all.lag.count(), 2);
    }

    #[test]
    fn who_has_ended_has_nothing_open_but_has_done_what_it_did() {
        let past = some().after_exit();
        assert_eq!((past.workers, past.in_flight, past.open), (0, 0, 0));
        assert_eq!((past.answered[3], past.accepted), (1, 1));
    }
}
