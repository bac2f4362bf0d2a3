//! The page's view of one trace: playback, picture, sentences and numbers.

use crate::{
    address::{Address, json},
    paint::{self, Surface},
    playback::Playback,
};
use highwater::{
    scenario::{Outcome, Verdict},
    trace::{Event, PackedBatch, RecordBatch},
};
use serde::Serialize;
use std::{cell::OnceCell, time::Duration};
use wasm_bindgen::prelude::*;

/// The view of one run. Everything it shows comes from the trace.
#[wasm_bindgen]
pub struct View {
    address: Address,
    playback: Playback,
    world: String,
    /// Milliseconds of the run per millisecond on the screen.
    speed: f64,
    /// Cached, because evaluating a long run takes a while.
    verdicts: OnceCell<Vec<Verdict>>,
}

#[wasm_bindgen]
impl View {
    /// Creates an empty view of a run that is about to start in `world`.
    #[wasm_bindgen(constructor)]
    pub fn new(address: Address, world: String) -> View {
        let trace = address.experiment().new_trace(&world);
        View {
            playback: Playback::new(trace),
            address,
            world,
            speed: 1.0,
            verdicts: OnceCell::new(),
        }
    }

    /// Adds a packed batch reported by [`run`](crate::run), with records up to `now_ms`
    /// on the run's clock.
    ///
    /// # Errors
    ///
    /// Fails if the batch is invalid or has a different version.
    pub fn push(
        &mut self,
        names: Vec<String>,
        words: Vec<u64>,
        now_ms: f64,
    ) -> Result<(), JsError> {
        let batch = RecordBatch::try_from(PackedBatch { names, words })?;
        self.playback.push(batch, duration(now_ms));
        Ok(())
    }

    /// Marks the run as complete; `died` is the cause if it ended early.
    pub fn complete(&mut self, died: Option<String>) {
        self.playback.complete(died);
    }

    /// Sets the speed in milliseconds of the run per millisecond on the screen. The
    /// default is 1.
    #[wasm_bindgen(setter)]
    pub fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// Plays for this many milliseconds on the screen.
    pub fn advance(&mut self, elapsed_ms: f64) {
        let elapsed = duration(elapsed_ms * self.speed);
        // A simulation is always ahead of its playback.
        let can_catch_up = self.speed >= 1.0 && self.world != "virtual";
        self.playback.advance(elapsed, can_catch_up);
    }

    /// Seeks to this many milliseconds after the start. If that is not known yet, seeks to
    /// the latest known moment and returns `false`.
    pub fn seek(&mut self, time_ms: f64) -> bool {
        self.playback.seek(duration(time_ms))
    }

    /// Seeks to the state after this many records. If there are fewer yet, plays all of
    /// them and returns `false`.
    #[wasm_bindgen(js_name = goTo)]
    pub fn go_to(&mut self, records: usize) -> bool {
        self.playback.go_to(records)
    }

    /// Plays the next record. Returns `false` if there is none yet.
    pub fn step(&mut self) -> bool {
        self.playback.step()
    }

    /// Undoes the last record. Returns `false` at the start.
    pub fn back(&mut self) -> bool {
        self.playback.back()
    }

    /// Seeks to the start.
    pub fn rewind(&mut self) {
        self.playback.go_to(0);
    }

    /// Seeks to the last known record.
    #[wasm_bindgen(js_name = toEnd)]
    pub fn to_end(&mut self) {
        self.playback.go_to(usize::MAX);
    }

    /// `true` once the whole run is played.
    #[wasm_bindgen(getter, js_name = isFinished)]
    pub fn is_finished(&self) -> bool {
        self.playback.is_finished()
    }

    /// Paints the current moment. Sizes are in CSS pixels, scaled by `ratio`.
    ///
    /// # Errors
    ///
    /// Fails if the canvas has no 2D context.
    pub fn paint(
        &self,
        canvas: &web_sys::HtmlCanvasElement,
        width: f64,
        height: f64,
        ratio: f64,
        dark: bool,
        reduced_motion: bool,
    ) -> Result<(), JsValue> {
        let surface = Surface::new(canvas, width, height, ratio, dark, reduced_motion)?;
        paint::paint(&surface, &self.playback);
        Ok(())
    }

    /// Paints the current moment as a thumbnail. Lanes are painted only if the picture
    /// has nothing else.
    ///
    /// # Errors
    ///
    /// Fails if the canvas has no 2D context.
    #[wasm_bindgen(js_name = paintSmall)]
    pub fn paint_small(
        &self,
        canvas: &web_sys::HtmlCanvasElement,
        width: f64,
        height: f64,
        ratio: f64,
        dark: bool,
    ) -> Result<(), JsValue> {
        let surface = Surface::new(canvas, width, height, ratio, dark, false)?;
        paint::paint(&surface.into_thumbnail(), &self.playback);
        Ok(())
    }

    /// Describes the current moment in one sentence.
    pub fn status(&self) -> String {
        let trace = self.playback.trace();
        if self.playback.is_at_end() {
            return self.conclusion();
        }
        match self.playback.latest() {
            Some(event) => self.address.experiment().scenario().sentence(trace, event),
            None => "The run has not started.".to_owned(),
        }
    }

