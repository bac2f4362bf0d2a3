//! Processing one file.

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

/// Size of the read-ahead buffer in bytes.
const READ_AHEAD_BYTES: usize = 512 * 1024;

/// Size of a chunk in bytes. Larger chunks need fewer promises.
const CHUNK_BYTES: usize = 128 * 1024;

/// Memory reserved at the start of a run, in bytes: twice the size of the buffer and
/// the stages, to allow for fragmentation. Growth during a run therefore indicates a
/// leak.
const RESERVED_BYTES: usize = 2 * (READ_AHEAD_BYTES + 4 * CHUNK_BYTES);

/// Counts the lines of a file, hashes it and compresses it into a stream, in one pass.
///
/// Dropping it (`free`) stops the run. The output is closed only on success; otherwise
/// its owner must discard it.
#[wasm_bindgen]
pub struct Job {
    work: Option<LocalBoxFuture<'static, Result<(), PipelineError>>>,
    cancel: [CancelHandle; 2],
    progress: Progress,
}

/// The source of a run's status.
#[derive(Clone)]
struct Progress {
    monitors: [PipelineMonitor; 2],
    findings: SharedFindings,
    clock: Arc<TabClock>,
    memory_at_start: usize,
}

#[wasm_bindgen]
impl Job {
    /// Creates a job that reads `file` and writes to `into`. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// Fails if the browser has no gzip.
    #[wasm_bindgen(constructor)]
    pub fn new(file: &Blob, into: WritableStream) -> Result<Job, JsError> {
        reserve_memory();
        let clock = TabClock::start();
        let findings = SharedFindings::default();
        let gzip = Gzip::new()?;
        let reading = Pipeline::from_try_stream("file", source::read(file, clock.clone()))
            .clock(clock.clone())
            .buffer("read ahead", read_ahead_bound()?)
            .chunks("chunks", CHUNK_BYTES)
            .stage("lines", CountLines::new(&findings))
            .stage("SHA-256", Hash::new(&findings))
            .into_sink("gzip", gzip.input());
        let writing = Pipeline::from_try_stream("gzipped", gzip.output_stream())
            .clock(clock.clone())
            .into_sink("output", output(into));
        let cancel = [reading.cancel_handle(), writing.cancel_handle()];
        let progress = Progress {
            monitors: [reading.monitor(), writing.monitor()],
            findings,
            clock,
            memory_at_start: memory(),
        };
        // Each pipeline has its own waker. Polling a browser stream creates a promise,
        // and two pipelines that wake each other by polling would starve the event
        // loop.
        let both = FuturesUnordered::from_iter([reading.boxed_local(), writing.boxed_local()]);
        Ok(Job {
            // If one fails, the other is dropped.
            work: Some(both.try_for_each(|_| future::ok(())).boxed_local()),
            cancel,
            progress,
        })
    }

    /// Runs the job once. The promise resolves to JSON with the outcome and the last
    /// [`status`](Self::status), and never rejects.
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

    /// Returns the progress so far as JSON.
    pub fn status(&self) -> String {
        json(&self.progress.status())
    }

    /// Cancels the run at its next step.
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

fn read_ahead_bound() -> Result<Bound<Vec<u8>>, InvalidBound> {
    Bound::bytes(READ_AHEAD_BYTES)
}

/// Grows the memory for the run. The freed block stays available, because WebAssembly
/// memory never shrinks.
fn reserve_memory() {
    let block: Vec<u8> = Vec::with_capacity(RESERVED_BYTES);
    // Keeps the compiler from optimising the allocation away.
    drop(black_box(block));
}

/// Returns the size of the WebAssembly memory in bytes.
fn memory() -> usize {
    const PAGE_BYTES: usize = 64 * 1024;
    memory_size::<0>() * PAGE_BYTES
}

fn json(value: &impl serde::Serialize) -> String {
    // This cannot fail, because keys are strings and numbers are finite.
    serde_json::to_string(value).unwrap_or_default()
}
