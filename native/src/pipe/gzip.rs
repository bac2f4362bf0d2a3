//! Parallel gzip compression in blocks.
//!
//! All blocks form one gzip member, or with `--members` one member each. In a shared
//! member, a block can refer to the 32 KiB before it and ends on a byte boundary (a sync
//! flush). The checksum in the trailer combines the checksums of the blocks.

use super::buffers::{BufferPool, Chunk};
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};
use highwater::stream::{Stage, Weigh};
use libdeflater::{CompressionError, CompressionLvl, Compressor};
use std::{cell::RefCell, convert::Infallible, future::Future, io, sync::Arc, thread};
use tokio::sync::oneshot;

/// The size of a block, in bytes. With blocks of half this size, a quarter of the work
/// would be loading the window before each block.
pub(crate) const BLOCK_BYTES: usize = 512 * 1024;

/// The number of bytes before a block that deflate can refer to.
pub(crate) const WINDOW_BYTES: usize = 32 * 1024;

/// The level of [`Effort::Quick`]. On most text, its output is as small as GNU gzip's
/// default output.
const QUICK_LEVEL: u32 = 6;

/// The level of [`Effort::Thorough`]. This is the library's only level that finds
/// three-byte repetitions, which matter in binary data and tables of numbers. At the
/// quick level, little-endian integers become 70 % larger than with GNU gzip.
const THOROUGH_LEVEL: u32 = 9;

/// The maximum size of an input that is compressed at both levels, in bytes.
const SMALL_INPUT_BYTES: usize = 64 * 1024;

/// The size of the sample that is compressed at both levels to choose one, in bytes.
const SAMPLE_BYTES: usize = 8 * 1024;

/// The compression ratio above which a block is compressed at both levels, because the
/// quick level truncates long repetitions.
const REPETITIVE_RATIO: usize = 16;

/// The thorough level is used if it saves more than one part in `MIN_SAVING_DIVISOR`.
const MIN_SAVING_DIVISOR: usize = 512;

/// The gzip header: deflate, no name, no time, unknown system. It is constant, so the
/// output depends only on the input.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The length of the trailer (checksum and length), in bytes.
const TRAILER_BYTES: usize = 8;

/// The maximum length of a stored (uncompressed) deflate block, in bytes.
const MAX_STORED_BYTES: usize = 0xffff;

/// The length of the header of a stored block, in bytes.
const STORED_HEADER_BYTES: usize = 5;

/// Compresses blocks on a thread pool.
pub(crate) struct Gzip {
    pool: rayon::ThreadPool,
    outputs: Arc<BufferPool>,
}

/// A block of a shared member, with all inputs of its compression.
pub(crate) struct Block {
    bytes: Chunk,
    /// The bytes before the block that it can refer to.
    window: Chunk,
    is_first: bool,
    is_last: bool,
}

/// A compressed [`Block`].
pub(crate) struct CompressedBlock {
    bytes: Chunk,
    /// The checksum and length of the uncompressed bytes.
    crc: Crc,
    is_last: bool,
}

/// A stage that turns chunks into [`Block`]s. It holds back one chunk so that it can mark
/// the last block.
pub(crate) struct BlockStage {
    windows: Arc<BufferPool>,
    window: Chunk,
    pending: Option<Chunk>,
    block: Option<Block>,
    is_first: bool,
}

/// A compression error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GzipError {
    /// The library failed to compress a member.
    #[error(transparent)]
    Member(#[from] CompressionError),
    /// The library failed to compress a block.
    #[error(transparent)]
    Block(#[from] CompressError),
    /// The job panicked. The panic hook has printed the panic.
    #[error("a compression thread panicked")]
    Panicked,
}

/// Returns the default high-water mark: three blocks per core (one in progress, two
/// queued), up to 8 MiB.
pub(crate) fn default_high_water() -> usize {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    (3 * cores * BLOCK_BYTES).min(8 * 1024 * 1024)
}

/// Returns the maximum output length for a block, including header and trailer, in bytes.
pub(crate) fn max_output_len(block: usize) -> usize {
    let block_len = HEADER.len() + stored_len(block) + TRAILER_BYTES;
    block_len.max(Compressor::new(member_level()).gzip_compress_bound(block))
}

impl Gzip {
    /// Starts one thread per core. The buffers of `outputs` must fit the [longest
    /// output](max_output_len).
    ///
    /// # Errors
    ///
    /// If the threads cannot be started.
    pub(crate) fn start(outputs: Arc<BufferPool>) -> io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("gzip {index}"))
            // Without a handler, a panic would abort the process and leave the temporary
            // file behind. The job's future reports the panic.
            .panic_handler(|_| {})
            .build()
            .map_err(io::Error::other)?;
        Ok(Gzip { pool, outputs })
    }

    /// Compresses a block of a shared member.
    ///
    /// Dropping the future does not stop the job, which takes a few milliseconds.
    pub(crate) fn compress_block(
        &self,
        block: Block,
    ) -> impl Future<Output = Result<CompressedBlock, GzipError>> + use<> {
        self.compress(move |output| Ok(deflate_block(&block, output)?))
    }

    /// Compresses a block as its own member. Dropping the future does not stop the job.
    pub(crate) fn compress_member(
        &self,
        block: Chunk,
    ) -> impl Future<Output = Result<Chunk, GzipError>> + use<> {
        self.compress(move |output| Ok(gzip_member(&block, output)?))
    }

    fn compress<T, F>(&self, compress: F) -> impl Future<Output = Result<T, GzipError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(Chunk) -> Result<T, GzipError> + Send + 'static,
    {
        let output = self.outputs.take();
        let (sender, result) = oneshot::channel();
        self.pool.spawn(move || {
            // The receiver is gone if the run has failed.
            let _ = sender.send(compress(output));
        });
        async { result.await.map_err(|_| GzipError::Panicked)? }
    }
}

