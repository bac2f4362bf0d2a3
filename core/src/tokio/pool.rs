//! Pools on the threads of tokio and rayon.

use super::TokioClock;
use crate::scale::{Pool, PoolOptions};
use ::tokio::runtime::Handle;

/// Creates a pool on the blocking threads of the current runtime.
///
/// Use it for calls that block, such as those of a database driver without async
/// support. For CPU work, allow as many threads as there are cores, or use a pool on
/// rayon (feature `rayon`). The pool measures its work with [`TokioClock`], unless the
/// options contain another clock.
///
/// The runtime starts at most
/// [512](https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.max_blocking_threads)
/// blocking threads. Beyond that, work waits in the runtime's own queue. Work that has
/// not started when the runtime shuts down is [lost](crate::scale::WorkError::Lost).
///
/// ```
/// use highwater::{error::AppError, scale::PoolOptions, tokio::blocking_pool};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AppError> {
/// let pool = blocking_pool(PoolOptions::new(2).waiting(64));
/// let sum = pool.try_run(|_| (1..=1000_u64).sum::<u64>())?.await?;
/// assert_eq!(sum, 500_500);
/// assert_eq!(pool.latencies().ran.count(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If it is called outside a tokio runtime.
#[must_use]
pub fn blocking_pool(options: PoolOptions) -> Pool {
    let runtime = Handle::current();
    Pool::new(options.default_clock(TokioClock), move |work| {
        runtime.spawn_blocking(|| work.run());
    })
}

/// Creates a pool for CPU work on rayon's global thread pool, which has one thread per
/// core.
///
/// More running work than rayon has threads waits in rayon's own queue. The pool
/// measures its work with [`TokioClock`], unless the options contain another clock.
/// Works outside a tokio runtime, too.
///
/// ```
/// use highwater::{error::AppError, scale::PoolOptions, tokio::rayon_pool};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AppError> {
/// let pool = rayon_pool(PoolOptions::new(2).waiting(64));
/// let sum = pool.try_run(|_| (1..=1000_u64).sum::<u64>())?.await?;
/// assert_eq!(sum, 500_500);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "rayon")]
#[must_use]
pub fn rayon_pool(options: PoolOptions) -> Pool {
    Pool::new(options.default_clock(TokioClock), |work| {
        rayon::spawn(|| work.run());
    })
}
