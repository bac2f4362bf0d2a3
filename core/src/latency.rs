//! Distributions of durations.

use hdrhistogram::Histogram;
use std::{fmt, time::Duration};

/// A mergeable histogram of durations, for example across threads, processes or
/// intervals.
///
/// Buckets are log-linear, and quantiles are at most 1 % above the exact value. A
/// histogram takes a few kilobytes, regardless of how many durations it contains.
///
/// ```
/// use highwater::LatencyHistogram;
/// use std::time::Duration;
///
/// let (mut fast, mut slow) = (LatencyHistogram::new(), LatencyHistogram::new());
/// for ms in 1..=99 {
///     fast.record(Duration::from_millis(ms));
/// }
/// slow.record(Duration::from_secs(2));
/// fast.merge(&slow);
/// assert_eq!(fast.count(), 100);
/// assert_eq!(fast.quantile(0.5).as_millis(), 50);
/// assert_eq!(fast.max(), Duration::from_secs(2));
/// ```
#[derive(Clone, PartialEq)]
pub struct LatencyHistogram {
    /// In nanoseconds, with two significant digits.
    histogram: Option<Histogram<u64>>,
    max: Duration,
}

impl LatencyHistogram {
    /// Creates an empty histogram.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    ///
    /// assert!(LatencyHistogram::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        LatencyHistogram {
            // Two digits are within the supported range.
            histogram: Histogram::new(2).ok(),
            max: Duration::ZERO,
        }
    }

    /// Records a duration, saturating at 584 years.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    /// use std::time::Duration;
    ///
    /// let mut times = LatencyHistogram::new();
    /// times.record(Duration::from_micros(3));
    /// assert_eq!(times.count(), 1);
    /// ```
    pub fn record(&mut self, time: Duration) {
        self.max = self.max.max(time);
        if let Some(histogram) = &mut self.histogram {
            // The histogram resizes itself for any value.
            let _recorded = histogram.record(nanos(time));
        }
    }

    /// Adds all durations of another histogram.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    /// use std::time::Duration;
    ///
    /// let (mut one, mut other) = (LatencyHistogram::new(), LatencyHistogram::new());
    /// other.record(Duration::from_micros(3));
    /// one.merge(&other);
    /// assert_eq!(one, other);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        self.max = self.max.max(other.max);
        if let (Some(histogram), Some(other_histogram)) = (&mut self.histogram, &other.histogram) {
            // The histogram resizes itself for any value.
            let _added = histogram.add(other_histogram);
        }
    }

    /// Returns the number of durations.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    ///
    /// assert_eq!(LatencyHistogram::new().count(), 0);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// Returns whether no duration was recorded.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    ///
    /// assert!(LatencyHistogram::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Returns the longest duration, exactly; 0 if the histogram is empty.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    /// use std::time::Duration;
    ///
    /// assert_eq!(LatencyHistogram::new().max(), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Returns the quantile for a fraction from 0 to 1: the duration that this
    /// fraction of all durations does not exceed. The result is at most 1 % too high,
    /// and 0 if the histogram is empty.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    /// use std::time::Duration;
    ///
    /// let mut times = LatencyHistogram::new();
    /// times.record(Duration::from_millis(3));
    /// times.record(Duration::from_millis(800));
    /// assert_eq!(times.quantile(0.5).as_millis(), 3);
    /// ```
    #[must_use]
    pub fn quantile(&self, fraction: f64) -> Duration {
        let histogram = self
            .histogram
            .as_ref()
            .filter(|histogram| !histogram.is_empty());
        let nanos = histogram.map_or(0, |histogram| histogram.value_at_quantile(fraction));
        // The upper bound of a bucket may exceed its largest value.
        Duration::from_nanos(nanos).min(self.max)
    }

    /// Returns the buckets that are not empty: the longest duration of each, and its
    /// count.
    ///
    /// ```
    /// use highwater::LatencyHistogram;
    /// use std::time::Duration;
    ///
    /// let mut times = LatencyHistogram::new();
    /// times.record(Duration::from_nanos(7));
    /// times.record(Duration::from_nanos(7));
    /// assert_eq!(times.buckets().collect::<Vec<_>>(), [(Duration::from_nanos(7), 2)]);
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let recorded = self.histogram.iter().flat_map(Histogram::iter_recorded);
        recorded.map(|bucket| {
            let longest = Duration::from_nanos(bucket.value_iterated_to());
            (longest, bucket.count_since_last_iteration())
        })
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        LatencyHistogram::new()
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// Serializes the count, some quantiles, and buckets of nanoseconds and counts.
#[cfg(feature = "serde")]
impl serde::Serialize for LatencyHistogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let buckets: Vec<_> = self
            .buckets()
            .map(|(time, count)| (nanos(time), count))
            .collect();
        let mut histogram = serializer.serialize_struct("LatencyHistogram", 5)?;
        histogram.serialize_field("count", &self.count())?;
        histogram.serialize_field("p50_ns", &nanos(self.quantile(0.5)))?;
        histogram.serialize_field("p99_ns", &nanos(self.quantile(0.99)))?;
        histogram.serialize_field("max_ns", &nanos(self.max))?;
        histogram.serialize_field("buckets_ns", &buckets)?;
        histogram.end()
    }
}

/// Converts to nanoseconds, saturating at 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns a permille quantile of some durations, in any unit, by nearest rank;
/// `None` for an empty slice.
///
/// Bisects the range of values. Selecting by position takes half the time, but would
/// add two kilobytes to each of the page's downloads.
pub(crate) fn nearest_rank(durations: &[u64], permille: usize) -> Option<u64> {
    let rank = (durations.len() * permille).div_ceil(1000).max(1);
    let mut low = *durations.iter().min()?;
    let mut high = *durations.iter().max()?;
    while low < high {
        let middle = low.midpoint(high);
        let up_to_middle = durations.iter().filter(|it| **it <= middle);
        if up_to_middle.count() < rank {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(low)
}
