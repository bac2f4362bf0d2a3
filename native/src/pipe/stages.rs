//! The pipeline between the read and the write thread.

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

/// A boxed pipeline with any stages.
pub(super) type PipelineRun = Pin<Box<dyn Future<Output = Result<PipelineReport, PipelineError>>>>;

/// Connects both threads by the stages that the options select.
///
/// # Errors
///
/// If the compression threads cannot be started.
pub(super) fn connect(
    options: &PipeOptions,
    resources: &RunResources,
    chunks: Receiver<Chunk>,
    writing: WriteThread,
) -> io::Result<PipelineRun> {
    let input = Pipeline::from_try_stream("input", chunks.map_err(cause))
        .with_clock(Arc::clone(&resources.clock));
    if options.gunzip {
        let gunzip = Gunzip::new(Arc::clone(&resources.outputs));
        upper(options, resources, input.stage("gunzip", gunzip), writing)
    } else {
        upper(options, resources, input, writing)
    }
}

fn upper<S, P>(
    options: &PipeOptions,
    resources: &RunResources,
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
        compress(options, resources, pipeline, writing)
    } else {
        compress(options, resources, pipeline, writing)
    }
}

fn compress<S, P>(
    options: &PipeOptions,
    resources: &RunResources,
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
    let gzip = Gzip::start(Arc::clone(&resources.outputs))?;
    // As many blocks as the mark allows: blocks in progress, and finished ones that wait
    // for an earlier block.
    let window = (resources.high_water / resources.inputs.size()).max(1);
    if options.members {
        let run = pipeline
            .parallel_map("gzip", window, move |block| gzip.compress_member(block))
            .into_sink("output", writing);
        return Ok(Box::pin(run));
    }
    let run = pipeline
        .stage("blocks", Blocks::new(Arc::clone(&resources.windows)))
        .parallel_map("gzip", window, move |block| gzip.compress_block(block))
        .map("member", gzip::concatenate())
        .into_sink("output", writing);
    Ok(Box::pin(run))
}

/// Returns the error of the input, without the channel's wrapper.
fn cause(error: StreamError) -> BoxError {
    match error {
        StreamError::Failed(cause) => cause,
        StreamError::Aborted => "the read thread panicked".into(),
    }
}
