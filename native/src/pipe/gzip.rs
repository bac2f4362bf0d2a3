//! Compressing, in blocks and in parallel.
//!
//! Blocks become one gzip member, or with `--members` a member each. Within one
//! member, a block may refer to the 32 KiB before it, ends at a byte's boundary
//! (a sync flush) and is followed by the next; the trailer's checksum is combined
//! from those of the blocks.

use super::buffers::{Buffers, Chunk};
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};
use highwater::stream::{Stage, Weigh};
use libdeflater::{CompressionError, CompressionLvl, Compressor};
use std::{cell::RefCell, convert::Infallible, future::Future, io, sync::Arc, thread};
use tokio::sync::oneshot;

/// How many bytes are compressed at a time. With half of it, a quarter of the
/// work would be to take in the bytes before each block.
pub(crate) const BLOCK: usize = 512 * 1024;

/// How far back deflate can refer.
pub(crate) const WINDOW: usize = 32 * 1024;

/// The level of [`Effort::Quick`]. On most text its output is as small as what
/// GNU gzip makes by default.
const QUICK: u32 = 6;

/// The level of [`Effort::Thorough`]. It is the only one of the library that finds
/// repetitions of three bytes, which matter in binary data and tables of numbers: at
/// the other one, little-endian integers come out 70 % larger than from GNU gzip.
const THOROUGH: u32 = 9;

/// An input up to this many bytes is compressed at both levels.
const SMALL: usize = 64 * 1024;

/// How many bytes of a block are tried at both levels.
const SAMPLE: usize = 8 * 1024;

/// A block that becomes smaller than by this factor is compressed at both levels: the
/// quick one cuts long repetitions short.
const REPETITIVE: usize = 16;

/// Takes the thorough level if it makes the sample this much smaller: one part in
/// so many.
const WORTHWHILE: usize = 512;

/// Deflate, no name, no time, any system: the same input gives the same output.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A checksum and a length.
const TRAILER: usize = 8;

/// The most bytes that deflate can hold as they are in one piece, and what such a
/// piece has in front.
const STORED: usize = 0xffff;
const STORED_HEADER: usize = 5;

/// Compresses blocks on a thread pool.
pub(crate) struct Gzip {
    pool: rayon::ThreadPool,
    outputs: Arc<Buffers>,
}

/// A block of a member, and everything its compression depends on.
pub(crate) struct Block {
    bytes: Chunk,
    /// The bytes before it, as far back as it may refer.
    window: Chunk,
    is_first: bool,
    is_last: bool,
}

/// A compressed [`Block`].
pub(crate) struct CompressedBlock {
    bytes: Chunk,
    /// The checksum and the length of what was compressed.
    crc: Crc,
    is_last: bool,
}

/// A stage that makes [`Block`]s of chunks. It keeps one chunk back until it is
/// known whether that is the last.
pub(crate) struct Blocks {
    windows: Arc<Buffers>,
    window: Chunk,
    kept: Option<Chunk>,
    block: Option<Block>,
    is_first: bool,
}

