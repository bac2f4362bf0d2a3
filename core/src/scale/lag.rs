//! Event loop lag.

use crate::latency::{LatencyHistogram, nanos};
use std::time::Duration;

/// The maximum number of values recorded for one late beat. If more intervals were
/// missed, for example while a computer slept, this many values represent all of
/// them.
const MAX_RECORDED_BEATS: u32 = 100_000;

/// Measures how late an event loop runs, by a heartbeat that is due at regular
/// intervals.
///
/// Measuring starts with the first interval, so a loop that is blocked from the start
/// is late for its first beat. A late beat also represents each beat that was due in
/// the meantime, with the lag that each would have had. A two-second block is
/// therefore recorded as many late beats, not one.
///
/// The monitor reads no clock. Times are relative to the start of a run.
///
/// ```
/// use highwater::scale::LagMonitor;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let mut monitor = LagMonitor::new(ms(20), ms(0));
/// assert_eq!(monitor.next_due(), ms(20));
/// assert_eq!(monitor.beat(ms(21)), ms(1));
/// // The loop is blocked.
/// assert_eq!(monitor.beat(ms(540)), ms(500));
/// assert_eq!(monitor.next_due(), ms(560));
/// assert_eq!((monitor.beats(), monitor.missed()), (2, 25));
/// assert_eq!(monitor.max(), ms(500));
/// assert!(monitor.p50() > ms(200) && monitor.p50() < ms(300));
/// ```
#[derive(Clone, Debug)]
pub struct LagMonitor {
    interval: Duration,
    due: Duration,
    beats: u64,
    missed: u64,
    lags: LatencyHistogram,
}

impl LagMonitor {
    /// Creates a monitor whose first beat is due one `interval` after `now`. An
    /// interval of zero counts as one nanosecond.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let monitor = LagMonitor::new(Duration::from_millis(20), Duration::from_secs(1));
    /// assert_eq!(monitor.next_due(), Duration::from_millis(1020));
    /// ```
    #[must_use]
    pub fn new(interval: Duration, now: Duration) -> Self {
        let interval = interval.max(Duration::from_nanos(1));
        LagMonitor {
            interval,
            due: now.saturating_add(interval),
            beats: 0,
            missed: 0,
            lags: LatencyHistogram::new(),
        }
    }

    /// Creates a monitor from the recorded lags of a finished run.
    #[cfg(any(feature = "analysis", feature = "chapter-scaling"))]
    pub(crate) fn from_lags(interval: Duration, lags: impl IntoIterator<Item = Duration>) -> Self {
        let mut monitor = LagMonitor::new(interval, Duration::ZERO);
        for lag in lags {
            monitor.beat(monitor.next_due() + lag);
        }
        monitor
    }

    /// Returns when the next beat is due.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// monitor.beat(ms(39));
    /// assert_eq!(monitor.next_due(), ms(40), "a late beat does not shift the next one");
    /// ```
    pub fn next_due(&self) -> Duration {
        self.due
    }

    /// Records a beat and returns its lag. An early beat, which some system timers
    /// produce, has a lag of zero.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// assert_eq!([19, 47].map(|now| monitor.beat(ms(now))), [ms(0), ms(7)]);
    /// ```
    pub fn beat(&mut self, now: Duration) -> Duration {
        let lag = now.saturating_sub(self.due);
        self.beats += 1;
        let (lag_nanos, interval_nanos) = (nanos(lag), nanos(self.interval));
        let missed = lag_nanos / interval_nanos;
        self.missed = self.missed.saturating_add(missed);
        let step = self.interval.max(lag / MAX_RECORDED_BEATS);
        let mut represented_lag = lag;
        loop {
            self.lags.record(represented_lag);
            match represented_lag.checked_sub(step) {
                Some(less) => represented_lag = less,
                None => break,
            }
        }
        // The elapsed part of the current interval.
        let elapsed = Duration::from_nanos(lag_nanos % interval_nanos);
        self.due = (self.due.saturating_add(lag))
            .saturating_sub(elapsed)
            .saturating_add(self.interval);
        lag
    }

    /// Discards all measurements and starts over. The next beat is due one interval
    /// after `now`.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// monitor.beat(ms(100));
    /// monitor.reset(ms(100));
    /// assert_eq!(monitor.max(), ms(0));
    /// assert_eq!(monitor.beat(ms(420)), ms(300), "the first interval counts, too");
    /// ```
    pub fn reset(&mut self, now: Duration) {
        *self = LagMonitor::new(self.interval, now);
    }

    /// Returns the number of beats.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(100));
    /// assert_eq!((monitor.beats(), monitor.missed()), (1, 4));
    /// ```
    pub fn beats(&self) -> u64 {
        self.beats
    }

    /// Returns the number of beats that were skipped because an earlier one was late.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(39));
    /// assert_eq!(monitor.missed(), 0);
    /// ```
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns the greatest lag, or zero before the first beat.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// assert_eq!(monitor.max(), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(25));
    /// assert_eq!(monitor.max(), Duration::from_millis(5));
    /// ```
    pub fn max(&self) -> Duration {
        self.lags.max()
    }

    /// Returns the median lag, including skipped beats, at most 1 % too high. Zero
    /// before the first beat.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// for beat in 1..=9 {
    ///     monitor.beat(Duration::from_millis(20 * beat + beat));
    /// }
    /// assert_eq!(monitor.p50().as_millis(), 5);
    /// ```
    pub fn p50(&self) -> Duration {
        self.lags.quantile(0.50)
    }

    /// Returns the 99th percentile of the lag, including skipped beats, at most 1 %
    /// too high. Zero before the first beat.
    ///
    /// ```
    /// use highwater::scale::LagMonitor;
    /// use std::time::Duration;
    ///
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// for beat in 1..=1000 {
    ///     monitor.beat(Duration::from_millis(20 * beat + u64::from(beat % 100 == 0)));
    /// }
    /// assert!(monitor.p99().is_zero() && !monitor.max().is_zero());
    /// ```
    pub fn p99(&self) -> Duration {
        self.lags.quantile(0.99)
    }
}
