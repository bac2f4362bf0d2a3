//! The metrics that can be plotted.

use super::MeasureUnit;

/// A metric that can be plotted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// Successes per second, over the last window.
    Throughput,
    /// Durations of successes: p50 and p99 over the last window.
    Latency,
    /// Items that started and have not ended.
    InFlight,
    /// Failures and wrong answers so far.
    Failures,
    /// Bytes in queues, and the high-water mark.
    Bytes,
    /// Delays of the loop's heartbeat.
    Lag,
}

impl Metric {
    /// All metrics, in the order in which they are offered.
    pub const ALL: [Metric; 6] = [
        Metric::Latency,
        Metric::Throughput,
        Metric::InFlight,
        Metric::Failures,
        Metric::Bytes,
        Metric::Lag,
    ];

    /// Returns the metric with a name.
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

    /// Returns the name for programs and command lines.
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

    /// Returns the label for people.
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

    /// Returns the unit of its values.
    #[must_use]
    pub fn unit(self) -> MeasureUnit {
        match self {
            Metric::Throughput => MeasureUnit::MilliPerSecond,
            Metric::Latency | Metric::Lag => MeasureUnit::Nanoseconds,
            Metric::InFlight | Metric::Failures => MeasureUnit::Count,
            Metric::Bytes => MeasureUnit::Bytes,
        }
    }

    /// Returns whether a value holds until the next point, so that its line has
    /// steps.
    pub(super) fn is_stepped(self) -> bool {
        matches!(self, Metric::InFlight | Metric::Failures | Metric::Bytes)
    }
}
