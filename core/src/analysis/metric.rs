//! What can be plotted.

use super::{MeasureUnit, Series};
use crate::trace::Trace;

/// What can be plotted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// How many were done well, per second, over the last while.
    Throughput,
    /// How long they took: p50 and p99 over the last while.
    Latency,
    /// How many were begun and not ended.
    InFlight,
    /// How many had failed, and how many answers were wrong, so far.
    Failures,
    /// What queues held, and their high-water mark.
    Bytes,
    /// How late the loop's heartbeat came.
    Lag,
}

impl Metric {
    /// Each of them, in the order in which they are offered.
    pub const ALL: [Metric; 6] = [
        Metric::Latency,
        Metric::Throughput,
        Metric::InFlight,
        Metric::Failures,
        Metric::Bytes,
        Metric::Lag,
    ];

    /// The one of that name.
    ///
    /// ```
    /// use highwater::analysis::Metric;
    ///
    /// assert_eq!(Metric::named("in_flight"), Some(Metric::InFlight));
    /// assert_eq!(Metric::named("flight"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// What programs and command lines know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Throughput => "throughput",
            Metric::Latency => "latency",
            Metric::InFlight => "in_flight",
            Metric::Failures => "failures",
            Metric::Bytes => "bytes",
            Metric::Lag => "lag",
        }
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Metric::Throughput => "Throughput",
            Metric::Latency => "Latency",
            Metric::InFlight => "In flight",
            Metric::Failures => "Failures so far",
            Metric::Bytes => "Held in queues",
            Metric::Lag => "Loop lag",
        }
    }

    /// What its values count.
    #[must_use]
    pub fn unit(self) -> MeasureUnit {
        match self {
            Metric::Throughput => MeasureUnit::MilliPerSecond,
            Metric::Latency | Metric::Lag => MeasureUnit::Nanoseconds,
            Metric::InFlight | Metric::Failures => MeasureUnit::Count,
            Metric::Bytes => MeasureUnit::Bytes,
        }
    }

    /// Whether a value holds until the next point, so that a line goes by steps.
    pub(super) fn is_stepped(self) -> bool {
        matches!(self, Metric::InFlight | Metric::Failures | Metric::Bytes)
    }

    /// Those that a trace has something of.
    #[must_use]
    pub fn of(trace: &Trace) -> Vec<Self> {
        let has_points = |metric: &Metric| {
            let series = Series::of(trace, *metric, None);
            let mut points = series.lines.iter().flat_map(|line| &line.points);
            match metric {
                Metric::Failures => points.any(|point| point.value > Some(0)),
                _ => points.any(|point| point.value.is_some()),
            }
        };
        Self::ALL.into_iter().filter(has_points).collect()
    }
}
