//! Wires the listeners to the sensor. Only this module depends on them.

use super::{
    busy_listener::{BusyListener, NoSignal},
    names::{ALARM, CALIBRATION, DISPLAY, ERROR_LOG, LATE_LISTENER, LEAKED_LISTENER, LOGGER},
    sensor::{Sensor, SensorReading},
};
use crate::{
    events::{Emitter, Subscription, WeakEmitter},
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The reading at which the listener list changes.
const CHANGE_READING: u64 = 3;

/// The listeners of a run.
pub(super) struct SensorWiring {
    trace: Recorder,
    sensor: Arc<Sensor>,
    _subscriptions: Vec<Subscription>,
}

impl SensorWiring {
    pub(super) fn new(context: &Context, sensor: &Arc<Sensor>) -> Self {
        let list = RecordedListeners::of(context, sensor);
        let display = BusyListener::start(context, DISPLAY, 1);
        let logger = BusyListener::start(context, LOGGER, 2);
        let calibration = BusyListener::start(context, CALIBRATION, 3);
        let alarm = BusyListener::start(context, ALARM, 4);
        let late_listener = BusyListener::new(context, LATE_LISTENER, 5);
        let emitter = sensor.emitter();

        list.record_added(display.id());
        let action = DisplayAction::of(context, &list, late_listener);
        let logger_subscription = Arc::clone(&action.logger);
        let params = context.params.clone();
        let display = emitter.on(DISPLAY, move |reading: &SensorReading| {
            let span = display.begin(reading.number);
            if reading.ordinal == Some(CHANGE_READING) {
                action.apply();
            }
            display.work();
            let fails = params.choice("fail") == "display";
            if fails && reading.ordinal.is_some_and(|ordinal| ordinal % 2 == 0) {
                let error = NoSignal {
                    reading: reading.number,
                };
                span.fail(&error.to_string());
                return Err(error);
            }
            span.succeed();
            Ok(())
        });
        list.record_added(logger.id());
        let logger = emitter.on(LOGGER, move |reading: &SensorReading| {
            logger.handle(reading.number);
        });
        *lock(&logger_subscription) = Some(logger);
        let calibration = list.add_calibration(emitter, calibration);
        let alarm = list.add_alarm(context, sensor, alarm);
        let mut subscriptions = vec![display, calibration, alarm];
        if context.params.choice("errors") == "observed" {
            subscriptions.push(add_error_log(context, emitter));
        }
        SensorWiring {
            trace: context.trace.clone(),
            sensor: Arc::clone(sensor),
            _subscriptions: subscriptions,
        }
    }

    /// Simulates a listener leak: subscribes and never unsubscribes.
    pub(super) fn leak_listener(&self) {
        let leaked_listener = self.trace.name(LEAKED_LISTENER);
        let emitter_id = self.sensor.emitter_id();
        self.trace
            .send(RecordKind::Subscribe, leaked_listener, emitter_id, 0);
        self.sensor.emitter().on(LEAKED_LISTENER, |_| ()).detach();
    }
}

/// Records changes of the emitter's listener list.
#[derive(Clone)]
struct RecordedListeners {
    trace: Recorder,
    emitter_id: NameId,
    emitter: WeakEmitter<SensorReading>,
}

impl RecordedListeners {
    fn of(context: &Context, sensor: &Sensor) -> Self {
        RecordedListeners {
            trace: context.trace.clone(),
            emitter_id: sensor.emitter_id(),
            emitter: sensor.emitter().downgrade(),
        }
    }

    fn record_added(&self, listener: NameId) {
        self.trace
            .send(RecordKind::Subscribe, listener, self.emitter_id, 0);
    }

    fn record_removed(&self, listener: NameId) {
        self.trace
            .send(RecordKind::Unsubscribe, listener, self.emitter_id, 0);
    }

    fn contains(&self, name: &str) -> bool {
        let emitter = self.emitter.upgrade();
        emitter.is_some_and(|emitter| emitter.listeners().iter().any(|it| &*it.name == name))
    }

    /// Adds the once listener. When called, it records that it is already off the list.
    fn add_calibration(
        &self,
        emitter: &Emitter<SensorReading>,
        calibration: BusyListener,
    ) -> Subscription {
        self.record_added(calibration.id());
        let list = self.clone();
        emitter.once(CALIBRATION, move |reading: &SensorReading| {
            let span = calibration.begin(reading.number);
            if !list.contains(CALIBRATION) {
                list.record_removed(calibration.id());
            }
            calibration.work();
            span.succeed();
        })
    }

    /// Prepends the alarm, which is then called first.
    fn add_alarm(
        &self,
        context: &Context,
        sensor: &Arc<Sensor>,
        alarm: BusyListener,
    ) -> Subscription {
        self.record_added(alarm.id());
        let emits = context.params.choice("reentry") == "alarm";
        // A weak reference: the sensor's emitter owns this closure.
        let (trace, weak_sensor) = (self.trace.clone(), Arc::downgrade(sensor));
        sensor
            .emitter()
            .prepend(ALARM, move |reading: &SensorReading| {
                let span = alarm.begin(reading.number);
                alarm.work();
                // Requested readings have no ordinal, so emits nest only one level
                // deep.
                if let (true, Some(_), Some(sensor)) =
                    (emits, reading.ordinal, weak_sensor.upgrade())
                {
                    trace.send(RecordKind::Call, alarm.id(), sensor.id(), reading.number);
                    sensor.announce(None, alarm.now());
                }
                span.succeed();
            })
    }
}

fn add_error_log(context: &Context, emitter: &Emitter<SensorReading>) -> Subscription {
    let log = BusyListener::start(context, ERROR_LOG, 6);
    emitter.errors().on(ERROR_LOG, move |failure| {
        let cause = failure.error.downcast_ref::<NoSignal>();
        log.handle(cause.map_or(0, |error| error.reading));
    })
}

/// The list changes that Display makes during an emit.
struct DisplayAction {
    list: RecordedListeners,
    removes: bool,
    adds: bool,
    logger: Arc<Mutex<Option<Subscription>>>,
    logger_id: NameId,
    late_listener: BusyListener,
    added: Mutex<Option<Subscription>>,
}

impl DisplayAction {
    fn of(context: &Context, list: &RecordedListeners, late_listener: BusyListener) -> Self {
        let action = context.params.choice("change");
        DisplayAction {
            list: list.clone(),
            removes: matches!(action, "remove" | "both"),
            adds: matches!(action, "add" | "both"),
            logger: Arc::default(),
            logger_id: context.trace.name(LOGGER),
            late_listener,
            added: Mutex::default(),
        }
    }

    fn apply(&self) {
        if self.removes
            && let Some(logger) = lock(&self.logger).take()
        {
            logger.cancel();
            self.list.record_removed(self.logger_id);
        }
        if self.adds
            && let Some(emitter) = self.list.emitter.upgrade()
        {
            self.late_listener.record_start();
            self.list.record_added(self.late_listener.id());
            let late_listener = self.late_listener.clone();
            let added = emitter.on(LATE_LISTENER, move |reading: &SensorReading| {
                late_listener.handle(reading.number);
            });
            *lock(&self.added) = Some(added);
        }
    }
}

/// Locks the mutex. Poisoning is ignored, because the value is never partially updated.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
