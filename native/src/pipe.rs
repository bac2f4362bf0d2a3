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

use crate::{cli::PipeOptions, error::Error, platform::NativeTimer, terminal};
use counters::Counters;
use destination::{Destination, OpenWriter};
use highwater::{
    BoxError, Clock,
    stream::{Bound, PipelineError, PipelineReport},
};
use input::Input;
use read_thread::ReadThread;
use stages::Stages;
use std::{io, path::Path, process::ExitCode, sync::Arc};
use summary::Summary;
use write_thread::WriteThread;

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

    let len = input.len();
    let is_stdout = options.output.as_os_str() == "-";
    let mut run = Run::new(options).map_err(Error::Runtime)?;
    let counters = Arc::clone(&run.counters);
    let completed = run.complete(input, &mut destination, open);
    let report = match progress::run_with_bar(len, is_stdout, &counters, completed).await {
        // The reader closed the output: exit quietly.
        Err(error) if is_closed_output(&error) => {
            return Ok(ExitCode::from(CLOSED_OUTPUT_EXIT_CODE));
        }
        Err(error) => return Err(destination.annotate(error)),
        Ok(report) => report,
    };
    let summary = run.summary(report);
    match (options.json, is_stdout) {
        (true, false) => terminal::print(&summary.json())?,
        (true, true) => terminal::print_to_stderr(&summary.json()),
        (false, _) => terminal::print_to_stderr(&summary.text()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A run: its stages, counters and clock.
struct Run {
    /// The displayed names of the input and the output.
    files: [String; 2],
    stages: Stages,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

impl Run {
    fn new(options: &PipeOptions) -> io::Result<Self> {
        Ok(Run {
            files: [
                display_name(&options.input, "standard input"),
                display_name(&options.output, "standard output"),
            ],
            clock: Arc::new(NativeTimer::start(Arc::default())),
            counters: Arc::default(),
            stages: Stages::selected(options)?,
        })
    }

    /// Streams the input and completes the output.
    async fn complete(
        &mut self,
        input: Input,
        destination: &mut Destination,
        open: OpenWriter,
    ) -> Result<PipelineReport, Error> {
        let (run, write_thread) = self.start(input, open).map_err(Error::Runtime)?;
        let report = match run.await {
            Ok(report) => report,
            Err(error) => {
                // A stream still receives everything before the error. Wait for the write
                // thread, because the process could exit first.
                if destination.keeps_partial_output() && error.stage() != Some("output") {
                    write_thread.drain().await;
                }
                return Err(self.stage_error(error));
            }
        };
        let completed = destination.complete().await;
        completed.map_err(|cause| self.error("output".into(), cause.into()))?;
        Ok(report)
    }

    /// Starts the threads and connects them with the stages.
    fn start(
        &mut self,
        input: Input,
        open: OpenWriter,
    ) -> io::Result<(
        impl Future<Output = Result<PipelineReport, PipelineError>> + use<>,
        WriteThread,
    )> {
        let bound = Bound::bytes(self.stages.high_water).map_err(io::Error::other)?;
        let write_thread = WriteThread::start(open, bound, Arc::clone(&self.counters))?;
        let read_thread = ReadThread {
            buffers: Arc::clone(&self.stages.inputs),
            bound,
            sends_full_chunks: self.stages.needs_full_chunks,
            clock: Arc::clone(&self.clock),
            counters: Arc::clone(&self.counters),
        };
        let chunks = read_thread.start(input)?;
        let pipeline = self.stages.connect(chunks, Arc::clone(&self.clock));
        let run = pipeline.into_sink("output", write_thread.clone());
        Ok((run, write_thread))
    }

    fn stage_error(&self, error: PipelineError) -> Error {
        match error {
            PipelineError::Failed { stage, source } => self.error(stage, source),
            // Unreachable: runs are stopped by dropping them.
            error @ PipelineError::Cancelled => Error::Runtime(io::Error::other(error)),
        }
    }

    /// Adds the file to the error of a stage.
    fn error(&self, stage: Arc<str>, cause: BoxError) -> Error {
        let [input, output] = &self.files;
        let file = if &*stage == "output" { output } else { input };
        Error::Pipe {
            file: file.clone(),
            stage,
            cause,
        }
    }

    fn summary(self, report: PipelineReport) -> Summary {
        Summary {
            files: self.files,
            bytes_in: self.counters.read(),
            bytes_out: self.counters.written(),
            duration: self.clock.now(),
            peak_in_flight: self.stages.peak(),
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
