//! A bounded queue in front of worker threads.

mod options;
mod rejected;
mod stats;

pub use options::PoolOptions;
pub use rejected::{QueueFull, Rejected};
pub use stats::{PoolLatencies, PoolStats};

use super::{
    admission::{AdmissionQueue, RunPermit, WhenFull, WorkOutcome},
    oneshot::{Sender, oneshot},
    ticket::{Cancel, Cancellation, Ticket, WorkError},
};
use crate::{
    Clock,
    panics::{catch_panic, panic_text},
    sync::{Arc, Mutex, lock},
};
use std::{fmt, mem, time::Duration};

/// Runs a limited amount of CPU work on threads and queues a bounded amount more.
///
/// The pool has no threads of its own. It passes each [`Work`] to a function that
/// runs it on a thread, such as `|work| rayon::spawn(|| work.run())`. With the features
/// `tokio` and `rayon`, the module `tokio` has pools on their threads. A clone is a handle
/// to the same pool.
///
/// - **Full**: [`try_run`](Self::try_run) returns the work in [`Rejected`], with an
///   estimate of when there will be room. Without a bound, waiting times would grow
///   without limit.
/// - **Panic**: the [`Ticket`] resolves to an error that counts as a bug, and the
///   thread continues with other work. Where a panic aborts the program, as in
///   WebAssembly, it does so here too.
/// - **Cancelled**: queued work whose ticket is dropped never runs.
/// - **Dropped**: the pool still runs all accepted work.
///
/// Work must not block on other work of the same pool. If all running work did so,
/// the pool would deadlock.
///
/// ```
/// use futures::executor::block_on;
/// use highwater::scale::{Pool, PoolOptions};
///
/// let pool = Pool::new(PoolOptions::new(2).waiting(100), |work| {
///     std::thread::spawn(|| work.run());
/// });
/// let tickets = [10, 20, 30].map(|last: u64| {
///     let sum_of_squares = move || (1..=last).map(|n| n * n).sum::<u64>();
///     pool.try_run(move |_| sum_of_squares()).expect("there is room")
/// });
/// let results = tickets.map(|ticket| block_on(ticket).unwrap());
/// assert_eq!(results, [385, 2_870, 9_455]);
/// assert_eq!(pool.stats().done, 3);
/// ```
#[derive(Clone)]
#[doc(alias = "ThreadPool")]
pub struct Pool(Arc<PoolInner>);

struct PoolInner {
    admission: Arc<AdmissionQueue<Box<dyn ErasedWork>>>,
    clock: Option<Arc<dyn Clock>>,
    latencies: Arc<Mutex<PoolLatencies>>,
}

impl Pool {
    /// Creates a pool that runs its work by calling `execute`. `execute` either
    /// passes the work to another thread and returns immediately, or runs it in place
    /// on the thread that called [`try_run`](Self::try_run).
    ///
    /// `execute` is called only while fewer than the maximum are running. Each
    /// [`Work`] then also runs queued work.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// // Runs on the thread of the caller, for example in tests.
    /// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
    /// let ticket = pool.try_run(|_| 1 + 1).unwrap();
    /// assert_eq!(pool.stats().done, 1);
    /// # drop(ticket);
    /// ```
    #[must_use]
    pub fn new(options: PoolOptions, execute: impl Fn(Work) + Send + Sync + 'static) -> Self {
        let PoolOptions {
            running,
            waiting,
            retry_after,
            clock,
        } = options;
        let work_clock = clock.clone();
        let latencies: Arc<Mutex<PoolLatencies>> = Arc::default();
        let work_latencies = Arc::clone(&latencies);
        let admission =
            AdmissionQueue::new((running, waiting), retry_after, move |task, permit| {
                execute(Work {
                    task,
                    permit,
                    clock: work_clock.clone(),
                    latencies: Arc::clone(&work_latencies),
                });
            });
        Pool(Arc::new(PoolInner {
            admission,
            clock,
            latencies,
        }))
    }

