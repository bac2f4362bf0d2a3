//! The stages between the read and write threads.

use super::{
    buffers::{BufferPool, Chunk},
    gunzip::Gunzip,
    gzip::{self, BlockStage, Gzip},
    size::Size,
};
use crate::cli::PipeOptions;
use futures::TryStreamExt;
use highwater::{
    BoxError, Clock,
    stream::{BoxedPipeline, Pipeline, Receiver, StreamError},
};
use std::{io, sync::Arc};

/// The size of a read, in bytes. Larger reads are not faster.
const CHUNK_BYTES: usize = 256 * 1024;

/// A pipeline of chunks.
type ChunkPipeline = BoxedPipeline<'static, Chunk>;

/// A function that adds a stage to a pipeline.
type AddStage = Box<dyn FnOnce(ChunkPipeline) -> ChunkPipeline>;

/// The selected stages, and the buffers that they share.
pub(super) struct Stages {
    list: Vec<AddStage>,
    /// The high-water mark of each channel, in bytes.
    pub(super) high_water: usize,
    /// The buffers of the read thread.
    pub(super) inputs: Arc<BufferPool>,
    outputs: Arc<BufferPool>,
    /// For `--gzip`: copies of the bytes that precede each block.
    windows: Arc<BufferPool>,
    /// True if the first stage needs full chunks, as compression does.
    pub(super) needs_full_chunks: bool,
}

impl Stages {
    /// Creates the stages that the options select.
    ///
    /// # Errors
    ///
    /// If the compression threads cannot be started.
    pub(super) fn selected(options: &PipeOptions) -> io::Result<Self> {
        let high_water = options.high_water.map(Size::bytes);
        let mut stages = if options.gzip {
            let high_water = high_water.unwrap_or_else(gzip::default_high_water);
            let block = gzip::BLOCK_BYTES.min(high_water);
            Stages::new(high_water, block, gzip::max_output_len(block))
        } else {
            let high_water = high_water.unwrap_or(4 * CHUNK_BYTES);
            let chunk = CHUNK_BYTES.min(high_water);
            Stages::new(high_water, chunk, chunk)
        };
        if options.gunzip {
            let gunzip = Gunzip::new(Arc::clone(&stages.outputs));
            stages.add(|pipeline| pipeline.stage("gunzip", gunzip).boxed());
        }
        if options.upper {
            let upper = |mut chunk: Chunk| {
                chunk.make_ascii_uppercase();
                chunk
            };
            stages.add(move |pipeline| pipeline.map("upper", upper).boxed());
        }
        if options.gzip {
            stages.add_gzip(options.members)?;
        }
        Ok(stages)
    }

    fn new(high_water: usize, input_bytes: usize, output_bytes: usize) -> Self {
        Stages {
            list: Vec::new(),
            high_water,
            inputs: BufferPool::new(input_bytes),
            outputs: BufferPool::new(output_bytes),
            windows: BufferPool::new(gzip::WINDOW_BYTES),
            needs_full_chunks: false,
        }
    }

    fn add(&mut self, stage: impl FnOnce(ChunkPipeline) -> ChunkPipeline + 'static) {
        self.list.push(Box::new(stage));
    }

    fn add_gzip(&mut self, members: bool) -> io::Result<()> {
        self.needs_full_chunks = true;
        let gzip = Gzip::start(Arc::clone(&self.outputs))?;
        // The number of blocks within the high-water mark: blocks in progress, and
        // finished blocks that wait for an earlier one.
        let window = (self.high_water / self.inputs.size()).max(1);
        if members {
            self.add(move |pipeline| {
                let compress = move |block| gzip.compress_member(block);
                pipeline.parallel_map("gzip", window, compress).boxed()
            });
        } else {
            let blocks = BlockStage::new(Arc::clone(&self.windows));
            self.add(move |pipeline| {
                pipeline
                    .stage("blocks", blocks)
                    .parallel_map("gzip", window, move |block| gzip.compress_block(block))
                    .map("member", gzip::append_trailer())
                    .boxed()
            });
        }
        Ok(())
    }

    /// Connects the stages to the read thread. Later calls return a pipeline without
    /// stages.
    pub(super) fn connect(
        &mut self,
        chunks: Receiver<Chunk>,
        clock: Arc<dyn Clock>,
    ) -> ChunkPipeline {
        let input = Pipeline::from_try_stream("input", chunks.map_err(input_error));
        let input = input.clock(clock).boxed();
        self.list
            .drain(..)
            .fold(input, |pipeline, add| add(pipeline))
    }

    /// Returns the peak number of bytes in flight.
    pub(super) fn peak(&self) -> usize {
        self.inputs.peak() + self.outputs.peak() + self.windows.peak()
    }
}

/// Unwraps the input error from the channel error.
fn input_error(error: StreamError) -> BoxError {
    match error {
        StreamError::Failed(cause) => cause,
        StreamError::Aborted => "the read thread panicked".into(),
    }
}
