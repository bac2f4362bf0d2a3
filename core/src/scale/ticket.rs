//! What somebody holds who has had work accepted.

use crate::{
    error::{Classification, Classify, ErrorKind},
    sync::{Arc, AtomicBool, Ordering},
};
use futures::channel::oneshot;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The result of accepted work, to be awaited.
///
/// **Dropped, it cancels the work**: what waits never runs and gives its place to
/// others at once; what runs is told by its [`Cancellation`], and keeps its
/// thread until it ends.
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
    result: oneshot::Receiver<Result<T, WorkError>>,
    pending: Option<PendingWork>,
}

/// The way to work that is under way.
struct PendingWork {
    number: u64,
    cancellation: Cancellation,
    admission: Arc<dyn Cancel>,
}

/// Cancels work that waits.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self, number: u64);
}

impl<W: Send> Cancel for super::admission::AdmissionQueue<W> {
    fn cancel(&self, number: u64) {
        // Dropped outside the lock.
        drop(super::admission::AdmissionQueue::cancel(self, number));
    }
}

impl<T> Ticket<T> {
    pub(crate) fn new(
        result: oneshot::Receiver<Result<T, WorkError>>,
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
        let result = Pin::new(&mut self.result).poll(context);
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

/// Tells work that nobody waits for it any more.
///
/// Work that takes long asks now and then, and comes to its end: a thread cannot
/// be taken away from what runs on it. Clones tell the same.
///
/// ```
/// use highwater::scale::{Job, Pool, PoolOptions};
///
/// let pool = Pool::new(PoolOptions::new(1), |work| drop(std::thread::spawn(|| work.run())));
/// // Centuries.
/// let ticket = pool.try_run(|cancellation| Job::Fib(90).run_until(|| cancellation.is_cancelled()));
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

    /// Whether the ticket was dropped. It stays so.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
    /// let asked = pool.try_run(|cancellation| cancellation.is_cancelled()).unwrap();
    /// assert_eq!(futures::executor::block_on(asked), Ok(false));
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why accepted work has no result.
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
    /// It panicked: it has a bug. Its thread goes on with the next.
    #[error("the work panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// Whoever was to run it dropped it: the threads are shutting down.
    #[error("the work was dropped by the threads that were to do it")]
    Lost,
}

impl WorkError {
    /// Whether the work has a bug.
    ///
    /// ```
    /// assert!(!highwater::scale::WorkError::Lost.is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self, WorkError::Panicked { .. })
    }

    /// Whether it never came to its turn.
    ///
    /// ```
    /// assert!(highwater::scale::WorkError::Lost.is_lost());
    /// ```
    pub fn is_lost(&self) -> bool {
        matches!(self, WorkError::Lost)
    }
}

/// A panic is a [`Bug`](ErrorKind::Bug), wherever it was. What was dropped was given up
/// by somebody: [`Cancelled`](ErrorKind::Cancelled).
impl Classify for WorkError {
    fn classify(&self) -> Classification {
        match self {
            WorkError::Panicked { .. } => ErrorKind::Bug.into(),
            WorkError::Lost => ErrorKind::Cancelled.into(),
        }
    }
}
