//! Metrics that are not counted in a registry.

use super::snapshot::{Kind, Snapshot, Value};
use crate::logging::LogCounts;

/// Worker counts that only the supervisor can report.
#[cfg(any(unix, test))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SupervisorMetrics {
    /// The configured number of workers.
    pub(crate) configured: usize,
    /// Workers that accept connections.
    pub(crate) ready: usize,
    /// Workers that repeatedly fail to start.
    pub(crate) failing: usize,
    /// Workers that have been or are being replaced.
    pub(crate) restarts: u64,
}

#[cfg(any(unix, test))]
impl SupervisorMetrics {
    pub(crate) fn add_to(self, metrics: &mut Snapshot) {
        let gauges = [
            (
                "workers_wanted",
                "Configured number of workers.",
                self.configured,
            ),
            (
                "workers_ready",
                "Workers that accept connections.",
                self.ready,
            ),
            (
                "workers_failing",
                "Workers that repeatedly fail to start.",
                self.failing,
            ),
        ];
        for (name, help, value) in gauges {
            add(metrics, name, help, Kind::Gauge, value as u64);
        }
        let help = "Workers replaced because they exited or had a bug.";
        add(
            metrics,
            "worker_restarts_total",
            help,
            Kind::Counter,
            self.restarts,
        );
    }
}

/// Adds the worker itself.
pub(super) fn add_worker(metrics: &mut Snapshot) {
    let help = "Workers included in these metrics.";
    add(metrics, "workers", help, Kind::Gauge, 1);
}

/// Adds the log counters of this process.
pub(crate) fn add_log_counts(metrics: &mut Snapshot, counts: LogCounts) {
    let counters = [
        (
            "log_lines_dropped_total",
            "Log lines dropped because their reader stalled or exited.",
            counts.log_dropped,
        ),
        (
            "journal_lines_dropped_total",
            "JSON lines on standard output dropped because their reader stalled or exited.",
            counts.journal_dropped,
        ),
        (
            "access_log_lines_dropped_total",
            "Lines of the access log dropped because their reader stalled or exited.",
            counts.access_dropped,
        ),
        (
            "log_lines_left_out_total",
            "Repeated log lines that were counted but not written.",
            counts.suppressed,
        ),
    ];
    for (name, help, value) in counters {
        add(metrics, name, help, Kind::Counter, value);
    }
}

fn add(metrics: &mut Snapshot, name: &str, help: &str, kind: Kind, value: u64) {
    let (name, value) = (format!("highwater_{name}"), Value::Number(value as f64));
    metrics.add(&name, help, kind, Vec::new(), value);
}