    /// Returns the current numbers as JSON.
    pub fn numbers(&self) -> String {
        let trace = self.playback.trace();
        let summary = self.playback.summary();
        let rows = summary.sources().map(|source| {
            let counters = summary.counters(source);
            let delivered: u64 = summary
                .edges()
                .filter(|(_, target, _)| *target == source)
                .map(|(.., count)| count)
                .sum();
            let is_sample = summary.is_sample(source);
            let note = if is_sample { ", sampled times" } else { "" };
            SourceRow {
                name: [trace.name(source), note].concat(),
                received: match delivered {
                    1.. if is_sample => counters.started,
                    all => all,
                },
                started: counters.started,
                succeeded: counters.succeeded,
                failed: counters.failed,
                in_flight: counters.in_flight(),
                p50_us: summary.percentile(source, 50).map(microseconds),
                p99_us: summary.percentile(source, 99).map(microseconds),
                sends_to: summary
                    .edges()
                    .filter(|(from, ..)| *from == source)
                    .map(|(_, target, count)| {
                        if is_sample {
                            trace.name(target).to_owned()
                        } else {
                            format!("{} ({count})", trace.name(target))
                        }
                    })
                    .collect(),
            }
        });
        let queues = summary.queues().map(|(id, queue)| QueueRow {
            name: trace.name(id),
            mark: queue.mark,
            level: queue.level,
            peak: queue.peak,
            stalled_us: queue.stalled.map(microseconds),
            dropped: queue.dropped,
            rejected: queue.rejected,
        });
        json(&Numbers {
            time_us: microseconds(self.playback.time()),
            length_us: microseconds(self.playback.length()),
            event: self.playback.position(),
            events: trace.events.len(),
            dropped: trace.dropped,
            rows: rows.collect(),
            queues: queues.collect(),
            latest: self.playback.latest().map(|event| {
                let failure = event.failure.map_or("", |cause| trace.name(cause));
                let source = trace.name(event.source);
                (event.kind as u8, event.phase as u8, source, failure)
            }),
            #[cfg(feature = "errors")]
            errors: self.playback.tally().figures(),
            #[cfg(any(feature = "errors", feature = "scaling"))]
            processes: processes(&self.playback),
        })
    }

    /// Returns the current figures of a scaling run as JSON pairs of label and value.
    /// The cost grows with the number of records.
    #[cfg(feature = "scaling")]
    pub fn figures(&self) -> String {
        json(&highwater::scenario::scaling_figures(
            &self.playback.prefix(),
        ))
    }

    /// Returns the verdicts as JSON; an empty list until the whole run is played.
    pub fn verdicts(&self) -> String {
        if !self.playback.is_at_end() {
            return "[]".to_owned();
        }
        json(self.cached_verdicts())
    }
}

impl View {
    fn cached_verdicts(&self) -> &Vec<Verdict> {
        let scenario = self.address.experiment().scenario();
        self.verdicts
            .get_or_init(|| scenario.judge(self.playback.trace()))
    }

    fn conclusion(&self) -> String {
        let trace = self.playback.trace();
        if let Some(cause) = &trace.died {
            return format!("The run died: {cause}.");
        }
        let verdicts = self.cached_verdicts();
        let count = |outcome| {
            let matching = verdicts.iter().filter(|verdict| verdict.outcome == outcome);
            matching.count()
        };
        let unit = match self.world.as_str() {
            "virtual" => "simulated seconds",
            _ => "seconds",
        };
        let end = trace
            .events
            .last()
            .map_or(Duration::ZERO, Event::recorded_at);
        let tenths = end.as_secs() * 10 + u64::from((end.subsec_millis() + 50) / 100);
        format!(
            "The run ended after {}.{} {unit}: {} checks passed, {} failed, {} not exercised.",
            tenths / 10,
            tenths % 10,
            count(Outcome::Passed),
            count(Outcome::Failed),
            count(Outcome::NotExercised),
        )
    }
}

#[derive(Serialize)]
struct Numbers<'a> {
    time_us: u64,
    /// Length of the run so far.
    length_us: u64,
    event: usize,
    events: usize,
    dropped: u64,
    rows: Vec<SourceRow>,
    queues: Vec<QueueRow<'a>>,
    /// The last record played: kind and phase as numbers, source, and cause of failure.
    latest: Option<(u8, u8, &'a str, &'a str)>,
    /// Outcomes of requests.
    #[cfg(feature = "errors")]
    errors: Vec<(&'static str, String)>,
    #[cfg(any(feature = "errors", feature = "scaling"))]
    processes: Vec<ProcessRow<'a>>,
}

/// Worker, state, number of processes so far, and their history.
#[cfg(any(feature = "errors", feature = "scaling"))]
type ProcessRow<'a> = (&'a str, &'static str, usize, String);

#[cfg(any(feature = "errors", feature = "scaling"))]
fn processes(playback: &Playback) -> Vec<ProcessRow<'_>> {
    let trace = playback.trace();
    let slots = playback.worker_slots().iter();
    let rows = slots.map(|it| {
        let name = trace.name(it.worker);
        let history = it.history(trace);
        (name, it.state.as_str(), it.generation(), history)
    });
    rows.collect()
}

/// A queue; sizes are in bytes.
#[derive(Serialize)]
struct QueueRow<'a> {
    name: &'a str,
    mark: u64,
    level: u64,
    peak: u64,
    stalled_us: Option<u64>,
    dropped: u64,
    rejected: u64,
}

#[derive(Serialize)]
struct SourceRow {
    name: String,
    received: u64,
    started: u64,
    succeeded: u64,
    failed: u64,
    in_flight: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    sends_to: Vec<String>,
}

/// Converts milliseconds. Invalid values from JavaScript become 0.
fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::ZERO)
}

/// Returns whole microseconds, because formatting fractions as JSON costs more wasm than
/// a whole scenario.
fn microseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}