    /// Runs work if there is room.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions::new(1).waiting(1), |work| {
    ///     std::thread::spawn(|| work.run());
    /// });
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let busy = pool.try_run(move |_| wait.recv().is_ok()).unwrap();
    /// let next = pool.try_run(|_| true).unwrap();
    /// let rejected = pool.try_run(|_| true).unwrap_err();
    /// assert!(rejected.retry_after > std::time::Duration::ZERO);
    /// drop(next);
    /// let again = pool.try_run(rejected.work).expect("dropping the ticket made room");
    /// go.send(()).unwrap();
    /// assert_eq!(futures::executor::block_on(again), Ok(true));
    /// # drop(busy);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Rejected`], with the work, if the maximum amount is running and
    /// queued.
    ///
    /// # Panics
    ///
    /// If `execute` panics, for example because `std::thread::spawn` cannot start a
    /// thread. The work is lost and its slot is freed.
    pub fn try_run<T, F>(&self, work: F) -> Result<Ticket<T>, Rejected<F>>
    where
        T: Send + 'static,
        F: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        self.admit(work, WhenFull::Reject)
    }

    /// Runs work, waiting for room if the pool is full.
    ///
    /// Calls are admitted in the order in which their futures are first polled,
    /// before any later [`try_run`](Self::try_run). Work that waits this way counts
    /// as [waiting](PoolStats::waiting) beyond the queue's limit, so only the number
    /// of callers bounds it. Dropping the future cancels the work, like dropping a
    /// [`Ticket`].
    ///
    /// ```
    /// use futures::{executor::block_on, future::join_all};
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions::new(1).waiting(0), |work| {
    ///     std::thread::spawn(|| work.run());
    /// });
    /// let squares = (0..10_u64).map(|n| pool.run(move |_| n * n));
    /// let squares: Result<Vec<_>, _> = block_on(join_all(squares)).into_iter().collect();
    /// assert_eq!(squares?.iter().sum::<u64>(), 285);
    /// assert_eq!(pool.stats().rejected, 0);
    /// # Ok::<(), highwater::scale::WorkError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`WorkError`] if the work panicked, or was dropped by the thread that
    /// should have run it.
    ///
    /// # Panics
    ///
    /// The future panics if `execute` does, as in [`try_run`](Self::try_run).
    pub fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, WorkError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        let pool = self.clone();
        async move {
            match pool.admit(work, WhenFull::Wait) {
                Ok(ticket) => ticket.await,
                Err(_) => Err(WorkError::Lost),
            }
        }
    }

    fn admit<T, F>(&self, work: F, when_full: WhenFull) -> Result<Ticket<T>, Rejected<F>>
    where
        T: Send + 'static,
        F: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot();
        let cancellation = Cancellation::new();
        let accepted_at = self.0.clock.as_ref().map(|clock| clock.now());
        let work_cancellation = cancellation.clone();
        let wrap = move |work| -> Box<dyn ErasedWork> {
            Box::new(QueuedWork {
                state: WorkState::Waiting(work),
                sender: Some(sender),
                cancellation: work_cancellation,
                accepted_at,
            })
        };
        let admission = &self.0.admission;
        match admission.admit(work, when_full, wrap) {
            Ok(number) => {
                let canceller: Arc<dyn Cancel> = Arc::clone(admission) as _;
                Ok(Ticket::new(receiver, cancellation, (number, canceller)))
            }
            Err((work, retry_after)) => Err(Rejected { work, retry_after }),
        }
    }

    /// Returns the waiting and running times of work. Empty if the pool has no
    /// [clock](PoolOptions::clock). Cancelled work is not recorded.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use std::{sync::Arc, time::Instant};
    ///
    /// let start = Instant::now();
    /// let options = PoolOptions::new(1).clock(Arc::new(move || start.elapsed()));
    /// let pool = Pool::new(options, |work| work.run());
    /// drop(pool.try_run(|_| ()));
    /// assert_eq!(pool.latencies().ran.count(), 1);
    /// ```
    pub fn latencies(&self) -> PoolLatencies {
        lock(&self.0.latencies).clone()
    }

    /// Returns the current counts.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    ///
    /// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
    /// drop(pool.try_run(|_| ()));
    /// let stats = pool.stats();
    /// assert_eq!((stats.accepted, stats.done, stats.running), (1, 1, 0));
    /// ```
    pub fn stats(&self) -> PoolStats {
        self.0.admission.stats()
    }
}

impl<W: Send> Cancel for AdmissionQueue<W> {
    fn cancel(&self, number: u64) {
        // Dropped without holding the lock.
        drop(AdmissionQueue::cancel(self, number));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("stats", &self.stats())
            .field("has_clock", &self.0.clock.is_some())
            .finish()
    }
}

