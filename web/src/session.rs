//! Running an experiment in a Worker, and telling the page of it.

use crate::{
    address,
    platform::{TabTimer, platform},
};
use futures::future::{Either, select};
use highwater::{
    platform::{Clock, Timer},
    scenario::{Experiment, TRACE_CAPACITY},
    trace::{Batch, Event, Recorder, Trace},
};
use js_sys::Function;
use std::{cell::RefCell, panic::PanicHookInfo, time::Duration};
use wasm_bindgen::prelude::*;

/// How often a running experiment reports: once a frame.
const REPORT_INTERVAL: Duration = Duration::from_millis(16);

/// The most records in one report, so that the page can paint between reports
/// of a long simulation.
const REPORT_EVENTS: usize = 4096;

/// Runs an experiment to its end, `virtual` or in this `tab`.
///
/// `report` is called with what was recorded, a batch as JSON, and the run's
/// clock in milliseconds; the last call is followed by this promise. It
/// resolves to why the run ended early, or to `undefined`.
///
/// # Errors
///
/// An unknown scenario or world. A panic is not an error: the instance traps,
/// and [`on_panic`] tells.
#[wasm_bindgen]
pub async fn run(
    world: String,
    name: String,
    pairs: Vec<String>,
    report: Function,
) -> Result<Option<String>, JsError> {
    let (experiment, _ignored) = address::read(&name, &pairs)?;
    match world.as_str() {
        "virtual" => Ok(report_trace(experiment.simulate(), &report)),
        "tab" => {
            run_in_tab(&experiment, &report).await;
            Ok(None)
        }
        other => Err(JsError::new(&format!(
            "unknown world \"{other}\": the worlds here are virtual and tab"
        ))),
    }
}

async fn run_in_tab(experiment: &Experiment, report: &Function) {
    let timer = TabTimer::start();
    let recorder = Recorder::new(timer.clone(), TRACE_CAPACITY);
    let mut running = experiment.start(platform(timer.clone()), recorder.clone());
    loop {
        let tick = timer.sleep(REPORT_INTERVAL);
        let is_over = matches!(select(running.as_mut(), tick).await, Either::Left(_));
        send(report, &recorder.drain(), timer.now());
        if is_over {
            return;
        }
    }
}

/// Reports a finished trace in batches of a size that a frame can take.
fn report_trace(trace: Trace, report: &Function) -> Option<String> {
    for events in trace.events.chunks(REPORT_EVENTS) {
        let now = events.last().map_or(Duration::ZERO, Event::recorded_at);
        let batch = Batch {
            first_name: 0,
            names: trace.names.clone(),
            events: events.to_vec(),
            dropped: trace.dropped,
        };
        send(report, &batch, now);
    }
    trace.died
}

fn send(report: &Function, batch: &Batch, now: Duration) {
    let now_ms = now.as_secs_f64() * 1000.0;
    // The page's own function: if it throws, the page has said so already.
    let _ = report.call2(&JsValue::NULL, &address::json(batch).into(), &now_ms.into());
}

thread_local! {
    static PANIC_LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Sets what is told of a panic, just before the instance traps. After that
/// the instance is lost: end its Worker and start another.
#[wasm_bindgen]
pub fn on_panic(listener: Function) {
    PANIC_LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(report_panic));
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let cause = info.payload_as_str().unwrap_or("a panic without a message");
    let message = match info.location() {
        Some(place) => format!("{cause} ({}:{})", place.file(), place.line()),
        None => cause.to_owned(),
    };
    let told = PANIC_LISTENER.with_borrow(|listener| {
        listener.as_ref().is_some_and(|listener| {
            listener
                .call1(&JsValue::NULL, &message.as_str().into())
                .is_ok()
        })
    });
    if !told {
        web_sys::console::error_1(&message.into());
    }
}
