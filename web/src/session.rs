//! Runs an experiment in a Worker and reports its records to the page.

use crate::{address, platform::platform, timer::TabTimer};
use futures::future::{Either, select};
use highwater::{
    platform::{Clock, Timer, VirtualTime},
    scenario::{Deadlock, Experiment, TRACE_CAPACITY},
    trace::{PackedBatch, Recorder},
};
use js_sys::Function;
use std::{cell::RefCell, panic::PanicHookInfo, sync::Arc, time::Duration};
use wasm_bindgen::prelude::*;

/// Interval between reports of a running experiment: one frame.
const REPORT_INTERVAL: Duration = Duration::from_millis(16);

/// Maximum number of records in a report, so that the page can paint between the
/// reports of a long simulation.
const REPORT_EVENTS: usize = 4096;

/// Simulation steps between reports. They take one or two frames.
const REPORT_STEPS: u64 = 1 << 16;

/// Runs an experiment to its end, in the world `virtual` or `tab`.
///
/// `report` is called with each batch of records, as arguments for
/// [`View::push`](crate::View::push): names, words and the run's clock in
/// milliseconds. The promise resolves after the last call, to the cause if the run
/// ended early or else to `undefined`.
///
/// # Errors
///
/// Fails if the scenario or the world is unknown. A panic is not an error: it reports
/// the records so far, calls the [`on_panic`] listener and traps.
#[wasm_bindgen]
pub async fn run(
    world: String,
    name: String,
    pairs: Vec<String>,
    report: Function,
) -> Result<Option<String>, JsError> {
    let (experiment, _ignored) = address::read(&name, &pairs)?;
    let died = match world.as_str() {
        "virtual" => simulate(&experiment, report),
        "tab" => run_in_tab(&experiment, report).await,
        other => {
            return Err(JsError::new(&format!(
                "unknown world \"{other}\": choose virtual or tab"
            )));
        }
    };
    CURRENT_REPORTER.take();
    Ok(died)
}

async fn run_in_tab(experiment: &Experiment, report: Function) -> Option<String> {
    let timer = TabTimer::start();
    let recorder = Recorder::new(timer.clone(), TRACE_CAPACITY);
    let reporter = Reporter::new(recorder.clone(), timer.clone(), report);
    let mut running = experiment.start(platform(timer.clone()), recorder);
    loop {
        let tick = timer.sleep(REPORT_INTERVAL);
        let is_finished = matches!(select(running.as_mut(), tick).await, Either::Left(_));
        reporter.report();
        if is_finished {
            crate::processes::kill_all();
            return None;
        }
    }
}

/// Simulates an experiment, reporting records during the run and before a panic.
fn simulate(experiment: &Experiment, report: Function) -> Option<String> {
    let world = VirtualTime::new();
    let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
    let reporter = Reporter::new(recorder.clone(), world.timer(), report);
    let main = experiment.start(world.platform(), recorder);
    let mut steps = 0_u64;
    let ended = world.run_to_end_with(main, || {
        steps += 1;
        if steps.is_multiple_of(REPORT_STEPS) {
            reporter.report();
        }
    });
    reporter.report();
    ended.is_none().then(|| Deadlock.to_string())
}

/// Reports new records to the page.
#[derive(Clone)]
struct Reporter {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    report: Function,
}

impl Reporter {
    /// Creates a reporter. It also reports the remaining records if this instance
    /// panics.
    fn new(recorder: Recorder, clock: Arc<dyn Clock>, report: Function) -> Self {
        let reporter = Reporter {
            recorder,
            clock,
            report,
        };
        CURRENT_REPORTER.set(Some(reporter.clone()));
        reporter
    }

    /// Reports the new records in batches small enough for one frame.
    fn report(&self) {
        let now_ms = self.clock.now().as_secs_f64() * 1000.0;
        let mut rest = self.recorder.drain();
        loop {
            let next = rest.split_off(REPORT_EVENTS);
            let known_until = match next.events.first() {
                Some(_) => 0.0,
                None => now_ms,
            };
            // The page reports its own exceptions.
            let PackedBatch { names, words } = rest.into();
            let _ = self.report.call3(
                &JsValue::NULL,
                &names.into(),
                &words.into(),
                &known_until.into(),
            );
            if next.events.is_empty() {
                return;
            }
            rest = next;
        }
    }
}

thread_local! {
    static CURRENT_REPORTER: RefCell<Option<Reporter>> = const { RefCell::new(None) };
    static PANIC_LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Sets the listener for a panic, called just before the instance traps. The instance
/// is unusable afterwards: terminate its Worker and start another.
#[wasm_bindgen]
pub fn on_panic(listener: Function) {
    PANIC_LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(report_panic));
}

fn report_panic(info: &PanicHookInfo<'_>) {
    if let Some(reporter) = CURRENT_REPORTER.take() {
        reporter.report();
    }
    let cause = info.payload_as_str().unwrap_or("a panic without a message");
    let message = match info.location() {
        Some(location) => format!("{cause} ({}:{})", location.file(), location.line()),
        None => cause.to_owned(),
    };
    let is_delivered = PANIC_LISTENER.take().is_some_and(|listener| {
        listener
            .call1(&JsValue::NULL, &message.as_str().into())
            .is_ok()
    });
    if !is_delivered {
        web_sys::console::error_1(&message.into());
    }
}