/// Why a block was not compressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GzipError {
    /// The library refused to compress a member.
    #[error(transparent)]
    Member(#[from] CompressionError),
    /// The library refused to compress a block.
    #[error(transparent)]
    Block(#[from] CompressError),
    /// The job panicked, which has been printed.
    #[error("a thread that compresses has died")]
    Died,
}

/// Enough for each core to have a block in work while two wait for others;
/// no more than what keeps memory within bounds on large machines.
pub(crate) fn default_high_water() -> usize {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    (3 * cores * BLOCK).min(8 * 1024 * 1024)
}

/// The most bytes that a compressed block takes, with all that can be around it.
pub(crate) fn longest_output(block: usize) -> usize {
    let part = HEADER.len() + stored_len(block) + TRAILER;
    part.max(Compressor::new(member_level()).gzip_compress_bound(block))
}

impl Gzip {
    /// Starts a thread for every core. Outputs have to hold the
    /// [longest output](longest_output).
    ///
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(crate) fn start(outputs: Arc<Buffers>) -> io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("gzip {index}"))
            // Without one, a panic would abort the process, and the file that
            // is half written would stay. The job's future tells of it.
            .panic_handler(|_| {})
            .build()
            .map_err(io::Error::other)?;
        Ok(Gzip { pool, outputs })
    }

    /// Starts to compress a block to a part of a member.
    ///
    /// Dropped, the future does not stop the job, which takes some
    /// milliseconds.
    pub(crate) fn compress_block(
        &self,
        block: Block,
    ) -> impl Future<Output = Result<CompressedBlock, GzipError>> + use<> {
        self.compress(move |output| Ok(deflate_block(&block, output)?))
    }

    /// Starts to compress a block to a member of its own. As with
    /// [`compress_block`](Self::compress_block), the job runs to its end.
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
        let (send_result, result) = oneshot::channel();
        self.pool.spawn(move || {
            let _nobody_waits = send_result.send(compress(output));
        });
        async { result.await.map_err(|_| GzipError::Died)? }
    }
}

/// Returns a function that makes a member's bytes of its parts, in order: it puts
/// the trailer behind the last one.
pub(crate) fn concatenate() -> impl FnMut(CompressedBlock) -> Chunk {
    let mut total = Crc::new();
    move |mut part| {
        total.combine(&part.crc);
        if part.is_last {
            part.bytes.extend(&total.sum().to_le_bytes());
            part.bytes.extend(&total.amount().to_le_bytes());
        }
        part.bytes
    }
}

impl Blocks {
    /// `windows` is where the memory for copies of the last bytes of blocks comes
    /// from, [`WINDOW`] each.
    pub(crate) fn new(windows: Arc<Buffers>) -> Self {
        Blocks {
            window: windows.take(),
            windows,
            kept: None,
            block: None,
            is_first: true,
        }
    }

