//! `highwater pipe`: streams files and standard streams through a pipeline.
//!
//! One thread reads and one thread writes. The pipeline between them runs on this task:
//! `input` → `gunzip` → `upper` → `gzip` → `output`. The middle stages are optional. Both
//! threads use channels with high-water marks in bytes, so memory use does not depend on
//! the data.

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
use destination::{Destination, OpenWriter};
use highwater::{
    BoxError, Clock,
    stream::{Bound, PipelineError, PipelineReport},
};
use input::Input;
use read_thread::ReadThread;
use std::{io, path::Path, process::ExitCode, sync::Arc};
use summary::Summary;
use write_thread::WriteThread;

/// The size of a read, in bytes. Larger reads are not faster.
const CHUNK: usize = 256 * 1024;

/// The exit code for an output that was closed by its reader: 128 plus the number of
/// SIGPIPE, which ends other filters.
const CLOSED_OUTPUT: u8 = 141;

/// Streams the input to the output and prints a summary.
///
/// Dropping the future removes the temporary file.
///
/// # Errors
///
/// Bad input, or the error of the first stage that failed. The output file is then
/// unchanged, unless it was overwritten in place.
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

    let resources = RunResources::new(options);
    let len = input.len();
    let is_stdout = options.output.as_os_str() == "-";
    let run = run(options, &resources, input, &mut destination, open);
    let report = match progress::watch(len, is_stdout, &resources.counters, run).await {
        // The reader closed the output: end quietly.
        Err(error) if is_closed_output(&error) => return Ok(ExitCode::from(CLOSED_OUTPUT)),
        Err(error) => return Err(destination.explain(error)),
        Ok(report) => report,
    };
    print(options, &resources.summary(options, report), is_stdout)?;
    Ok(ExitCode::SUCCESS)
}

/// Streams the input and completes the output.
async fn run(
    options: &PipeOptions,
    resources: &RunResources,
    input: Input,
    destination: &mut Destination,
    open: OpenWriter,
) -> Result<PipelineReport, Error> {
    let bound = Bound::bytes(resources.high_water)
        .map_err(|error| Error::Runtime(io::Error::other(error)))?;
    let writing =
        WriteThread::start(open, bound, Arc::clone(&resources.counters)).map_err(Error::Runtime)?;
    let run = resources
        .start(options, input, bound, writing.clone())
        .map_err(Error::Runtime)?;
    let report = match run.await {
        Ok(report) => report,
        Err(error) => {
            // A stream still gets everything that precedes the error: wait for the
            // write thread, or the process could exit first.
            if destination.keeps_partial_output() && error.stage() != Some("output") {
                writing.drain().await;
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

/// The buffers, counters and clock of a run.
struct RunResources {
    high_water: usize,
    inputs: Arc<Buffers>,
    outputs: Arc<Buffers>,
    /// For `--gzip`: copies of the bytes that precede each block.
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
            (block, gzip::max_output_len(block))
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
            duration: self.clock.now(),
            peak_in_flight: self.inputs.peak() + self.outputs.peak() + self.windows.peak(),
            input_stalled: self.counters.stalled(),
            report,
        }
    }
}

/// Makes a write beyond the file size limit fail, so that the temporary file is removed.
/// By default, SIGXFSZ ends the process.
#[cfg(unix)]
fn report_limits() -> Option<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let number = nix::sys::signal::Signal::SIGXFSZ as i32;
    signal(SignalKind::from_raw(number)).ok()
}

#[cfg(not(unix))]
fn report_limits() {}

/// Adds the stage and the file to an error of the pipeline.
fn explain(options: &PipeOptions, error: PipelineError) -> Error {
    let PipelineError::Failed { stage, source } = error else {
        // Unreachable: a run is stopped by dropping it.
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

fn print(options: &PipeOptions, summary: &Summary, is_stdout: bool) -> Result<(), Error> {
    match (options.json, is_stdout) {
        (true, false) => report::print(&summary.json())?,
        (true, true) => report::print_to_stderr(&summary.json()),
        (false, _) => report::print_to_stderr(&summary.text()),
    }
    Ok(())
}