/// Accepted work for a thread to [`run`](Self::run).
///
/// If it is dropped instead, it is [lost](WorkError::Lost), and so is all queued work
/// if nothing else is running.
///
/// ```
/// use highwater::scale::{Pool, PoolOptions, Work};
/// use std::{sync::mpsc, thread};
///
/// let (sender, receiver) = mpsc::channel::<Work>();
/// let thread = thread::spawn(move || receiver.into_iter().for_each(Work::run));
/// let pool = Pool::new(PoolOptions::new(1), move |work| sender.send(work).unwrap());
/// let ticket = pool.try_run(|_| 1 + 1).unwrap();
/// assert_eq!(futures::executor::block_on(ticket), Ok(2));
/// drop(pool);
/// thread.join().unwrap();
/// ```
#[must_use = "work that is dropped is lost"]
pub struct Work {
    task: Box<dyn ErasedWork>,
    permit: RunPermit<Box<dyn ErasedWork>>,
    clock: Option<Arc<dyn Clock>>,
    latencies: Arc<Mutex<PoolLatencies>>,
}

impl Work {
    /// Runs this work and then queued work on the current thread until the queue is
    /// empty. Does not panic.
    ///
    /// ```
    /// use highwater::scale::{Pool, PoolOptions};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let later = Arc::new(Mutex::new(Vec::new()));
    /// let list = Arc::clone(&later);
    /// let pool = Pool::new(PoolOptions::new(1), move |work| list.lock().unwrap().push(work));
    /// let ticket = pool.try_run(|_| 1 + 1).unwrap();
    /// assert_eq!(pool.stats().done, 0);
    /// later.lock().unwrap().drain(..).for_each(|work| work.run());
    /// assert_eq!(futures::executor::block_on(ticket), Ok(2));
    /// ```
    pub fn run(self) {
        let Work {
            task,
            mut permit,
            clock,
            latencies,
        } = self;
        let mut next = Some(task);
        while let Some(mut task) = next {
            let now = || clock.as_ref().map(|clock| clock.now());
            let started_at = now();
            let outcome = task.work();
            let duration = now()
                .zip(started_at)
                .map(|(now, started_at)| now.saturating_sub(started_at));
            if let (Some(duration), true) = (duration, outcome != WorkOutcome::Cancelled) {
                let waited = task.accepted_at().zip(started_at);
                let waited =
                    waited.map(|(accepted, started_at)| started_at.saturating_sub(accepted));
                let mut latencies = lock(&latencies);
                latencies.ran.record(duration);
                latencies.waited.record(waited.unwrap_or_default());
            }
            next = permit.next(outcome, duration);
            // Deliver last, so that the slot is free when the result arrives.
            task.deliver();
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

/// Work with its types erased.
trait ErasedWork: Send {
    fn work(&mut self) -> WorkOutcome;
    fn deliver(&mut self);
    fn accepted_at(&self) -> Option<Duration>;
}

struct QueuedWork<F, T> {
    state: WorkState<F, T>,
    sender: Option<Sender<Result<T, WorkError>>>,
    cancellation: Cancellation,
    accepted_at: Option<Duration>,
}

enum WorkState<F, T> {
    Waiting(F),
    Done(Result<T, WorkError>),
    Finished,
}

impl<F, T> ErasedWork for QueuedWork<F, T>
where
    F: FnOnce(&Cancellation) -> T + Send + 'static,
    T: Send + 'static,
{
    fn work(&mut self) -> WorkOutcome {
        let WorkState::Waiting(work) = mem::replace(&mut self.state, WorkState::Finished) else {
            return WorkOutcome::Cancelled;
        };
        if self.cancellation.is_cancelled() {
            ignore_panic(|| drop(work));
            return WorkOutcome::Cancelled;
        }
        match catch_panic(|| work(&self.cancellation)) {
            Ok(result) => {
                self.state = WorkState::Done(Ok(result));
                if self.cancellation.is_cancelled() {
                    WorkOutcome::Cancelled
                } else {
                    WorkOutcome::Done
                }
            }
            Err(panic) => {
                let message = panic_text(&*panic).unwrap_or("no message").to_owned();
                self.state = WorkState::Done(Err(WorkError::Panicked { message }));
                WorkOutcome::Panicked
            }
        }
    }

    fn accepted_at(&self) -> Option<Duration> {
        self.accepted_at
    }

    fn deliver(&mut self) {
        let (WorkState::Done(result), Some(sender)) = (
            mem::replace(&mut self.state, WorkState::Finished),
            self.sender.take(),
        ) else {
            return;
        };
        ignore_panic(|| drop(sender.send(result)));
    }
}

/// Runs user code other than the work itself: wakers, and destructors of results and
/// of cancelled work. The panic hook has already reported a panic there; it must not
/// terminate the thread.
fn ignore_panic(run_user_code: impl FnOnce()) {
    drop(catch_panic(run_user_code));
}
