//! The pipeline between reading and writing.

use super::{
    RunResources,
    buffers::Chunk,
    gunzip::Gunzip,
    gzip::{self, Blocks, Gzip},
    write_thread::WriteThread,
};
use crate::cli::PipeOptions;
use futures::{Stream, TryStreamExt};
use highwater::{
    BoxError,
    stream::{Pipeline, PipelineError, PipelineReport, Receiver, StreamError},
};
use std::{future::Future, io, pin::Pin, sync::Arc};

/// A run, whatever its stages.
pub(super) type PipelineRun = Pin<Box<dyn Future<Output = Result<PipelineReport, PipelineError>>>>;

/// Puts the stages that the options name between the two ends.
///
/// # Errors
///
/// If the system gives no threads.
pub(super) fn connect(
    options: &PipeOptions,
    work: &RunResources,
    chunks: Receiver<Chunk>,
    writing: WriteThread,
) -> io::Result<PipelineRun> {
    let input = Pipeline::from_try_stream("input", chunks.map_err(cause))
        .with_clock(Arc::clone(&work.clock));
    if options.gunzip {
        let gunzip = Gunzip::new(Arc::clone(&work.outputs));
        upper(options, work, input.stage("gunzip", gunzip), writing)
    } else {
        upper(options, work, input, writing)
    }
}

fn upper<S, P>(
    options: &PipeOptions,
    work: &RunResources,
    pipeline: Pipeline<S, P>,
    writing: WriteThread,
) -> io::Result<PipelineRun>
where
    S: Stream<Item = Result<Chunk, PipelineError>> + Unpin + 'static,
    P: Future<Output = Result<(), PipelineError>> + 'static,
{
    if options.upper {
        let pipeline = pipeline.map("upper", |mut chunk| {
            chunk.make_ascii_uppercase();
            chunk
        });
        compress(options, work, pipeline, writing)
    } else {
        compress(options, work, pipeline, writing)
    }
}

fn compress<S, P>(
    options: &PipeOptions,
    work: &RunResources,
    pipeline: Pipeline<S, P>,
    writing: WriteThread,
) -> io::Result<PipelineRun>
where
    S: Stream<Item = Result<Chunk, PipelineError>> + Unpin + 'static,
    P: Future<Output = Result<(), PipelineError>> + 'static,
{
    if !options.gzip {
        return Ok(Box::pin(pipeline.into_sink("output", writing)));
    }
    let gzip = Gzip::start(Arc::clone(&work.outputs))?;
    // As many blocks as the mark allows: those in work, and those that are
    // done and wait for one before them.
    let window = (work.high_water / work.inputs.size()).max(1);
    if options.members {
        let run = pipeline
            .parallel_map("gzip", window, move |block| gzip.compress_member(block))
            .into_sink("output", writing);
        return Ok(Box::pin(run));
    }
    let run = pipeline
        .stage("blocks", Blocks::new(Arc::clone(&work.windows)))
        .parallel_map("gzip", window, move |block| gzip.compress_block(block))
        .map("member", gzip::concatenate())
        .into_sink("output", writing);
    Ok(Box::pin(run))
}

/// What the input failed with, without the channel that it came through.
fn cause(error: StreamError) -> BoxError {
    match error {
        StreamError::Failed(cause) => cause,
        StreamError::Aborted => "the thread that reads has died".into(),
    }
}