/// Returns a function that takes the compressed blocks of a member in order, and appends
/// the trailer to the last one.
pub(crate) fn append_trailer() -> impl FnMut(CompressedBlock) -> Chunk {
    let mut total = Crc::new();
    move |mut block| {
        total.combine(&block.crc);
        if block.is_last {
            block.bytes.extend(&total.sum().to_le_bytes());
            block.bytes.extend(&total.amount().to_le_bytes());
        }
        block.bytes
    }
}

impl BlockStage {
    /// Creates the stage. The buffers for windows come from `windows`.
    pub(crate) fn new(windows: Arc<BufferPool>) -> Self {
        BlockStage {
            window: windows.take(),
            windows,
            pending: None,
            block: None,
            is_first: true,
        }
    }

    fn block(&mut self, bytes: Chunk, is_last: bool) -> Block {
        let mut next = self.windows.take();
        let from_bytes = bytes.len().min(WINDOW_BYTES);
        let from_window = self.window.len().min(WINDOW_BYTES - from_bytes);
        next.extend(&self.window[self.window.len() - from_window..]);
        next.extend(&bytes[bytes.len() - from_bytes..]);
        Block {
            bytes,
            window: std::mem::replace(&mut self.window, next),
            is_first: std::mem::take(&mut self.is_first),
            is_last,
        }
    }
}

impl Stage<Chunk> for BlockStage {
    type Output = Block;
    type Error = Infallible;

