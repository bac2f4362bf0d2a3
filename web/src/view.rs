//! One trace on the page: played, painted and put into words.

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

/// Shows one run. Everything it shows comes from the trace.
#[wasm_bindgen]
pub struct View {
    address: Address,
    playback: Playback,
    world: String,
    /// How many milliseconds of the run a millisecond on the screen is.
    speed: f64,
    /// Judged once, at the end: for a long run that takes a while.
    verdicts: OnceCell<Vec<Verdict>>,
}

#[wasm_bindgen]
impl View {
    /// An empty view of a run that is about to start in `world`.
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

    /// Adds a packed batch, as [`run`](crate::run) reports it, recorded up to
    /// `now_ms` on the run's clock.
    ///
    /// # Errors
    ///
    /// If it is no batch of this schema.
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

    /// Marks the run as over; `died` says why, if it ended early.
    pub fn complete(&mut self, died: Option<String>) {
        self.playback.complete(died);
    }

    /// Sets how many milliseconds of the run a millisecond on the screen is: 1 at
    /// first.
    #[wasm_bindgen(setter)]
    pub fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// Plays on for so many milliseconds on the screen.
    pub fn advance(&mut self, elapsed_ms: f64) {
        let elapsed = duration(elapsed_ms * self.speed);
        // A simulation is ahead of whoever watches it.
        let may_catch_up = self.speed >= 1.0 && self.world != "virtual";
        self.playback.advance(elapsed, may_catch_up);
    }

    /// Goes to so many milliseconds after the start; `false` if the latest moment
    /// that is known comes before that, and goes there.
    pub fn seek(&mut self, time_ms: f64) -> bool {
        self.playback.seek(duration(time_ms))
    }

    /// Goes to where so many records are played; `false` if there are not as many
    /// yet, and goes to the last one.
    #[wasm_bindgen(js_name = goTo)]
    pub fn go_to(&mut self, records: usize) -> bool {
        self.playback.go_to(records)
    }

    /// Goes to the next record; `false` if there is none yet.
    pub fn step(&mut self) -> bool {
        self.playback.step()
    }

    /// Goes to before the last record; `false` at the start.
    pub fn back(&mut self) -> bool {
        self.playback.back()
    }

    /// Goes to the start.
    pub fn rewind(&mut self) {
        self.playback.go_to(0);
    }

    /// Goes to the last record known.
    #[wasm_bindgen(js_name = toEnd)]
    pub fn to_end(&mut self) {
        self.playback.go_to(usize::MAX);
    }

    /// Whether the whole run is played.
    #[wasm_bindgen(getter, js_name = isFinished)]
    pub fn is_finished(&self) -> bool {
        self.playback.is_finished()
    }

    /// Paints this moment. Sizes are in CSS pixels, scaled by `ratio`.
    ///
    /// # Errors
    ///
    /// If the canvas has no 2D context.
    pub fn paint(
        &self,
        canvas: &web_sys::HtmlCanvasElement,
        width: f64,
        height: f64,
        ratio: f64,
        dark: bool,
        still: bool,
    ) -> Result<(), JsValue> {
        let surface = Surface::new(canvas, width, height, ratio, dark, still)?;
        paint::paint(&surface, &self.playback);
        Ok(())
    }

    /// Paints this moment as one picture of many: without who was busy when,
    /// unless that is all there is to see.
    ///
    /// # Errors
    ///
    /// If the canvas has no 2D context.
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
        paint::paint(&surface.small(), &self.playback);
        Ok(())
    }

    /// This moment in one sentence.
    pub fn status(&self) -> String {
        let trace = self.playback.trace();
        if self.playback.is_at_end() {
            return self.conclusion();
        }
        match self.playback.latest() {
            Some(event) => self.address.experiment().scenario().sentence(trace, event),
            None => "At the start: nothing has happened yet.".to_owned(),
        }
    }

    /// The numbers of this moment, as JSON.
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
            let of_what = if is_sample { ", times of a sample" } else { "" };
            SourceRow {
                name: [trace.name(source), of_what].concat(),
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
            refused: queue.refused,
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

    /// Of a run about loops what it comes to at this moment, as JSON: what is
    /// measured, and the value. It takes the longer the more was recorded.
    #[cfg(feature = "scaling")]
    pub fn figures(&self) -> String {
        json(&highwater::scenario::scaling_figures(
            &self.playback.prefix(),
        ))
    }

    /// The verdicts, as JSON; an empty list until the whole run is played.
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
            let with = verdicts.iter().filter(|verdict| verdict.outcome == outcome);
            with.count()
        };
        let how = match self.world.as_str() {
            "virtual" => "simulated seconds",
            _ => "seconds",
        };
        let end = trace
            .events
            .last()
            .map_or(Duration::ZERO, Event::recorded_at);
        let tenths = end.as_secs() * 10 + u64::from((end.subsec_millis() + 50) / 100);
        format!(
            "The run is over after {}.{} {how}: {} checks passed, {} failed, {} not exercised.",
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
    /// As far as it is known.
    length_us: u64,
    event: usize,
    events: usize,
    dropped: u64,
    rows: Vec<SourceRow>,
    queues: Vec<QueueRow<'a>>,
    /// The record played last: its kind and phase by their numbers, whose it is,
    /// and why it failed.
    latest: Option<(u8, u8, &'a str, &'a str)>,
    /// What became of requests.
    #[cfg(feature = "errors")]
    errors: Vec<(&'static str, String)>,
    #[cfg(any(feature = "errors", feature = "scaling"))]
    processes: Vec<ProcessRow<'a>>,
}

/// Whose place, what is there, how many there were, and which.
#[cfg(any(feature = "errors", feature = "scaling"))]
type ProcessRow<'a> = (&'a str, &'static str, usize, String);

#[cfg(any(feature = "errors", feature = "scaling"))]
fn processes(playback: &Playback) -> Vec<ProcessRow<'_>> {
    let trace = playback.trace();
    let worker_slots = playback.worker_slots().iter();
    let rows = worker_slots.map(|it| {
        let name = trace.name(it.worker);
        let history = it.history(trace);
        (name, it.state.as_str(), it.generation(), history)
    });
    rows.collect()
}

/// Sizes in bytes.
#[derive(Serialize)]
struct QueueRow<'a> {
    name: &'a str,
    mark: u64,
    level: u64,
    peak: u64,
    stalled_us: Option<u64>,
    dropped: u64,
    refused: u64,
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

/// A page may hand over anything: what is no time counts as none.
fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::ZERO)
}

/// Whole, since what puts fractions into JSON weighs more than a scenario.
fn microseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}
