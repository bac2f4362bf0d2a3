//! Listener metrics: counts, durations and lag.

use super::{Bus, Notice, Registration, Subscription, Tapped};
use crate::{Clock, LatencyHistogram};
use std::{
    any::TypeId,
    collections::BTreeMap,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A measurement of the events of a [`Bus`], which ends when it is dropped.
///
/// Listeners are identified by the line of code that added them, whatever their
/// names. So listeners added per request are counted as one, and memory depends on
/// the program, not on its traffic. A measured emit, and each delivery in it, takes a
/// lock twice and reads the clock twice. A bus without metrics pays nothing.
///
/// For an inbox this measures the time to queue an event. The time an event is queued
/// is for the reader to measure.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// use std::{sync::Arc, time::Instant};
///
/// let start = Instant::now();
/// let bus = Bus::new();
/// let metrics = Metrics::new(&bus, Arc::new(move || start.elapsed()));
/// let _length = bus.on("length", |line: &String| {
///     if line.is_empty() { Err("empty") } else { Ok(()) }
/// });
/// bus.emit(&"a line".to_owned()).unwrap();
/// bus.emit(&String::new()).unwrap_err();
///
/// let report = metrics.report();
/// let length = &report[0].listeners[0];
/// assert_eq!((length.delivered, length.failed), (2, 1));
/// assert!(length.lag.p99 <= report[0].took.max);
/// ```
pub struct Metrics {
    state: Arc<Mutex<State>>,
    _tap: Subscription,
}

impl Metrics {
    /// Starts measuring.
    ///
    /// ```
    /// use highwater::events::{Bus, Metrics};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let bus = Bus::new();
    /// bus.emit(&1_u8).unwrap();
    /// let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
    /// bus.emit(&2_u8).unwrap();
    /// assert_eq!(metrics.report()[0].emitted, 1, "only the second");
    /// ```
    #[must_use = "dropping it ends the measurement"]
    pub fn new<M>(bus: &Bus<M>, clock: Arc<dyn Clock>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let tap = bus.tap({
            let state = Arc::clone(&state);
            move |tapped| {
                // Read first, so that waiting for the lock is not measured.
                let now = clock.now();
                lock(&state).record(now, tapped);
            }
        });
        Metrics { state, _tap: tap }
    }

    /// Returns the metrics so far, in the order in which the event types were first
    /// emitted.
    ///
    /// ```
    /// use highwater::events::{Bus, Metrics};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let bus = Bus::new();
    /// let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
    /// bus.emit(&"a").unwrap();
    /// bus.emit(&1_u8).unwrap();
    /// bus.emit(&"b").unwrap();
    /// let report = metrics.report();
    /// let events: Vec<_> = report.iter().map(|each| (each.event, each.emitted)).collect();
    /// assert_eq!(events, [("&str", 2), ("u8", 1)]);
    /// ```
    pub fn report(&self) -> Vec<EventMetrics> {
        lock(&self.state)
            .events
            .iter()
            .map(EventTotals::report)
            .collect()
    }
}

/// The metrics of one event type.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// use std::{sync::Arc, time::Duration};
///
/// let bus = Bus::new();
/// let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
/// bus.on("digit", |n: &u8| if *n > 9 { Err("too much") } else { Ok(()) }).detach();
/// bus.emit(&9_u8).unwrap();
/// bus.emit(&10_u8).unwrap_err();
/// let bytes = &metrics.report()[0];
/// assert_eq!((bytes.event, bytes.emitted, bytes.failed), ("u8", 2, 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EventMetrics {
    /// The name of the event's type.
    pub event: &'static str,
    /// Emits that have ended.
    pub emitted: u64,
    /// Emits without a listener, ended or not.
    pub unhandled: u64,
    /// Calls of listeners, failed ones included.
    pub delivered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The durations of the emits, all listeners included.
    pub took: Percentiles,
    /// The metrics of each listener, in the order of their first calls.
    pub listeners: Vec<ListenerMetrics>,
}

/// The metrics of one listener.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// use std::{sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
///
/// let now_ms: Arc<AtomicU64> = Arc::default();
/// let read_ms = Arc::clone(&now_ms);
/// let bus = Bus::new();
/// let clock = Arc::new(move || Duration::from_millis(read_ms.load(Relaxed)));
/// let metrics = Metrics::new(&bus, clock);
/// bus.on("slow", move |_: &u8| { now_ms.fetch_add(200, Relaxed); }).detach();
/// bus.on("next", |_: &u8| ()).detach();
/// bus.emit(&1_u8).unwrap();
/// let [slow, next] = &metrics.report()[0].listeners[..] else { panic!("two") };
/// assert!(slow.took.max > next.took.max);
/// assert!(next.lag.max > slow.lag.max, "it waited for the slow one");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ListenerMetrics {
    /// The name of the first listener added by this line.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub name: Arc<str>,
    /// The source location that added it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub location: &'static Location<'static>,
    /// Calls, failed ones included.
    pub delivered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The durations of the calls.
    pub took: Percentiles,
    /// The same, as a histogram that can be merged with others.
    pub took_histogram: LatencyHistogram,
    /// The delay between the start of the emit and the call, caused by the listeners
    /// before it.
    pub lag: Percentiles,
    /// The same, as a histogram that can be merged with others.
    pub lag_histogram: LatencyHistogram,
}

