//! `highwater pipe`: streams files and standard streams through a pipeline.
//!
//! One thread reads and one thread writes. The pipeline between them runs on the main
//! task: `input` → `gunzip` → `upper` → `gzip` → `output`. The middle stages are
//! optional. Both threads use channels with high-water marks in bytes, so memory use does
//! not depend on the input.

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
mod write_back;
mod write_thread;

pub(crate) use size::Size;

use crate::{cli::PipeOptions, error::Error, platform::NativeTimer, report};
use buffers::{BufferPool, Chunk};
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
const CHUNK_BYTES: usize = 256 * 1024;

/// The exit code if the reader closes the output: 128 plus SIGPIPE, as with other
/// filters.
const CLOSED_OUTPUT_EXIT_CODE: u8 = 141;

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
    let input = Input::prepare(&options.input)?;
    let (mut destination, open) =
        Destination::prepare(&options.output, options.in_place, input.file())?;
    let _signal = ignore_file_size_signal();

    let resources = RunResources::new(options);
    let len = input.len();
    let is_stdout = options.output.as_os_str() == "-";
    let run = run(options, &resources, input, &mut destination, open);
    let report = match progress::run_with_bar(len, is_stdout, &resources.counters, run).await {
        // The reader closed the output: exit quietly.
        Err(error) if is_closed_output(&error) => {
            return Ok(ExitCode::from(CLOSED_OUTPUT_EXIT_CODE));
        }
        Err(error) => return Err(destination.annotate(error)),
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
    let write_thread =
        WriteThread::start(open, bound, Arc::clone(&resources.counters)).map_err(Error::Runtime)?;
    let run = resources
        .start(options, input, bound, write_thread.clone())
        .map_err(Error::Runtime)?;
    let report = match run.await {
        Ok(report) => report,
        Err(error) => {
            // A stream still receives everything before the error. Wait for the write
            // thread, because the process could exit first.
            if destination.keeps_partial_output() && error.stage() != Some("output") {
                write_thread.drain().await;
            }
            return Err(stage_error(options, error));
        }
    };
    let completed = destination.complete().await;
    completed.map_err(|cause| Error::Pipe {
        stage: "output".into(),
        file: display_name(&options.output, "standard output"),
        cause: cause.into(),
    })?;
    Ok(report)
}

/// The buffers, counters and clock of a run.
struct RunResources {
    high_water: usize,
    input_buffers: Arc<BufferPool>,
    output_buffers: Arc<BufferPool>,
    /// For `--gzip`: copies of the bytes that precede each block.
    window_buffers: Arc<BufferPool>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

impl RunResources {
    fn new(options: &PipeOptions) -> Self {
        let default = if options.gzip {
            gzip::default_high_water()
        } else {
            4 * CHUNK_BYTES
        };
        let high_water = options.high_water.map_or(default, Size::bytes);
        let (chunk, output) = if options.gzip {
            let block = gzip::BLOCK_BYTES.min(high_water);
            (block, gzip::max_output_len(block))
        } else {
            let chunk = CHUNK_BYTES.min(high_water);
            (chunk, chunk)
        };
        RunResources {
            high_water,
            input_buffers: BufferPool::new(chunk),
            output_buffers: BufferPool::new(output),
            window_buffers: BufferPool::new(gzip::WINDOW_BYTES),
            counters: Arc::default(),
            clock: Arc::new(NativeTimer::start(Arc::default())),
        }
    }

    fn start(
        &self,
        options: &PipeOptions,
        input: Input,
        bound: Bound<Chunk>,
        write_thread: WriteThread,
    ) -> io::Result<impl Future<Output = Result<PipelineReport, PipelineError>> + use<>> {
        let chunks = ReadThread {
            buffers: Arc::clone(&self.input_buffers),
            bound,
            sends_full_chunks: options.gzip,
            clock: Arc::clone(&self.clock),
            counters: Arc::clone(&self.counters),
        }
        .start(input)?;
        stages::connect(options, self, chunks, write_thread)
    }

    fn summary(&self, options: &PipeOptions, report: PipelineReport) -> Summary {
        Summary {
            files: [
                display_name(&options.input, "standard input"),
                display_name(&options.output, "standard output"),
            ],
            bytes_in: self.counters.read(),
            bytes_out: self.counters.written(),
            duration: self.clock.now(),
            peak_in_flight: self.input_buffers.peak()
                + self.output_buffers.peak()
                + self.window_buffers.peak(),
            input_stalled: self.counters.stalled(),
            report,
        }
    }
}

/// Makes writes beyond the file size limit fail, so that the temporary file is removed.
/// By default, SIGXFSZ kills the process.
#[cfg(unix)]
fn ignore_file_size_signal() -> Option<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let number = nix::sys::signal::Signal::SIGXFSZ as i32;
    signal(SignalKind::from_raw(number)).ok()
}

#[cfg(not(unix))]
fn ignore_file_size_signal() {}

/// Adds the stage and the file to a pipeline error.
fn stage_error(options: &PipeOptions, error: PipelineError) -> Error {
    let PipelineError::Failed { stage, source } = error else {
        // Unreachable: runs are stopped by dropping them.
        return Error::Runtime(io::Error::other(error));
    };
    let file = match &*stage {
        "output" => display_name(&options.output, "standard output"),
        _ => display_name(&options.input, "standard input"),
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

fn display_name(path: &Path, standard: &str) -> String {
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
