//! Compressing, in blocks and in parallel.

use super::buffers::{Buffers, Chunk};
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress};
use highwater::stream::{Stage, Weigh};
use std::{cell::RefCell, convert::Infallible, future::Future, io, sync::Arc};
use tokio::sync::oneshot;

/// How many bytes are compressed at a time. Smaller blocks would be compressed
/// less, larger ones would only take more memory.
pub(crate) const BLOCK: usize = 128 * 1024;

/// What blocks grow by where nothing can be compressed: a header for every
/// 16 KiB, and the empty block behind. Should it not do, a buffer grows.
pub(crate) const MARGIN: usize = 1024;

/// How far back a block may refer to: as far as the format allows.
const WINDOW: usize = 32 * 1024;

const LEVEL: Compression = Compression::new(6);

/// Compresses blocks on a thread pool.
///
/// A block starts with what came before it as its dictionary, and ends on a
/// byte: joined, all of them are one stream, as if it had been compressed in
/// one go.
pub(crate) struct Deflating {
    pool: rayon::ThreadPool,
    outputs: Arc<Buffers>,
    before: Option<Arc<Chunk>>,
}

/// A compressed block.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Chunk,
    /// Of the bytes before they were compressed.
    crc: Crc,
}

/// Why a block was not compressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeflateError {
    /// The library refused.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// The job panicked, which has been printed.
    #[error("a thread that compresses has died")]
    Died,
}

impl Deflating {
    /// Starts a thread for every core.
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
        Ok(Deflating {
            pool,
            outputs,
            before: None,
        })
    }

    /// Starts to compress the next block, and answers with what it becomes.
    ///
    /// Dropped, the future does not stop the job, which takes some
    /// milliseconds.
    pub(crate) fn deflate(
        &mut self,
        chunk: Chunk,
    ) -> impl Future<Output = Result<Block, DeflateError>> + use<> {
        let chunk = Arc::new(chunk);
        let before = self.before.replace(Arc::clone(&chunk));
        let output = self.outputs.take();
        let (send_block, block) = oneshot::channel();
        self.pool.spawn(move || {
            let dictionary = before.as_deref().map_or(&[][..], |before| before);
            let dictionary = &dictionary[dictionary.len().saturating_sub(WINDOW)..];
            let _nobody_waits = send_block.send(deflate(&chunk, dictionary, output));
        });
        async {
            block
                .await
                .map_err(|_| DeflateError::Died)?
                .map_err(DeflateError::from)
        }
    }
}

fn deflate(input: &[u8], dictionary: &[u8], mut output: Chunk) -> Result<Block, CompressError> {
    thread_local! {
        // Its tables are several times larger than a block.
        static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(LEVEL, false));
    }
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        if !dictionary.is_empty() {
            deflate.set_dictionary(dictionary)?;
        }
        let mut rest = input;
        loop {
            let (taken, given) = (deflate.total_in(), deflate.total_out());
            deflate.compress(rest, output.room(), FlushCompress::Sync)?;
            rest = &rest[within(deflate.total_in() - taken)..];
            output.advance(within(deflate.total_out() - given));
            // With room to spare, it has put out all it had.
            if rest.is_empty() && !output.room().is_empty() {
                break;
            }
            output.grow(MARGIN);
        }
        let mut crc = Crc::new();
        crc.update(input);
        Ok(Block { bytes: output, crc })
    })
}

/// A number of bytes in a buffer, which the library counts as `u64`.
fn within(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Weigh for Block {
    fn weight(&self) -> usize {
        self.bytes.weight()
    }
}

/// Joins blocks to a gzip file of one member: a header before them, the end
/// and the checksum behind.
#[derive(Debug)]
pub(crate) struct Member {
    outputs: Arc<Buffers>,
    has_begun: bool,
    crc: Crc,
    output: Option<Chunk>,
}

impl Member {
    /// `outputs` is where the header's and the end's memory come from.
    pub(crate) fn new(outputs: Arc<Buffers>) -> Self {
        Member {
            outputs,
            has_begun: false,
            crc: Crc::new(),
            output: None,
        }
    }

    fn chunk(&self, parts: &[&[u8]]) -> Chunk {
        let mut chunk = self.outputs.take();
        for part in parts {
            chunk.append(part);
        }
        chunk
    }
}

impl Stage<Block> for Member {
    type Output = Chunk;
    type Error = Infallible;

    fn push(&mut self, block: Block) -> Result<(), Infallible> {
        self.crc.combine(&block.crc);
        self.output = Some(block.bytes);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Chunk>, Infallible> {
        if !self.has_begun {
            self.has_begun = true;
            // Deflated; without a name or a time, so that the same input gives
            // the same output; by nobody knows which system.
            return Ok(Some(self.chunk(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]])));
        }
        Ok(self.output.take())
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        // A last block with nothing in it, since no other was said to be the
        // last; then the checksum, and the length modulo 2 to the 32.
        let crc = self.crc.sum().to_le_bytes();
        let len = self.crc.amount().to_le_bytes();
        self.output = Some(self.chunk(&[&[3, 0], &crc, &len]));
        Ok(())
    }
}