/// Percentiles of a set of durations, accurate to 1 %; zeros if it is empty.
///
/// ```
/// use highwater::events::{Bus, Metrics};
/// use std::{sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}, time::Duration};
///
/// let now_ms: Arc<AtomicU64> = Arc::default();
/// let read_ms = Arc::clone(&now_ms);
/// let bus = Bus::new();
/// let clock = Arc::new(move || Duration::from_millis(read_ms.load(Relaxed)));
/// let metrics = Metrics::new(&bus, clock);
/// bus.on("takes", move |ms: &u64| { now_ms.fetch_add(*ms, Relaxed); }).detach();
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
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The maximum.
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

#[derive(Default)]
struct State {
    /// A list, as in the bus: it is short, and its order is reported.
    events: Vec<EventTotals>,
    running: BTreeMap<u64, RunningEmit>,
}

/// An emit in progress.
struct RunningEmit {
    began: Duration,
    /// The running listeners: one at a time, or several that are awaited.
    calls: Vec<(super::ListenerId, Duration)>,
}

struct EventTotals {
    type_id: TypeId,
    name: &'static str,
    emitted: u64,
    unhandled: u64,
    took: LatencyHistogram,
    listeners: Vec<ListenerTotals>,
}

struct ListenerTotals {
    name: Arc<str>,
    location: &'static Location<'static>,
    delivered: u64,
    failed: u64,
    took: LatencyHistogram,
    lag: LatencyHistogram,
}

impl State {
    fn record(&mut self, now: Duration, tapped: Tapped<'_>) {
        match tapped.notice {
            Notice::Emitting { emit, listeners } => {
                if listeners == 0 {
                    self.event(tapped).unhandled += 1;
                }
                let running = RunningEmit {
                    began: now,
                    calls: Vec::new(),
                };
                self.running.insert(emit, running);
            }
            Notice::Delivering { emit, listener } => {
                // Unknown if the emit began before the measurement.
                let Some(running) = self.running.get_mut(&emit) else {
                    return;
                };
                running.calls.push((listener.id, now));
                let lag = now.saturating_sub(running.began);
                let listener = self.event(tapped).listener(listener);
                listener.delivered += 1;
                listener.lag.record(lag);
            }
            Notice::Delivered { emit, listener } => self.end(now, tapped, emit, listener, false),
            Notice::Failed { emit, listener, .. } => self.end(now, tapped, emit, listener, true),
            Notice::Emitted { emit, .. } => {
                if let Some(running) = self.running.remove(&emit) {
                    let event = self.event(tapped);
                    event.emitted += 1;
                    event.took.record(now.saturating_sub(running.began));
                }
            }
        }
    }

    fn end(
        &mut self,
        now: Duration,
        tapped: Tapped<'_>,
        emit: u64,
        listener: &Registration,
        failed: bool,
    ) {
        let Some(running) = self.running.get_mut(&emit) else {
            return;
        };
        let mut calls = running.calls.iter();
        let Some(index) = calls.position(|(id, _)| *id == listener.id) else {
            return;
        };
        let (_, began) = running.calls.swap_remove(index);
        let listener = self.event(tapped).listener(listener);
        listener.failed += u64::from(failed);
        listener.took.record(now.saturating_sub(began));
    }

    fn event(&mut self, tapped: Tapped<'_>) -> &mut EventTotals {
        let type_id = tapped.event.type_id();
        let mut known = self.events.iter();
        let index = known.position(|event| event.type_id == type_id);
        let index = index.unwrap_or_else(|| {
            self.events.push(EventTotals {
                type_id,
                name: tapped.event_type,
                emitted: 0,
                unhandled: 0,
                took: LatencyHistogram::new(),
                listeners: Vec::new(),
            });
            self.events.len() - 1
        });
        &mut self.events[index]
    }
}

impl EventTotals {
    fn listener(&mut self, registration: &Registration) -> &mut ListenerTotals {
        let mut known = self.listeners.iter();
        let index = known.position(|listener| listener.location == registration.location);
        let index = index.unwrap_or_else(|| {
            self.listeners.push(ListenerTotals {
                name: Arc::clone(&registration.name),
                location: registration.location,
                delivered: 0,
                failed: 0,
                took: LatencyHistogram::new(),
                lag: LatencyHistogram::new(),
            });
            self.listeners.len() - 1
        });
        &mut self.listeners[index]
    }

    fn report(&self) -> EventMetrics {
        EventMetrics {
            event: self.name,
            emitted: self.emitted,
            unhandled: self.unhandled,
            delivered: self.listeners.iter().map(|each| each.delivered).sum(),
            failed: self.listeners.iter().map(|each| each.failed).sum(),
            took: (&self.took).into(),
            listeners: self.listeners.iter().map(ListenerTotals::report).collect(),
        }
    }
}

impl ListenerTotals {
    fn report(&self) -> ListenerMetrics {
        ListenerMetrics {
            name: Arc::clone(&self.name),
            location: self.location,
            delivered: self.delivered,
            failed: self.failed,
            took: (&self.took).into(),
            took_histogram: self.took.clone(),
            lag: (&self.lag).into(),
            lag_histogram: self.lag.clone(),
        }
    }
}

/// Only a clock or a histogram can panic under the lock, and neither leaves a partial
/// record.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.report()).finish()
    }
}
