//! One file through the pipelines.

use crate::{
    clock::TabClock,
    gzip::{Gzip, output},
    source,
    stages::{CountLines, Hash, SharedFindings},
    status::{FinalStatus, Outcome, Status, stages},
};
use futures::{
    FutureExt, TryStreamExt,
    future::{self, LocalBoxFuture},
    stream::FuturesUnordered,
};
use highwater::{
    Clock,
    stream::{Bound, CancelHandle, InvalidBound, Pipeline, PipelineError, PipelineMonitor},
};
use js_sys::Promise;
use std::{arch::wasm32::memory_size, hint::black_box, sync::Arc};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{Blob, WritableStream};

/// How much of the file may wait for the stages, in bytes.
const AHEAD: usize = 512 * 1024;

/// What goes through the stages at once, in bytes: each piece costs some
/// promises.
const CHUNK: usize = 128 * 1024;

/// What the buffer and the stages need together, in bytes, and as much again for
/// the gaps between their pieces. It is set aside when a run begins, so that
/// WebAssembly's memory grows no more: when it does, something is kept that
/// should not be.
const RESERVED: usize = 2 * (AHEAD + 4 * CHUNK);

/// Counts a file's lines, hashes it and compresses it into a stream of the
/// page's, all in one go.
///
/// Dropped (`free`), it stops. The output is closed on success only; whoever
/// owns it discards it otherwise.
#[wasm_bindgen]
pub struct Job {
    work: Option<LocalBoxFuture<'static, Result<(), PipelineError>>>,
    cancel: [CancelHandle; 2],
    progress: Progress,
}

/// What can be said of a run while it goes on.
#[derive(Clone)]
struct Progress {
    monitors: [PipelineMonitor; 2],
    findings: SharedFindings,
    clock: Arc<TabClock>,
    memory_at_start: usize,
}

#[wasm_bindgen]
impl Job {
    /// Takes both over, and reads nothing yet.
    ///
    /// # Errors
    ///
    /// A browser without gzip.
    #[wasm_bindgen(constructor)]
    pub fn new(file: &Blob, into: WritableStream) -> Result<Job, JsError> {
        reserve_memory();
        let clock = TabClock::start();
        let findings = SharedFindings::default();
        let gzip = Gzip::new()?;
        let before = Pipeline::from_try_stream("file", source::read(file, clock.clone()))
            .with_clock(clock.clone())
            .buffer("read ahead", ahead()?)
            .chunks("chunks", CHUNK)
            .stage("lines", CountLines::new(&findings))
            .stage("SHA-256", Hash::new(&findings))
            .into_sink("gzip", gzip.plain());
        let behind = Pipeline::from_try_stream("gzipped", gzip.compressed())
            .with_clock(clock.clone())
            .into_sink("output", output(into));
        let cancel = [before.cancel_handle(), behind.cancel_handle()];
        let progress = Progress {
            monitors: [before.monitor(), behind.monitor()],
            findings,
            clock,
            memory_at_start: memory(),
        };
        // Each is woken by itself: every look at one of the browser's streams is
        // a promise, and two pipelines that wake each other by looking would
        // keep the loop from everything else.
        let both = FuturesUnordered::from_iter([before.boxed_local(), behind.boxed_local()]);
        Ok(Job {
            // Whichever fails first, the other is dropped with it.
            work: Some(both.try_for_each(|_| future::ok(())).boxed_local()),
            cancel,
            progress,
        })
    }

    /// Does it, once. The promise resolves to JSON: how it ended, and the last
    /// [`status`](Self::status). It never rejects.
    pub fn run(&mut self) -> Promise {
        let work = self.work.take();
        let progress = self.progress.clone();
        future_to_promise(async move {
            let outcome = match work {
                Some(work) => Outcome::from(work.await),
                None => Outcome::Cancelled,
            };
            let status = progress.status();
            Ok(json(&FinalStatus { outcome, status }).into())
        })
    }

    /// What went through so far, as JSON.
    pub fn status(&self) -> String {
        json(&self.progress.status())
    }

    /// Has the run end as soon as it would go on.
    pub fn cancel(&self) {
        self.cancel.iter().for_each(CancelHandle::cancel);
    }
}

impl Progress {
    fn status(&self) -> Status {
        let reports = self.monitors.each_ref().map(PipelineMonitor::report);
        let passed = |name| {
            let stage = reports.iter().find_map(|report| report.stage(name));
            stage.map_or(0, |stage| stage.output.weight)
        };
        let findings = self.findings.borrow().clone();
        Status {
            read: passed("file"),
            written: passed("output"),
            lines: findings.lines,
            sha256: findings.sha256,
            elapsed_ms: self.clock.now().as_secs_f64() * 1000.0,
            memory: memory(),
            memory_at_start: self.memory_at_start,
            in_flight: reports
                .iter()
                .map(highwater::stream::PipelineReport::peak)
                .sum(),
            stages: stages(&reports),
        }
    }
}

fn ahead() -> Result<Bound<Vec<u8>>, InvalidBound> {
    Bound::bytes(AHEAD)
}

/// Memory never shrinks: what is given back here is there for the run.
fn reserve_memory() {
    let room: Vec<u8> = Vec::with_capacity(RESERVED);
    // Or the compiler, which sees that nobody uses it, would not ask for it.
    drop(black_box(room));
}

/// All there is, in bytes.
fn memory() -> usize {
    const PAGE: usize = 64 * 1024;
    memory_size::<0>() * PAGE
}

fn json(value: &impl serde::Serialize) -> String {
    // These are numbers and texts under names: nothing of it can fail.
    serde_json::to_string(value).unwrap_or_default()
}
