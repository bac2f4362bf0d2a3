//! The counters of a worker.

use super::{super::worker::ConnectionTimeout, Durations, Metrics};
use crate::logging;
use axum::http::StatusCode;
use highwater::{error::ErrorKind, scale::LagMonitor};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Counts the events of a worker. A request costs a few atomic additions.
#[derive(Debug, Default)]
pub(in crate::serve) struct Meter {
    started: Count,
    finished: Count,
    hung_up: Count,
    malformed: Count,
    answered: [Count; 5],
    accepted: Count,
    closed: Count,
    not_accepted: Count,
    full: Count,
    idle: Count,
    slow_heads: Count,
    stalled: Count,
    read_bytes: Count,
    written_bytes: Count,
    jobs_done: Count,
    jobs_rejected: Count,
    jobs_panicked: Count,
    /// Contended only while metrics are scraped.
    latency: Mutex<Durations>,
    lag: Mutex<Durations>,
}

/// The sampling interval of the event loop's lag.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// The maximum number of missed samples that one delay counts for.
const MAX_MISSED: u32 = 1_000;

impl Meter {
    /// Samples the lag of the event loop. Never completes.
    pub(in crate::serve) async fn monitor_lag(&self) {
        let begin = Instant::now();
        let mut monitor = LagMonitor::new(SAMPLE_INTERVAL, Duration::ZERO);
        loop {
            sleep_until(begin + monitor.next_due()).await;
            self.record_lag(monitor.beat(begin.elapsed()));
        }
    }

    /// Returns a snapshot of all counters.
    pub(in crate::serve) fn metrics(&self) -> Metrics {
        // Ends are read before starts, so that no difference is negative. If the CPU
        // reorders the reads, the difference saturates at zero.
        let (finished, closed) = (self.finished.get(), self.closed.get());
        let accepted = self.accepted.get();
        Metrics {
            workers: 1,
            in_flight: self.started.get().saturating_sub(finished),
            answered: self.answered.each_ref().map(Count::get),
            hung_up: self.hung_up.get(),
            malformed: self.malformed.get(),
            open: accepted.saturating_sub(closed),
            accepted,
            not_accepted: self.not_accepted.get(),
            full: self.full.get(),
            idle: self.idle.get(),
            slow_heads: self.slow_heads.get(),
            stalled: self.stalled.get(),
            read_bytes: self.read_bytes.get(),
            written_bytes: self.written_bytes.get(),
            latency: locked(&self.latency, |latency| latency.clone()),
            lag: locked(&self.lag, |lag| lag.clone()),
            jobs_done: self.jobs_done.get(),
            jobs_rejected: self.jobs_rejected.get(),
            jobs_panicked: self.jobs_panicked.get(),
            ..Metrics::from_log(logging::counts())
        }
    }

    pub(in crate::serve) fn connection_accepted(&self) {
        self.accepted.add(1);
    }

    /// Counts a connection that was closed after it was accepted.
    pub(in crate::serve) fn connection_closed(&self) {
        self.closed.add(1);
    }

    pub(in crate::serve) fn accept_failed(&self) {
        self.not_accepted.add(1);
    }

    /// Counts a connection that has to wait for another one to close.
    pub(in crate::serve) fn limit_reached(&self) {
        self.full.add(1);
    }

    pub(in crate::serve) fn connection_timed_out(&self, overdue: ConnectionTimeout) {
        let count = match overdue {
            ConnectionTimeout::Idle => &self.idle,
            ConnectionTimeout::Head => &self.slow_heads,
            ConnectionTimeout::Stall => &self.stalled,
        };
        count.add(1);
    }

    pub(in crate::serve) fn bytes_read(&self, bytes: usize) {
        self.read_bytes.add(bytes as u64);
    }

    pub(in crate::serve) fn bytes_written(&self, bytes: usize) {
        self.written_bytes.add(bytes as u64);
    }

    pub(in crate::serve) fn request_started(&self) {
        self.started.add(1);
    }

    /// Counts a request whose head could not be parsed, and its response.
    pub(in crate::serve) fn malformed_request(&self, status: u16) {
        self.malformed.add(1);
        self.count_status(status);
    }

    fn count_status(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answered[class].add(1);
    }

    /// Counts a response that starts, and its latency. A response to a client that has
    /// disconnected does not count.
    pub(in crate::serve) fn response_started(&self, status: StatusCode, latency: Duration) {
        if status.as_u16() == ErrorKind::ClientGone.status() {
            return;
        }
        self.count_status(status.as_u16());
        locked(&self.latency, |latencies| latencies.record(latency));
    }

    /// Counts a request that is over: its response is complete, the client disconnected,
    /// or the connection timed out.
    pub(in crate::serve) fn request_finished(&self, disconnected: bool) {
        if disconnected {
            self.hung_up.add(1);
        }
        self.finished.add(1);
    }

    /// Counts a completed job.
    pub(in crate::serve) fn job_done(&self) {
        self.jobs_done.add(1);
    }

    /// Counts a job that was rejected because the queue was full.
    pub(in crate::serve) fn job_rejected(&self) {
        self.jobs_rejected.add(1);
    }

    pub(in crate::serve) fn job_panicked(&self) {
        self.jobs_panicked.add(1);
    }

    /// Records a lag of the event loop, and the smaller lags of the samples that were
    /// missed during it.
    pub(in crate::serve) fn record_lag(&self, lag: Duration) {
        let step = SAMPLE_INTERVAL.max(lag / MAX_MISSED);
        locked(&self.lag, |lags| {
            let mut late = Some(lag);
            while let Some(lag) = late {
                lags.record(lag);
                late = lag.checked_sub(step);
            }
        });
    }
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn locked<R>(durations: &Mutex<Durations>, with: impl FnOnce(&mut Durations) -> R) -> R {
    with(&mut durations.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn blocked_loop_has_lag() {
        let meter = Meter::default();
        let blocking = async {
            sleep(SAMPLE_INTERVAL / 2).await;
            advance(Duration::from_secs(2)).await;
            sleep(SAMPLE_INTERVAL).await;
        };
        tokio::select! {
            () = meter.monitor_lag() => {}
            () = blocking => {}
        }
        let lag = meter.metrics().lag;
        assert!(lag.max() > Duration::from_secs(1), "{lag:?}");
    }

    #[test]
    fn disconnected_clients_are_not_in_flight() {
        let meter = Meter::default();
        meter.request_started();
        assert_eq!(meter.metrics().in_flight, 1);
        meter.request_finished(true);
        let metrics = meter.metrics();
        assert_eq!((metrics.in_flight, metrics.hung_up), (0, 1));
    }
}
