//! A worker's counters.

use super::{Durations, Metrics, ScrapeWorkers};
use crate::logging;
use highwater::{error::ErrorKind, tokio::monitor_lag};
use http::StatusCode;
use std::{
    convert::Infallible,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Counts a worker's events. Each request costs a few atomic additions.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    started_requests: Counter,
    finished_requests: Counter,
    disconnects: Counter,
    malformed_requests: Counter,
    responses: [Counter; 5],
    accepted_connections: Counter,
    closed_connections: Counter,
    accept_errors: Counter,
    connection_waits: Counter,
    idle_timeouts: Counter,
    head_timeouts: Counter,
    stall_timeouts: Counter,
    read_bytes: Counter,
    written_bytes: Counter,
    jobs_done: Counter,
    jobs_rejected: Counter,
    jobs_panicked: Counter,
    /// Contended only while metrics are scraped.
    response_latency: Mutex<Durations>,
    loop_lag: Mutex<Durations>,
}

/// The timeout that closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionTimeout {
    /// The client sent no request.
    Idle,
    /// The client did not send a complete request head.
    Head,
    /// The client did not read the response.
    Stall,
}

/// The outcome of a CPU job, counted by [`Worker::count_job`](crate::Worker::count_job).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// The job returned a result.
    Done,
    /// The job was rejected because the queue was full.
    Rejected,
    /// The job panicked.
    Panicked,
}

/// The sampling interval of the event-loop lag.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// The maximum number of missed samples that are recorded for one delay.
const MAX_MISSED_SAMPLES: u32 = 1_000;

impl Meter {
    /// Samples the event-loop lag. Never completes.
    pub(crate) async fn monitor_lag(&self) -> Infallible {
        monitor_lag(SAMPLE_INTERVAL, |lag| self.record_lag(lag)).await
    }

    /// Returns a snapshot of all counters.
    pub(crate) fn metrics(&self) -> Metrics {
        // Finished counts are read before started counts, so that no difference is
        // negative. If the CPU reorders the reads, the difference saturates at zero.
        let (finished_requests, closed_connections) =
            (self.finished_requests.get(), self.closed_connections.get());
        let accepted_connections = self.accepted_connections.get();
        Metrics {
            workers: 1,
            in_flight: self
                .started_requests
                .get()
                .saturating_sub(finished_requests),
            responses: self.responses.each_ref().map(Counter::get),
            disconnects: self.disconnects.get(),
            malformed_requests: self.malformed_requests.get(),
            open_connections: accepted_connections.saturating_sub(closed_connections),
            accepted_connections,
            accept_errors: self.accept_errors.get(),
            connection_waits: self.connection_waits.get(),
            idle_timeouts: self.idle_timeouts.get(),
            head_timeouts: self.head_timeouts.get(),
            stall_timeouts: self.stall_timeouts.get(),
            read_bytes: self.read_bytes.get(),
            written_bytes: self.written_bytes.get(),
            response_latency: with_lock(&self.response_latency, |latency| latency.clone()),
            loop_lag: with_lock(&self.loop_lag, |lag| lag.clone()),
            jobs_done: self.jobs_done.get(),
            jobs_rejected: self.jobs_rejected.get(),
            jobs_panicked: self.jobs_panicked.get(),
            ..Metrics::from_log(logging::counts())
        }
    }

    /// Returns a function that provides these metrics, for a worker without a supervisor.
    pub(crate) fn scraper(self: &std::sync::Arc<Self>) -> ScrapeWorkers {
        let meter = std::sync::Arc::clone(self);
        std::sync::Arc::new(move || {
            let metrics = meter.metrics();
            Box::pin(async move { Some(metrics) })
        })
    }

    pub(crate) fn connection_accepted(&self) {
        self.accepted_connections.add(1);
    }

    /// Counts an accepted connection as closed.
    pub(crate) fn connection_closed(&self) {
        self.closed_connections.add(1);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.add(1);
    }

    /// Counts a connection that waits because the connection limit is reached.
    pub(crate) fn limit_reached(&self) {
        self.connection_waits.add(1);
    }

    pub(crate) fn connection_timed_out(&self, timeout: ConnectionTimeout) {
        let count = match timeout {
            ConnectionTimeout::Idle => &self.idle_timeouts,
            ConnectionTimeout::Head => &self.head_timeouts,
            ConnectionTimeout::Stall => &self.stall_timeouts,
        };
        count.add(1);
    }

    pub(crate) fn bytes_read(&self, bytes: usize) {
        self.read_bytes.add(bytes as u64);
    }

    pub(crate) fn bytes_written(&self, bytes: usize) {
        self.written_bytes.add(bytes as u64);
    }

    pub(crate) fn request_started(&self) {
        self.started_requests.add(1);
    }

    /// Counts a request whose head could not be parsed, and its response.
    pub(crate) fn malformed_request(&self, status: u16) {
        self.malformed_requests.add(1);
        self.count_status(status);
    }

    fn count_status(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.responses[class].add(1);
    }

    /// Counts a started response and records its latency. Responses to disconnected
    /// clients are not counted.
    pub(crate) fn response_started(&self, status: StatusCode, latency: Duration) {
        if status.as_u16() == ErrorKind::ClientGone.status() {
            return;
        }
        self.count_status(status.as_u16());
        with_lock(&self.response_latency, |latencies| {
            latencies.record(latency);
        });
    }

    /// Counts a finished request: its response is complete, the client disconnected, or
    /// the connection timed out.
    pub(crate) fn request_finished(&self, disconnected: bool) {
        if disconnected {
            self.disconnects.add(1);
        }
        self.finished_requests.add(1);
    }

    pub(crate) fn count_job(&self, outcome: JobOutcome) {
        let count = match outcome {
            JobOutcome::Done => &self.jobs_done,
            JobOutcome::Rejected => &self.jobs_rejected,
            JobOutcome::Panicked => &self.jobs_panicked,
        };
        count.add(1);
    }

    /// Records an event-loop lag, and the smaller lags of the samples that were missed
    /// during it.
    pub(crate) fn record_lag(&self, lag: Duration) {
        let step = SAMPLE_INTERVAL.max(lag / MAX_MISSED_SAMPLES);
        with_lock(&self.loop_lag, |lags| {
            let mut remaining = Some(lag);
            while let Some(lag) = remaining {
                lags.record(lag);
                remaining = lag.checked_sub(step);
            }
        });
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn with_lock<R>(durations: &Mutex<Durations>, access: impl FnOnce(&mut Durations) -> R) -> R {
    access(&mut durations.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn blocked_event_loop_records_lag() {
        let meter = Meter::default();
        let blocking = async {
            sleep(SAMPLE_INTERVAL / 2).await;
            advance(Duration::from_secs(2)).await;
            sleep(SAMPLE_INTERVAL).await;
        };
        tokio::select! {
            never = meter.monitor_lag() => match never {},
            () = blocking => {}
        }
        let lag = meter.metrics().loop_lag;
        assert!(lag.max() > Duration::from_secs(1), "{lag:?}");
    }

    #[test]
    fn disconnected_request_is_not_in_flight() {
        let meter = Meter::default();
        meter.request_started();
        assert_eq!(meter.metrics().in_flight, 1);
        meter.request_finished(true);
        let metrics = meter.metrics();
        assert_eq!((metrics.in_flight, metrics.disconnects), (0, 1));
    }
}