    fn push(&mut self, chunk: Chunk) -> Result<(), Infallible> {
        if let Some(pending) = self.pending.replace(chunk) {
            self.block = Some(self.block(pending, false));
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Block>, Infallible> {
        Ok(self.block.take())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        if let Some(pending) = self.pending.take() {
            self.block = Some(self.block(pending, true));
        }
        Ok(())
    }

    fn held_weight(&self) -> usize {
        self.pending.as_ref().map_or(0, Weigh::weight)
    }
}

impl Weigh for Block {
    fn weight(&self) -> usize {
        self.bytes.weight()
    }
}

impl Weigh for CompressedBlock {
    fn weight(&self) -> usize {
        self.bytes.weight()
    }
}

/// The effort spent on finding repetitions.
#[derive(Clone, Copy)]
enum Effort {
    Quick,
    Thorough,
}

/// A compressor for each level, and an output buffer for samples.
struct Encoders {
    quick: Compress,
    thorough: Compress,
    sample_output: Box<[u8]>,
}

impl Encoders {
    fn new() -> Self {
        let encoder = |level| Compress::new(Compression::new(level), false);
        Encoders {
            quick: encoder(QUICK_LEVEL),
            thorough: encoder(THOROUGH_LEVEL),
            sample_output: vec![0; stored_len(SMALL_INPUT_BYTES)].into(),
        }
    }

    /// Chooses the level based on the content of the block and a compressed sample.
    fn choose_effort(&mut self, block: &Block) -> Result<Effort, CompressError> {
        let bytes = &*block.bytes;
        let is_small = block.is_first && block.is_last && bytes.len() <= SMALL_INPUT_BYTES;
        let is_thorough_better = if is_small {
            let (quick, thorough) = self.compressed_lengths(bytes, 0, bytes.len())?;
            thorough < quick
        } else if has_short_repetitions(bytes) {
            let start = bytes.len().saturating_sub(SAMPLE_BYTES) / 2;
            let end = bytes.len().min(start + SAMPLE_BYTES);
            let (quick, thorough) = self.compressed_lengths(bytes, start, end)?;
            thorough < quick - quick / MIN_SAVING_DIVISOR
        } else {
            false
        };
        Ok(if is_thorough_better {
            Effort::Thorough
        } else {
            Effort::Quick
        })
    }

    /// Returns the compressed length of a range of the bytes at each level.
    fn compressed_lengths(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
    ) -> Result<(usize, usize), CompressError> {
        let window = &bytes[start.saturating_sub(WINDOW_BYTES)..start];
        let mut len = |encoder| -> Result<usize, CompressError> {
            let len = deflate(
                encoder,
                window,
                &bytes[start..end],
                true,
                &mut self.sample_output,
            )?;
            Ok(len.unwrap_or(self.sample_output.len()))
        };
        Ok((len(&mut self.quick)?, len(&mut self.thorough)?))
    }
}

/// Returns whether the data is binary or mostly digits, where many repetitions can be too
/// short for the quick level.
fn has_short_repetitions(bytes: &[u8]) -> bool {
    // The escape character is not counted, because coloured logs contain it.
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=26 | 28..=31);
    let controls = bytes.iter().filter(is_control).count();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    controls > bytes.len() / 256 || digits > bytes.len() / 5 * 2
}

fn deflate_block(block: &Block, mut output: Chunk) -> Result<CompressedBlock, CompressError> {
    thread_local! {
        // Reused, because their tables are as large as a block.
        static ENCODERS: RefCell<Encoders> = RefCell::new(Encoders::new());
    }
    if block.is_first {
        output.extend(&HEADER);
    }
    let max_len = stored_len(block.bytes.len());
    let len = ENCODERS.with_borrow_mut(|encoders| {
        let output_space = &mut output.unfilled()[..max_len];
        let mut deflate = |encoder: &mut Compress| {
            deflate(
                encoder,
                &block.window,
                &block.bytes,
                block.is_last,
                output_space,
            )
        };
        if let Effort::Thorough = encoders.choose_effort(block)? {
            return deflate(&mut encoders.thorough);
        }
        let quick = deflate(&mut encoders.quick)?;
        let is_repetitive = quick.is_some_and(|len| len < block.bytes.len() / REPETITIVE_RATIO);
        if !is_repetitive {
            return Ok(quick);
        }
        // Both levels are fast on repetitive data.
        let thorough = deflate(&mut encoders.thorough)?;
        if thorough.is_some() && thorough <= quick {
            return Ok(thorough);
        }
        deflate(&mut encoders.quick)
    })?;
    match len {
        Some(len) => output.advance(len),
        None => store(&block.bytes, block.is_last, &mut output),
    }
    let mut crc = Crc::new();
    crc.update(&block.bytes);
    Ok(CompressedBlock {
        bytes: output,
        crc,
        is_last: block.is_last,
    })
}

/// Compresses into `output_space`. Returns the compressed length, or `None` if the space
/// is too small.
fn deflate(
    encoder: &mut Compress,
    window: &[u8],
    bytes: &[u8],
    is_last: bool,
    output_space: &mut [u8],
) -> Result<Option<usize>, CompressError> {
    encoder.reset();
    if !window.is_empty() {
        encoder.set_dictionary(window)?;
    }
    let flush = if is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let status = encoder.compress(bytes, output_space, flush)?;
    let len = usize::try_from(encoder.total_out()).unwrap_or(usize::MAX);
    // A sync flush is complete only if output space is left.
    let is_complete = match flush {
        FlushCompress::Finish => status == Status::StreamEnd,
        _ => len < output_space.len() && encoder.total_in() == bytes.len() as u64,
    };
    Ok(is_complete.then_some(len))
}

/// Returns the output length of [`store`], in bytes.
fn stored_len(bytes: usize) -> usize {
    bytes + STORED_HEADER_BYTES * bytes.div_ceil(MAX_STORED_BYTES).max(1)
}

/// Writes the bytes as stored (uncompressed) deflate blocks.
fn store(bytes: &[u8], is_last: bool, output: &mut Chunk) {
    let mut rest = bytes;
    loop {
        let (stored, remaining) = rest.split_at(rest.len().min(MAX_STORED_BYTES));
        let is_final = is_last && remaining.is_empty();
        let [low, high] = u16::try_from(stored.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes();
        output.extend(&[u8::from(is_final), low, high, !low, !high]);
        output.extend(stored);
        rest = remaining;
        if rest.is_empty() {
            return;
        }
    }
}

fn gzip_member(block: &[u8], mut output: Chunk) -> Result<Chunk, CompressionError> {
    thread_local! {
        // Reused, because its tables are as large as a block.
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(member_level()));
    }
    let len = COMPRESSOR
        .with_borrow_mut(|compressor| compressor.gzip_compress(block, output.unfilled()))?;
    output.advance(len);
    Ok(output)
}

fn member_level() -> CompressionLvl {
    CompressionLvl::new(6).unwrap_or_default()
}