    fn block(&mut self, bytes: Chunk, is_last: bool) -> Block {
        let mut next = self.windows.take();
        let from_bytes = bytes.len().min(WINDOW);
        let from_window = self.window.len().min(WINDOW - from_bytes);
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

impl Stage<Chunk> for Blocks {
    type Output = Block;
    type Error = Infallible;

    fn push(&mut self, chunk: Chunk) -> Result<(), Infallible> {
        if let Some(kept) = self.kept.replace(chunk) {
            self.block = Some(self.block(kept, false));
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Block>, Infallible> {
        Ok(self.block.take())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        if let Some(kept) = self.kept.take() {
            self.block = Some(self.block(kept, true));
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.kept.as_ref().map_or(0, Weigh::weight)
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

/// How hard to look for repetitions.
#[derive(Clone, Copy)]
enum Effort {
    Quick,
    Thorough,
}

/// A compressor for each level, and room for a compressed sample.
struct Encoders {
    quick: Compress,
    thorough: Compress,
    sample: Box<[u8]>,
}

impl Encoders {
    fn new() -> Self {
        let encoder = |level| Compress::new(Compression::new(level), false);
        Encoders {
            quick: encoder(QUICK),
            thorough: encoder(THOROUGH),
            sample: vec![0; stored_len(SMALL)].into(),
        }
    }

    /// Chooses the level by what is in the block, and by trying it.
    fn choose(&mut self, block: &Block) -> Result<Effort, CompressError> {
        let bytes = &*block.bytes;
        let is_small = block.is_first && block.is_last && bytes.len() <= SMALL;
        let is_better = if is_small {
            let (quick, thorough) = self.try_both(bytes, 0, bytes.len())?;
            thorough < quick
        } else if has_short_repetitions(bytes) {
            let start = bytes.len().saturating_sub(SAMPLE) / 2;
            let end = bytes.len().min(start + SAMPLE);
            let (quick, thorough) = self.try_both(bytes, start, end)?;
            thorough < quick - quick / WORTHWHILE
        } else {
            false
        };
        Ok(if is_better {
            Effort::Thorough
        } else {
            Effort::Quick
        })
    }

    /// Returns how long some of the bytes get at each level, with those before them.
    fn try_both(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
    ) -> Result<(usize, usize), CompressError> {
        let window = &bytes[start.saturating_sub(WINDOW)..start];
        let mut len = |encoder| -> Result<usize, CompressError> {
            let len = deflate(encoder, window, &bytes[start..end], true, &mut self.sample)?;
            Ok(len.unwrap_or(self.sample.len()))
        };
        Ok((len(&mut self.quick)?, len(&mut self.thorough)?))
    }
}

/// Whether bytes are binary or mostly numbers, so that many repetitions may be
/// shorter than the quick level finds.
fn has_short_repetitions(bytes: &[u8]) -> bool {
    // Apart from the escape character, of coloured logs.
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=26 | 28..=31);
    let controls = bytes.iter().filter(is_control).count();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    controls > bytes.len() / 256 || digits > bytes.len() / 5 * 2
}

fn deflate_block(block: &Block, mut output: Chunk) -> Result<CompressedBlock, CompressError> {
    thread_local! {
        // Their tables are as large as a block.
        static ENCODERS: RefCell<Encoders> = RefCell::new(Encoders::new());
    }
    if block.is_first {
        output.extend(&HEADER);
    }
    let longest = stored_len(block.bytes.len());
    let len = ENCODERS.with_borrow_mut(|encoders| {
        let room = &mut output.room()[..longest];
        let mut deflate = |encoder: &mut Compress| {
            deflate(encoder, &block.window, &block.bytes, block.is_last, room)
        };
        if let Effort::Thorough = encoders.choose(block)? {
            return deflate(&mut encoders.thorough);
        }
        let quick = deflate(&mut encoders.quick)?;
        let is_repetitive = quick.is_some_and(|len| len < block.bytes.len() / REPETITIVE);
        if !is_repetitive {
            return Ok(quick);
        }
        // Both are quick at this.
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

/// Compresses into `room` and returns how many bytes that took, or `None` if there
/// is too little room.
fn deflate(
    encoder: &mut Compress,
    window: &[u8],
    bytes: &[u8],
    is_last: bool,
    room: &mut [u8],
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
    let status = encoder.compress(bytes, room, flush)?;
    let len = usize::try_from(encoder.total_out()).unwrap_or(usize::MAX);
    // A flush is complete if it leaves room.
    let is_complete = match flush {
        FlushCompress::Finish => status == Status::StreamEnd,
        _ => len < room.len() && encoder.total_in() == bytes.len() as u64,
    };
    Ok(is_complete.then_some(len))
}

/// How many bytes [`store`] makes.
fn stored_len(bytes: usize) -> usize {
    bytes + STORED_HEADER * bytes.div_ceil(STORED).max(1)
}

/// Writes bytes as they are: those that cannot be compressed.
fn store(bytes: &[u8], is_last: bool, output: &mut Chunk) {
    let mut rest = bytes;
    loop {
        let (piece, later) = rest.split_at(rest.len().min(STORED));
        let is_final = is_last && later.is_empty();
        let [low, high] = u16::try_from(piece.len()).unwrap_or(u16::MAX).to_le_bytes();
        output.extend(&[u8::from(is_final), low, high, !low, !high]);
        output.extend(piece);
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

fn gzip_member(block: &[u8], mut output: Chunk) -> Result<Chunk, CompressionError> {
    thread_local! {
        // Its tables are as large as a block.
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(member_level()));
    }
    let len =
        COMPRESSOR.with_borrow_mut(|compressor| compressor.gzip_compress(block, output.room()))?;
    output.advance(len);
    Ok(output)
}

fn member_level() -> CompressionLvl {
    CompressionLvl::new(6).unwrap_or_default()
}
