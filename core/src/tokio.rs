//! The patterns on tokio: its clock and timer, lag monitoring, and thread pools.
//!
//! The rest of the library takes a [`Clock`](crate::Clock) and a sleep function, so
//! that it also runs in simulated time. With tokio, pass [`TokioClock`] and
//! [`tokio::time::sleep`]:
//!
//! ```
//! use highwater::{
//!     error::{AppError, Breaker, RetryPolicy},
//!     tokio::TokioClock,
//! };
//! use std::time::Duration;
//! use tokio::time::{sleep, timeout};
//!
//! struct Stock {
//!     retry: RetryPolicy,
//!     breaker: Breaker,
//! }
//!
//! impl Stock {
//!     async fn level(&self, id: u64) -> Result<u32, AppError> {
//!         let request = async || timeout(Duration::from_secs(1), request_level(id)).await?;
//!         let request = || self.breaker.call(&TokioClock, request);
//!         self.retry.run(&TokioClock, sleep, request).await
//!     }
//! }
//!
//! # async fn request_level(_: u64) -> Result<u32, AppError> { Ok(7) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), AppError> {
//! let stock = Stock {
//!     retry: RetryPolicy::new(),
//!     breaker: Breaker::new("stock"),
//! };
//! assert_eq!(stock.level(1).await?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! | item | purpose |
//! |---|---|
//! | [`TokioClock`] | the clock of retries, breakers, metrics, pools, streams and recorders |
//! | [`LagTask`], [`monitor_lag`] | event-loop lag, measured by a task |
//! | [`blocking_pool`] | a [`Pool`](crate::scale::Pool) on tokio's blocking threads |
#![cfg_attr(
    feature = "rayon",
    doc = "| [`rayon_pool`] | a [`Pool`](crate::scale::Pool) on rayon's threads |"
)]
//!
//! An [`Elapsed`](::tokio::time::error::Elapsed) timeout and a
//! [`JoinError`](::tokio::task::JoinError) convert to
//! [`AppError`](crate::error::AppError), so `?` works on `timeout(…).await` and on a
//! join handle. Everything here follows
//! [`tokio::time::pause`](https://docs.rs/tokio/latest/tokio/time/fn.pause.html), so
//! tests need not wait.

mod clock;
mod lag;
mod pool;

pub use clock::TokioClock;
pub use lag::{LagTask, monitor_lag};
pub use pool::blocking_pool;
#[cfg(feature = "rayon")]
pub use pool::rayon_pool;
