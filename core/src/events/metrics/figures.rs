//! The figures that metrics report.

use crate::LatencyHistogram;
use std::{panic::Location, sync::Arc, time::Duration};

/// The figures of one type of event.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// # use std::{sync::Arc, time::Duration};
/// let bus = Bus::new();
/// let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
/// bus.on("digit", |n: &u8| if *n > 9 { Err("too much") } else { Ok(()) }).detach();
/// bus.emit(&9_u8).unwrap();
/// bus.emit(&10_u8).unwrap_err();
/// let bytes = &metrics.report()[0];
/// assert_eq!((bytes.event, bytes.emitted, bytes.failed), ("u8", 2, 1));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EventMetrics {
    /// The name of the event's type.
    pub event: &'static str,
    /// Emits that have ended.
    pub emitted: u64,
    /// Emits that met no listener, ended or not.
    pub unhandled: u64,
    /// Calls of listeners, failed ones included.
    pub delivered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// How long emits took, all listeners together.
    pub took: Percentiles,
    /// Each listener's own, in the order in which they were first called.
    pub listeners: Vec<ListenerMetrics>,
}

/// The figures of one listener.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// # use std::{sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
///
/// let hand: Arc<AtomicU64> = Arc::default();
/// let ms = Arc::clone(&hand);
/// let bus = Bus::new();
/// let clock = Arc::new(move || Duration::from_millis(ms.load(Relaxed)));
/// let metrics = Metrics::new(&bus, clock);
/// bus.on("slow", move |_: &u8| { hand.fetch_add(200, Relaxed); }).detach();
/// bus.on("next", |_: &u8| ()).detach();
/// bus.emit(&1_u8).unwrap();
/// let [slow, next] = &metrics.report()[0].listeners[..] else { panic!("two") };
/// assert!(slow.took.max > next.took.max);
/// assert!(next.lag.max > slow.lag.max, "it had to wait");
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ListenerMetrics {
    /// The name of the first that was added there.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub name: Arc<str>,
    /// The line of code that added it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub location: &'static Location<'static>,
    /// Its calls, failed ones included.
    pub delivered: u64,
    /// Its calls that failed.
    pub failed: u64,
    /// How long its calls took.
    pub took: Percentiles,
    /// The same, to be merged with others.
    pub took_histogram: LatencyHistogram,
    /// How long after the emit began it was called: what the listeners before
    /// it cost it.
    pub lag: Percentiles,
    /// The same, to be merged with others.
    pub lag_histogram: LatencyHistogram,
}

/// Of a set of durations, to within a hundredth; zeros of an empty one.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// # use std::{sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
///
/// let hand: Arc<AtomicU64> = Arc::default();
/// let ms = Arc::clone(&hand);
/// let bus = Bus::new();
/// let clock = Arc::new(move || Duration::from_millis(ms.load(Relaxed)));
/// let metrics = Metrics::new(&bus, clock);
/// bus.on("takes", move |ms: &u64| { hand.fetch_add(*ms, Relaxed); }).detach();
/// for ms in [1_u64, 1, 1, 1, 500] {
///     bus.emit(&ms).unwrap();
/// }
/// let took = metrics.report()[0].took;
/// assert!(took.p50 < Duration::from_millis(2) && took.max >= Duration::from_millis(500));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Percentiles {
    /// Half of them are no longer than this.
    pub p50: Duration,
    /// 99 of 100 are no longer than this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl From<&LatencyHistogram> for Percentiles {
    fn from(times: &LatencyHistogram) -> Self {
        Percentiles {
            p50: times.quantile(0.50),
            p99: times.quantile(0.99),
            max: times.max(),
        }
    }
}
