//! How late a loop is for what is due.

use hdrhistogram::Histogram;
use std::time::Duration;

/// As many intervals that were missed are accounted for one by one; of more,
/// as many stand in for all. A computer may have slept for a week.
const MOST_MISSED: u32 = 100_000;

/// Measures how late an event loop is: by a heartbeat that is due at regular
/// times, and comes when the loop gets round to it.
///
/// It counts from the first interval on: a loop that is blocked from the start
/// is late for the first beat. A beat that comes late stands for those that were
/// due meanwhile, each with how late it would have been, so that a loop that was
/// held for two seconds does not pass for one that was late once.
///
/// It reads no clock: times are those since the start of a run.
///
/// ```
/// use highwater::scale::LagMonitor;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let mut monitor = LagMonitor::new(ms(20), ms(0));
/// assert_eq!(monitor.next_due(), ms(20));
/// assert_eq!(monitor.beat(ms(21)), ms(1));
/// // Somebody holds the loop.
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
    max: Duration,
    /// In nanoseconds. Two digits are kept: some kilobytes, whatever their number.
    lags: Option<Histogram<u64>>,
}

impl LagMonitor {
    /// A monitor whose first beat is due one `interval` after `now`. An interval
    /// of nothing counts as a nanosecond.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
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
            max: Duration::ZERO,
            // It only refuses more digits than there are.
            lags: Histogram::new(2).ok(),
        }
    }

    /// A run that is over, of which is known how late each beat came.
    #[cfg(any(feature = "analysis", feature = "chapter-scaling"))]
    pub(crate) fn of_lags(interval: Duration, lags: impl IntoIterator<Item = Duration>) -> Self {
        let mut monitor = LagMonitor::new(interval, Duration::ZERO);
        for lag in lags {
            monitor.beat(monitor.next_due() + lag);
        }
        monitor
    }

    /// When the next beat is due: sleep until then.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// monitor.beat(ms(39));
    /// assert_eq!(monitor.next_due(), ms(40), "that the last was late changes nothing");
    /// ```
    pub fn next_due(&self) -> Duration {
        self.due
    }

    /// The beat that was due has come: answers how late it is. One that comes
    /// early, as timers of some systems do, is not late.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// assert_eq!([19, 47].map(|now| monitor.beat(ms(now))), [ms(0), ms(7)]);
    /// ```
    pub fn beat(&mut self, now: Duration) -> Duration {
        let lag = now.saturating_sub(self.due);
        self.beats += 1;
        self.max = self.max.max(lag);
        let (lag_nanos, interval_nanos) = (nanos(lag), nanos(self.interval));
        let missed = lag_nanos / interval_nanos;
        self.missed = self.missed.saturating_add(missed);
        let step = self.interval.max(lag / MOST_MISSED);
        let mut late = lag;
        loop {
            self.record(late);
            match late.checked_sub(step) {
                Some(less) => late = less,
                None => break,
            }
        }
        // What is left of the interval under way.
        let rest = Duration::from_nanos(lag_nanos % interval_nanos);
        self.due = (self.due.saturating_add(lag))
            .saturating_sub(rest)
            .saturating_add(self.interval);
        lag
    }

    /// Forgets what was, and begins anew: the next beat is due one interval after
    /// `now`, and counts.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut monitor = LagMonitor::new(ms(20), ms(0));
    /// monitor.beat(ms(100));
    /// monitor.reset(ms(100));
    /// assert_eq!(monitor.max(), ms(0));
    /// assert_eq!(monitor.beat(ms(420)), ms(300), "the first interval, too");
    /// ```
    pub fn reset(&mut self, now: Duration) {
        *self = LagMonitor::new(self.interval, now);
    }

    /// How many beats have come.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(100));
    /// assert_eq!((monitor.beats(), monitor.missed()), (1, 4));
    /// ```
    pub fn beats(&self) -> u64 {
        self.beats
    }

    /// How many were due while another was late, and never came.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(39));
    /// assert_eq!(monitor.missed(), 0);
    /// ```
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The greatest lag. Zero before the first beat.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// assert_eq!(monitor.max(), Duration::ZERO);
    /// monitor.beat(Duration::from_millis(25));
    /// assert_eq!(monitor.max(), Duration::from_millis(5));
    /// ```
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Half of the beats, those missed included, were no later than this, to
    /// within a hundredth. Zero before the first.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// for beat in 1..=9 {
    ///     monitor.beat(Duration::from_millis(20 * beat + beat));
    /// }
    /// assert_eq!(monitor.p50().as_millis(), 5);
    /// ```
    pub fn p50(&self) -> Duration {
        self.percentile(0.50)
    }

    /// 99 of 100 beats, those missed included, were no later than this, to within
    /// a hundredth. Zero before the first.
    ///
    /// ```
    /// # use highwater::scale::LagMonitor;
    /// # use std::time::Duration;
    /// let mut monitor = LagMonitor::new(Duration::from_millis(20), Duration::ZERO);
    /// for beat in 1..=1000 {
    ///     monitor.beat(Duration::from_millis(20 * beat + u64::from(beat % 100 == 0)));
    /// }
    /// assert!(monitor.p99().is_zero() && !monitor.max().is_zero());
    /// ```
    pub fn p99(&self) -> Duration {
        self.percentile(0.99)
    }

    fn record(&mut self, lag: Duration) {
        if let Some(lags) = &mut self.lags {
            // It grows to hold whatever comes.
            let _recorded = lags.record(nanos(lag));
        }
    }

    fn percentile(&self, quantile: f64) -> Duration {
        let lags = self.lags.as_ref().filter(|lags| !lags.is_empty());
        let value = lags.map_or(0, |lags| lags.value_at_quantile(quantile));
        // A bucket's upper end may be beyond all that is in it.
        Duration::from_nanos(value).min(self.max)
    }
}

/// More than the 584 years that fit count as these.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
