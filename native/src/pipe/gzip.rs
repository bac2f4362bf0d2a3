//! Compressing, in blocks and in parallel.

use super::buffers::{Buffers, Chunk};
use libdeflater::{CompressionError, CompressionLvl, Compressor};
use std::{cell::RefCell, future::Future, io, sync::Arc, thread};
use tokio::sync::oneshot;

/// How many bytes make a member. A block knows nothing of the one before it:
/// of twice this size they would compress 0.4 % better, and take twice the
/// memory.
pub(crate) const BLOCK: usize = 512 * 1024;

const LEVEL: i32 = 6;

/// Compresses blocks on a thread pool, each to a member of its own: a gzip file
/// is any number of members, one after the other.
///
/// Members know nothing of each other, so that they can be made in parallel by
/// a library that is quicker than those which make a single one of many parts.
/// They have no name and no time: the same input gives the same output.
pub(crate) struct Gzip {
    pool: rayon::ThreadPool,
    outputs: Arc<Buffers>,
}

/// Why a block was not compressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GzipError {
    /// The library refused.
    #[error(transparent)]
    Compress(#[from] CompressionError),
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

/// How long a member gets at most if its block cannot be compressed.
pub(crate) fn longest_member(block: usize) -> usize {
    Compressor::new(level()).gzip_compress_bound(block)
}

impl Gzip {
    /// Starts a thread for every core. Outputs have to hold the
    /// [longest member](longest_member).
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

    /// Starts to compress a block, and answers with its member.
    ///
    /// Dropped, the future does not stop the job, which takes some
    /// milliseconds.
    pub(crate) fn compress(
        &self,
        block: Chunk,
    ) -> impl Future<Output = Result<Chunk, GzipError>> + use<> {
        let output = self.outputs.take();
        let (send_member, member) = oneshot::channel();
        self.pool.spawn(move || {
            let _nobody_waits = send_member.send(compress(&block, output));
        });
        async {
            let member = member.await.map_err(|_| GzipError::Died)?;
            member.map_err(GzipError::from)
        }
    }
}

fn compress(block: &[u8], mut output: Chunk) -> Result<Chunk, CompressionError> {
    thread_local! {
        // Its tables are as large as a block.
        static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(level()));
    }
    let len =
        COMPRESSOR.with_borrow_mut(|compressor| compressor.gzip_compress(block, output.room()))?;
    output.advance(len);
    Ok(output)
}

fn level() -> CompressionLvl {
    CompressionLvl::new(LEVEL).unwrap_or_default()
}
