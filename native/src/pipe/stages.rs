//! The pipeline between the read and write threads.

use super::{
    RunResources,
    buffers::Chunk,
    gunzip::Gunzip,
    gzip::{self, BlockStage, Gzip},
    write_thread::WriteThread,
};
use crate::cli::PipeOptions;
use futures::{Stream, TryStreamExt};
use highwater::{
    BoxError,
    stream::{Pipeline, PipelineError, PipelineReport, Receiver, StreamError},
};
use std::{future::Future, io, pin::Pin, sync::Arc};

/// A boxed pipeline.
pub(super) type PipelineRun = Pin<Box<dyn Future<Output = Result<PipelineReport, PipelineError>>>>;

/// Connects the read and write threads with the selected stages.
///
/// # Errors
///
/// If the compression threads cannot be started.
pub(super) fn connect(
    options: &PipeOptions,
    resources: &RunResources,
    chunks: Receiver<Chunk>,
    write_thread: WriteThread,
) -> io::Result<PipelineRun> {
    let input = Pipeline::from_try_stream("input", chunks.map_err(input_error))
        .with_clock(Arc::clone(&resources.clock));
    if options.gunzip {
        let gunzip = Gunzip::new(Arc::clone(&resources.output_buffers));
        add_upper(
            options,
            resources,
            input.stage("gunzip", gunzip),
            write_thread,
        )
    } else {
        add_upper(options, resources, input, write_thread)
    }
}

fn add_upper<S, P>(
    options: &PipeOptions,
    resources: &RunResources,
    pipeline: Pipeline<S, P>,
    write_thread: WriteThread,
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
        add_gzip(options, resources, pipeline, write_thread)
    } else {
        add_gzip(options, resources, pipeline, write_thread)
    }
}

fn add_gzip<S, P>(
    options: &PipeOptions,
    resources: &RunResources,
    pipeline: Pipeline<S, P>,
    write_thread: WriteThread,
) -> io::Result<PipelineRun>
where
    S: Stream<Item = Result<Chunk, PipelineError>> + Unpin + 'static,
    P: Future<Output = Result<(), PipelineError>> + 'static,
{
    if !options.gzip {
        return Ok(Box::pin(pipeline.into_sink("output", write_thread)));
    }
    let gzip = Gzip::start(Arc::clone(&resources.output_buffers))?;
    // The number of blocks within the high-water mark: blocks in progress, and finished
    // blocks that wait for an earlier one.
    let window = (resources.high_water / resources.input_buffers.size()).max(1);
    if options.members {
        let run = pipeline
            .parallel_map("gzip", window, move |block| gzip.compress_member(block))
            .into_sink("output", write_thread);
        return Ok(Box::pin(run));
    }
    let run = pipeline
        .stage(
            "blocks",
            BlockStage::new(Arc::clone(&resources.window_buffers)),
        )
        .parallel_map("gzip", window, move |block| gzip.compress_block(block))
        .map("member", gzip::append_trailer())
        .into_sink("output", write_thread);
    Ok(Box::pin(run))
}

/// Unwraps the input error from the channel error.
fn input_error(error: StreamError) -> BoxError {
    match error {
        StreamError::Failed(cause) => cause,
        StreamError::Aborted => "the read thread panicked".into(),
    }
}
