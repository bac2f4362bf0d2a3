//! Handles to accepted work.

use super::oneshot::Receiver;
use crate::{
    error::{Classification, Classify, ErrorKind},
    sync::{Arc, AtomicBool, Ordering},
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// A future for the result of accepted work.
///
/// **Dropping it cancels the work.** Queued work never runs and frees its slot at
/// once. Running work can check its [`Cancellation`]; it occupies its thread until it
/// returns.
///
/// ```
/// use futures::executor::block_on;
/// use highwater::scale::{Pool, PoolOptions, WorkError};
///
/// let pool = Pool::new(PoolOptions::new(2), |work| drop(std::thread::spawn(|| work.run())));
/// let sum = pool.try_run(|_| 1 + 1).unwrap();
/// let bug = pool.try_run(|_| -> u32 { panic!("out of cheese") }).unwrap();
/// assert_eq!(block_on(sum), Ok(2));
/// assert_eq!(block_on(bug), Err(WorkError::Panicked { message: "out of cheese".into() }));
/// ```
#[must_use = "dropping a ticket cancels its work"]
pub struct Ticket<T> {
    result: Receiver<Result<T, WorkError>>,
    pending: Option<PendingWork>,
}

/// The handle that cancels work that has not finished.
struct PendingWork {
    number: u64,
    cancellation: Cancellation,
    admission: Arc<dyn Cancel>,
}

/// Cancels queued work.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self, number: u64);
}

impl<T> Ticket<T> {
    pub(crate) fn new(
        result: Receiver<Result<T, WorkError>>,
        cancellation: Cancellation,
        (number, admission): (u64, Arc<dyn Cancel>),
    ) -> Self {
        let pending = PendingWork {
            number,
            cancellation,
            admission,
        };
        Ticket {
            result,
            pending: Some(pending),
        }
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, WorkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = self.result.poll(context);
        if result.is_ready() {
            self.pending = None;
        }
        result.map(|result| result.unwrap_or(Err(WorkError::Lost)))
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            pending.cancellation.0.store(true, Ordering::Relaxed);
            pending.admission.cancel(pending.number);
        }
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// Lets work check whether its [`Ticket`] was dropped.
///
/// A running thread cannot be interrupted, so long-running work should check this
/// from time to time and return early. Clones share the same state.
///
/// ```
/// use highwater::scale::{Pool, PoolOptions};
///
/// let pool = Pool::new(PoolOptions::new(1), |work| drop(std::thread::spawn(|| work.run())));
/// // Would run forever.
/// let ticket = pool.try_run(|cancellation| while !cancellation.is_cancelled() {});
/// drop(ticket);
/// while pool.stats().running > 0 {
///     std::thread::yield_now();
/// }
/// assert_eq!(pool.stats().cancelled, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    pub(crate) fn new() -> Self {
        Cancellation(Arc::new(AtomicBool::new(false)))
    }

    /// Returns whether the ticket was dropped. Once true, it stays true.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
    /// let ticket = pool.try_run(|cancellation| cancellation.is_cancelled()).unwrap();
    /// assert_eq!(futures::executor::block_on(ticket), Ok(false));
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The reason why accepted work has no result.
///
/// ```
/// use highwater::{error::AppError, scale::WorkError};
///
/// let bug = WorkError::Panicked { message: "out of cheese".into() };
/// assert!(bug.is_panic() && AppError::from(bug).is_bug());
/// assert!(AppError::from(WorkError::Lost).is_operational());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The work panicked, which is a bug. Its thread continues with other work.
    #[error("the work panicked: {message}")]
    Panicked {
        /// The panic message.
        message: String,
    },
    /// The work was dropped instead of run: the threads are shutting down, or the pool's
    /// `execute` function panicked.
    #[error("the work was dropped before it ran")]
    Lost,
}

impl WorkError {
    /// Returns whether the work panicked.
    ///
    /// ```
    /// assert!(!highwater::scale::WorkError::Lost.is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self, WorkError::Panicked { .. })
    }

    /// Returns whether the work was dropped before it ran.
    ///
    /// ```
    /// assert!(highwater::scale::WorkError::Lost.is_lost());
    /// ```
    pub fn is_lost(&self) -> bool {
        matches!(self, WorkError::Lost)
    }
}

/// A panic is a [`Bug`](ErrorKind::Bug). Lost work is
/// [`Cancelled`](ErrorKind::Cancelled).
impl Classify for WorkError {
    fn classify(&self) -> Classification {
        match self {
            WorkError::Panicked { .. } => ErrorKind::Bug.into(),
            WorkError::Lost => ErrorKind::Cancelled.into(),
        }
    }
}
