//! Who listens: the only place that knows.

use super::{
    ALARM, CALIBRATION, CHANGE_AT, DISPLAY, ERROR_LOG, FORGOTTEN, LOGGER, NEWCOMER,
    sensor::{Reading, Sensor},
    watcher::{NoSignal, Watcher},
};
use crate::{
    events::{Emitter, Subscription, WeakEmitter},
    scenario::Context,
    trace::{Kind, NameId, Recorder},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The listeners, for as long as the run lasts.
pub(super) struct Wiring {
    trace: Recorder,
    sensor: Arc<Sensor>,
    _subscriptions: Vec<Subscription>,
}

impl Wiring {
    pub(super) fn new(context: &Context, sensor: &Arc<Sensor>) -> Self {
        let list = List::of(context, sensor);
        let display = Watcher::start(context, DISPLAY, 1);
        let logger = Watcher::start(context, LOGGER, 2);
        let calibration = Watcher::start(context, CALIBRATION, 3);
        let alarm = Watcher::start(context, ALARM, 4);
        let newcomer = Watcher::new(context, NEWCOMER, 5);
        let emitter = sensor.emitter();

        list.joins(display.id());
        let change = Change::of(context, &list, newcomer);
        let logger_here = Arc::clone(&change.logger);
        let params = context.params.clone();
        let display = emitter.on(DISPLAY, move |reading: &Reading| {
            let span = display.begin(reading.number);
            if reading.ordinal == Some(CHANGE_AT) {
                change.make();
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
        list.joins(logger.id());
        let logger = emitter.on(LOGGER, move |reading: &Reading| {
            logger.handle(reading.number);
        });
        *lock(&logger_here) = Some(logger);
        let calibration = list.add_calibration(emitter, calibration);
        let alarm = list.add_alarm(context, sensor, alarm);
        let mut subscriptions = vec![display, calibration, alarm];
        if context.params.choice("errors") == "observed" {
            subscriptions.push(add_error_log(context, emitter));
        }
        Wiring {
            trace: context.trace.clone(),
            sensor: Arc::clone(sensor),
            _subscriptions: subscriptions,
        }
    }

    /// The bug: it listens for one reading, and goes on listening for ever.
    pub(super) fn forget_one(&self) {
        let forgotten = self.trace.name(FORGOTTEN);
        let emitter_id = self.sensor.emitter_id();
        self.trace.send(Kind::Subscribe, forgotten, emitter_id, 0);
        self.sensor.emitter().on(FORGOTTEN, |_| ()).detach();
    }
}

/// The emitter's list, as it is on record.
#[derive(Clone)]
struct List {
    trace: Recorder,
    emitter_id: NameId,
    emitter: WeakEmitter<Reading>,
}

impl List {
    fn of(context: &Context, sensor: &Sensor) -> Self {
        List {
            trace: context.trace.clone(),
            emitter_id: sensor.emitter_id(),
            emitter: sensor.emitter().downgrade(),
        }
    }

    fn joins(&self, listener: NameId) {
        self.trace
            .send(Kind::Subscribe, listener, self.emitter_id, 0);
    }

    fn leaves(&self, listener: NameId) {
        self.trace
            .send(Kind::Unsubscribe, listener, self.emitter_id, 0);
    }

    fn has(&self, name: &str) -> bool {
        let emitter = self.emitter.upgrade();
        emitter.is_some_and(|emitter| emitter.listeners().iter().any(|it| &*it.name == name))
    }

    /// It listens for one reading, and finds itself off the list when it comes.
    fn add_calibration(&self, emitter: &Emitter<Reading>, calibration: Watcher) -> Subscription {
        self.joins(calibration.id());
        let list = self.clone();
        emitter.once(CALIBRATION, move |reading: &Reading| {
            let span = calibration.begin(reading.number);
            if !list.has(CALIBRATION) {
                list.leaves(calibration.id());
            }
            calibration.work();
            span.succeed();
        })
    }

    /// It comes last, and is called first.
    fn add_alarm(&self, context: &Context, sensor: &Arc<Sensor>, alarm: Watcher) -> Subscription {
        self.joins(alarm.id());
        let emits = context.params.choice("reentry") == "alarm";
        // Not the sensor, which would then hold itself.
        let (trace, weak) = (self.trace.clone(), Arc::downgrade(sensor));
        sensor.emitter().prepend(ALARM, move |reading: &Reading| {
            let span = alarm.begin(reading.number);
            alarm.work();
            // One it has asked for itself does not alarm it.
            if let (true, Some(_), Some(sensor)) = (emits, reading.ordinal, weak.upgrade()) {
                trace.send(Kind::Call, alarm.id(), sensor.id(), reading.number);
                sensor.announce(None, alarm.now());
            }
            span.succeed();
        })
    }
}

fn add_error_log(context: &Context, emitter: &Emitter<Reading>) -> Subscription {
    let log = Watcher::start(context, ERROR_LOG, 6);
    emitter.errors().on(ERROR_LOG, move |failure| {
        let cause = failure.error.downcast_ref::<NoSignal>();
        log.handle(cause.map_or(0, |error| error.reading));
    })
}

/// What Display does to the list in the midst of an emit.
struct Change {
    list: List,
    removes: bool,
    adds: bool,
    logger: Arc<Mutex<Option<Subscription>>>,
    logger_id: NameId,
    newcomer: Watcher,
    added: Mutex<Option<Subscription>>,
}

impl Change {
    fn of(context: &Context, list: &List, newcomer: Watcher) -> Self {
        let change = context.params.choice("change");
        Change {
            list: list.clone(),
            removes: matches!(change, "remove" | "both"),
            adds: matches!(change, "add" | "both"),
            logger: Arc::default(),
            logger_id: context.trace.name(LOGGER),
            newcomer,
            added: Mutex::default(),
        }
    }

    fn make(&self) {
        if self.removes
            && let Some(logger) = lock(&self.logger).take()
        {
            logger.cancel();
            self.list.leaves(self.logger_id);
        }
        if self.adds
            && let Some(emitter) = self.list.emitter.upgrade()
        {
            self.newcomer.has_started();
            self.list.joins(self.newcomer.id());
            let newcomer = self.newcomer.clone();
            let added = emitter.on(NEWCOMER, move |reading: &Reading| {
                newcomer.handle(reading.number);
            });
            *lock(&self.added) = Some(added);
        }
    }
}

/// Whole, whatever panics: one value is put in or taken out.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
