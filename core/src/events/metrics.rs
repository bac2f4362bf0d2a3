//! How often, how long and how late listeners run.

mod figures;

pub use figures::{EventMetrics, ListenerMetrics, Percentiles};

use super::{Bus, Notice, Registration, Subscription, Tapped};
use crate::{Clock, LatencyHistogram};
use std::{
    any::TypeId,
    collections::BTreeMap,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Counts and times the events of a [`Bus`], from when it is made until it is
/// dropped.
///
/// Listeners are told apart by the line of code that added them, whatever their
/// names, so those that come and go with each request are counted as one, and
/// memory depends on the program, not on its traffic. A measured emit, and each
/// delivery in it, takes a lock twice and reads the clock twice; a bus without
/// metrics pays nothing.
///
/// Of an inbox this measures how long it takes to queue an event; how long it
/// waits there is the reader's to measure.
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
/// assert!(length.lag.p99 <= report[0].took.max, "it ran within the emit");
/// ```
pub struct Metrics {
    state: Arc<Mutex<State>>,
    _tap: Subscription,
}

impl Metrics {
    /// Begins to measure.
    ///
    /// ```
    /// # use highwater::events::{Bus, Metrics};
    /// # use std::{sync::Arc, time::Duration};
    /// let bus = Bus::new();
    /// bus.emit(&1_u8).unwrap();
    /// let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
    /// bus.emit(&2_u8).unwrap();
    /// assert_eq!(metrics.report()[0].emitted, 1, "the first was before");
    /// ```
    #[must_use = "dropping it ends the measurement"]
    pub fn new<M>(bus: &Bus<M>, clock: Arc<dyn Clock>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let tap = bus.tap({
            let state = Arc::clone(&state);
            move |tapped| {
                // Read first, so that waiting for the lock is not measured.
                let now = clock.now();
                lock(&state).note(now, tapped);
            }
        });
        Metrics { state, _tap: tap }
    }

    /// The figures so far, in the order in which events were first emitted.
    ///
    /// ```
    /// # use highwater::events::{Bus, Metrics};
    /// # use std::{sync::Arc, time::Duration};
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
        lock(&self.state).events.iter().map(Event::report).collect()
    }
}

#[derive(Default)]
struct State {
    /// A list, as in the bus: a handful, and their order is worth keeping.
    events: Vec<Event>,
    running: BTreeMap<u64, Emit>,
}

/// An emit that has begun.
struct Emit {
    began: Duration,
    /// Its listeners that have begun: one at a time, or some that are awaited.
    calls: Vec<(super::ListenerId, Duration)>,
}

struct Event {
    type_id: TypeId,
    name: &'static str,
    emitted: u64,
    unhandled: u64,
    took: LatencyHistogram,
    listeners: Vec<Listener>,
}

struct Listener {
    name: Arc<str>,
    location: &'static Location<'static>,
    delivered: u64,
    failed: u64,
    took: LatencyHistogram,
    lag: LatencyHistogram,
}

impl State {
    fn note(&mut self, now: Duration, tapped: Tapped<'_>) {
        match tapped.notice {
            Notice::Emitting { emit, listeners } => {
                if listeners == 0 {
                    self.event(tapped).unhandled += 1;
                }
                let begun = Emit {
                    began: now,
                    calls: Vec::new(),
                };
                self.running.insert(emit, begun);
            }
            Notice::Delivering { emit, listener } => {
                // Unknown if it began before the measurement: as everywhere here.
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

    fn event(&mut self, tapped: Tapped<'_>) -> &mut Event {
        let type_id = tapped.event.type_id();
        let mut known = self.events.iter();
        let index = known.position(|event| event.type_id == type_id);
        let index = index.unwrap_or_else(|| {
            self.events.push(Event {
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

impl Event {
    fn listener(&mut self, registration: &Registration) -> &mut Listener {
        let mut known = self.listeners.iter();
        let index = known.position(|listener| listener.location == registration.location);
        let index = index.unwrap_or_else(|| {
            self.listeners.push(Listener {
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
            listeners: self.listeners.iter().map(Listener::report).collect(),
        }
    }
}

impl Listener {
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

/// What panics under it is a clock or a histogram, between two whole notes.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.report()).finish()
    }
}
