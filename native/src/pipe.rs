//! `highwater pipe`: files and standard streams through a pipeline.
//!
//! A thread reads, a thread writes, and the pipeline between them is this
//! task: `input` → `gunzip` → `upper` → `gzip` → `output`, of which those in
//! the middle are there if they are asked for. Both ends hand over by channels
//! with byte marks, so memory does not depend on the data.

mod buffers;
mod counters;
mod destination;
mod gunzip;
mod gzip;
mod input;
mod progress;
mod read_thread;
mod size;
mod stages;
mod summary;
mod write_thread;

pub(crate) use size::Size;

use crate::{cli::PipeOptions, error::Error, platform::NativeTimer, report};
use buffers::{Buffers, Chunk};
use counters::Counters;
use destination::{Destination, Open};
use highwater::{
    BoxError, Clock,
    stream::{Bound, PipelineError, PipelineReport},
};
use input::Input;
use read_thread::ReadThread;
use std::{io, path::Path, process::ExitCode, sync::Arc};
use summary::Summary;
use write_thread::WriteThread;

/// What a read asks for. More is not quicker, and takes longer to come round.
const CHUNK: usize = 256 * 1024;

/// What other filters end with when nobody reads their output: 128 and the
/// number of the signal that the system would have ended them with.
const CLOSED_OUTPUT: u8 = 141;

/// Streams what the options name and reports.
///
/// Dropped, it removes the file that is half written.
///
/// # Errors
///
/// Bad input, or the first stage that failed. The output is then as it was.
pub(crate) async fn pipe(options: &PipeOptions) -> Result<ExitCode, Error> {
    if input::is_same_file(&options.input, &options.output) {
        return Err(Error::SameFile {
            input: options.input.clone(),
            output: options.output.clone(),
        });
    }
    let input = Input::find(&options.input)?;
    let (mut destination, open) =
        Destination::find(&options.output, options.in_place, input.file())?;
    let _limits = report_limits();

    let work = RunResources::new(options);
    let len = input.len();
    let prints = options.output.as_os_str() == "-";
    let run = run(options, &work, input, &mut destination, open);
    let report = match progress::watch(len, prints, &work.counters, run).await {
        // Nobody is left to be told.
        Err(error) if is_closed_output(&error) => return Ok(ExitCode::from(CLOSED_OUTPUT)),
        Err(error) => return Err(destination.explain(error)),
        Ok(report) => report,
    };
    print(options, &work.summary(options, report), prints)?;
    Ok(ExitCode::SUCCESS)
}

/// Streams the input and completes the output.
async fn run(
    options: &PipeOptions,
    work: &RunResources,
    input: Input,
    destination: &mut Destination,
    open: Open,
) -> Result<PipelineReport, Error> {
    let bound =
        Bound::bytes(work.high_water).map_err(|error| Error::Runtime(io::Error::other(error)))?;
    let writing =
        WriteThread::start(open, bound, Arc::clone(&work.counters)).map_err(Error::Runtime)?;
    let run = work
        .start(options, input, bound, writing.clone())
        .map_err(Error::Runtime)?;
    let report = match run.await {
        Ok(report) => report,
        Err(error) => {
            // What came before the error is delivered where that is of use, and
            // whoever is first: the thread that writes, or the end of the process.
            if destination.keeps_what_is_written() && error.stage() != Some("output") {
                writing.deliver().await;
            }
            return Err(explain(options, error));
        }
    };
    let completed = destination.complete().await;
    completed.map_err(|cause| Error::Pipe {
        stage: "output".into(),
        file: name(&options.output, "standard output"),
        cause: cause.into(),
    })?;
    Ok(report)
}

/// A run's memory and measures.
struct RunResources {
    high_water: usize,
    inputs: Arc<Buffers>,
    outputs: Arc<Buffers>,
    /// For `--gzip`: copies of what comes before each block.
    windows: Arc<Buffers>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

impl RunResources {
    fn new(options: &PipeOptions) -> Self {
        let default = if options.gzip {
            gzip::default_high_water()
        } else {
            4 * CHUNK
        };
        let high_water = options.high_water.map_or(default, Size::bytes);
        let (chunk, output) = if options.gzip {
            let block = gzip::BLOCK.min(high_water);
            (block, gzip::longest_output(block))
        } else {
            let chunk = CHUNK.min(high_water);
            (chunk, chunk)
        };
        RunResources {
            high_water,
            inputs: Buffers::new(chunk),
            outputs: Buffers::new(output),
            windows: Buffers::new(gzip::WINDOW),
            counters: Arc::default(),
            clock: Arc::new(NativeTimer::start(Arc::default())),
        }
    }

    fn start(
        &self,
        options: &PipeOptions,
        input: Input,
        bound: Bound<Chunk>,
        writing: WriteThread,
    ) -> io::Result<impl Future<Output = Result<PipelineReport, PipelineError>> + use<>> {
        let chunks = ReadThread {
            buffers: Arc::clone(&self.inputs),
            bound,
            in_blocks: options.gzip,
            clock: Arc::clone(&self.clock),
            counters: Arc::clone(&self.counters),
        }
        .start(input)?;
        stages::connect(options, self, chunks, writing)
    }

    fn summary(&self, options: &PipeOptions, report: PipelineReport) -> Summary {
        Summary {
            files: [
                name(&options.input, "standard input"),
                name(&options.output, "standard output"),
            ],
            bytes_in: self.counters.read(),
            bytes_out: self.counters.written(),
            took: self.clock.now(),
            peak_in_flight: self.inputs.peak() + self.outputs.peak() + self.windows.peak(),
            input_stalled: self.counters.stalled(),
            report,
        }
    }
}

/// Has the system answer a write beyond the largest file that is allowed with
/// an error, instead of ending the process: what is half written is removed.
#[cfg(unix)]
fn report_limits() -> Option<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let number = nix::sys::signal::Signal::SIGXFSZ as i32;
    signal(SignalKind::from_raw(number)).ok()
}

#[cfg(not(unix))]
fn report_limits() {}

/// Names the stage and the file.
fn explain(options: &PipeOptions, error: PipelineError) -> Error {
    let PipelineError::Failed { stage, source } = error else {
        // Nobody has its handle: a run is stopped by dropping it.
        return Error::Runtime(io::Error::other(error));
    };
    let file = match &*stage {
        "output" => name(&options.output, "standard output"),
        _ => name(&options.input, "standard input"),
    };
    Error::Pipe {
        stage,
        file,
        cause: source,
    }
}

fn is_closed_output(error: &Error) -> bool {
    let is_broken_pipe = |cause: &BoxError| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    };
    matches!(error, Error::Pipe { stage, cause, .. } if &**stage == "output" && is_broken_pipe(cause))
}

fn name(path: &Path, standard: &str) -> String {
    match path.as_os_str().to_str() {
        Some("-") => standard.to_owned(),
        _ => path.display().to_string(),
    }
}

fn print(options: &PipeOptions, summary: &Summary, prints_output: bool) -> Result<(), Error> {
    match (options.json, prints_output) {
        (true, false) => report::print(&summary.json())?,
        (true, true) => report::print_to_stderr(&summary.json()),
        (false, _) => report::print_to_stderr(&summary.text()),
    }
    Ok(())
}
