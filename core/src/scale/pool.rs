//! A bounded queue in front of threads.

mod options;
mod rejected;

pub use options::PoolOptions;
pub use rejected::{QueueFull, Rejected};

use super::{
    admission::{AdmissionQueue, RunPermit, WhenFull, WorkOutcome},
    ticket::{Cancel, Cancellation, Ticket, WorkError},
};
use crate::{
    Clock, LatencyHistogram,
    sync::{Arc, Mutex, lock},
};
use futures::channel::oneshot;
use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// Lets CPU work through to threads, so much at once and so much more to wait,
/// and turns the rest away.
///
/// The threads are yours: it hands each [`Work`] to a function that has it run,
/// `rayon::spawn` for one. Its clones are the same pool.
///
/// - **Full**, it [rejects](Rejected) at once: gives the work back, and says when
///   there may be room. A queue without a bound only makes everybody wait
///   longer than they will.
/// - A **panic** of the work is its own: the [ticket](Ticket) has it as an error,
///   which counts as a bug, and the thread goes on. Where a panic ends the
///   program, as in WebAssembly, it ends it.
/// - **Cancelled**, by a dropped ticket, work that waits never runs.
/// - **Dropped**, the pool still runs what it has accepted.
///
/// Work must not block until other work of the same pool is done: with as many
/// that do as may run at once, none would ever go on.
///
/// ```
/// use futures::executor::block_on;
/// use highwater::scale::{Job, Pool, PoolOptions};
///
/// let pool = Pool::new(PoolOptions::new(2).waiting(100), |work| {
///     std::thread::spawn(|| work.run());
/// });
/// let tickets = [10, 20, 30].map(|index| {
///     let job = Job::Fib(index);
///     pool.try_run(move |_| job.run()).expect("there is room for 102")
/// });
/// let results = tickets.map(|ticket| block_on(ticket).unwrap());
/// assert_eq!(results, [55, 6_765, 832_040]);
/// assert_eq!(pool.stats().done, 3);
/// ```
#[derive(Clone)]
pub struct Pool(Arc<PoolInner>);

struct PoolInner {
    admission: Arc<AdmissionQueue<Box<dyn ErasedWork>>>,
    clock: Option<Arc<dyn Clock>>,
    latencies: Arc<Mutex<PoolLatencies>>,
}

impl Pool {
    /// A pool that has its work run by `execute`, which returns at once, or when
    /// it has run the work: then the caller of [`try_run`](Self::try_run) does it.
    ///
    /// It is handed no more works than may run at once, and each of them runs one
    /// after the other what waits.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// // On the caller's own thread: for tests, or where there are no others.
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
        let timing = clock.clone();
        let latencies: Arc<Mutex<PoolLatencies>> = Arc::default();
        let measured = Arc::clone(&latencies);
        let admission = AdmissionQueue::new((running, waiting), retry_after, move |task, place| {
            execute(Work {
                task,
                place,
                clock: timing.clone(),
                latencies: Arc::clone(&measured),
            });
        });
        Pool(Arc::new(PoolInner {
            admission,
            clock,
            latencies,
        }))
    }

    /// Has work done, if there is room for it.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// let pool = Pool::new(PoolOptions::new(1).waiting(1), |work| {
    ///     std::thread::spawn(|| work.run());
    /// });
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let busy = pool.try_run(move |_| wait.recv().is_ok()).unwrap();
    /// let next = pool.try_run(|_| true).unwrap();
    /// let rejected = pool.try_run(|_| true).unwrap_err();
    /// assert!(rejected.retry_after > std::time::Duration::ZERO);
    /// drop(next);
    /// let again = pool.try_run(rejected.work).expect("it has made room");
    /// go.send(()).unwrap();
    /// assert_eq!(futures::executor::block_on(again), Ok(true));
    /// # drop(busy);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the work, when as many run and wait as may.
    ///
    /// # Panics
    ///
    /// If the function that is to have it run does, as `std::thread::spawn` does
    /// where there are no more threads. The work is lost, and its place free.
    pub fn try_run<T, F>(&self, work: F) -> Result<Ticket<T>, Rejected<F>>
    where
        T: Send + 'static,
        F: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        self.admit(work, WhenFull::Reject)
    }

    /// Runs work, and waits for a place first if there is none.
    ///
    /// Calls get their places in the order in which their futures are first polled,
    /// before any later [`try_run`](Self::try_run). Each holds its work meanwhile,
    /// which counts as [waiting](PoolStats::waiting) beyond the bound: how many may
    /// wait is up to the callers. Dropping the future cancels the work, as dropping
    /// a [`Ticket`] does.
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
    /// [`WorkError`] if the work panicked, or was dropped by the threads that were
    /// to run it.
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

    fn admit<T, F>(&self, work: F, bound: WhenFull) -> Result<Ticket<T>, Rejected<F>>
    where
        T: Send + 'static,
        F: FnOnce(&Cancellation) -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let cancellation = Cancellation::new();
        let accepted_at = self.0.clock.as_ref().map(|clock| clock.now());
        let told = cancellation.clone();
        let wrap = move |work| -> Box<dyn ErasedWork> {
            Box::new(QueuedWork {
                state: WorkState::Waiting(work),
                sender: Some(sender),
                cancellation: told,
                accepted_at,
            })
        };
        let admission = &self.0.admission;
        match admission.admit(work, bound, wrap) {
            Ok(number) => {
                let line: Arc<dyn Cancel> = Arc::clone(admission) as _;
                Ok(Ticket::new(receiver, cancellation, (number, line)))
            }
            Err((work, retry_after)) => Err(Rejected { work, retry_after }),
        }
    }

    /// Returns how long work waited and ran, for a pool with a
    /// [clock](PoolOptions::clock); empty without one. Cancelled work is left out.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// # use std::{sync::Arc, time::Instant};
    /// let start = Instant::now();
    /// let options = PoolOptions::new(1).clock(Arc::new(move || start.elapsed()));
    /// let pool = Pool::new(options, |work| work.run());
    /// drop(pool.try_run(|_| ()));
    /// assert_eq!(pool.latencies().ran.count(), 1);
    /// ```
    #[must_use]
    pub fn latencies(&self) -> PoolLatencies {
        lock(&self.0.latencies).clone()
    }

    /// What is under way, and what has become of the rest.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
    /// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
    /// drop(pool.try_run(|_| ()));
    /// let stats = pool.stats();
    /// assert_eq!((stats.accepted, stats.done, stats.running), (1, 1, 0));
    /// ```
    pub fn stats(&self) -> PoolStats {
        self.0.admission.stats()
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

/// Counts of a [`Pool`]. Whatever was accepted runs, waits, or has ended in one of
/// four ways.
///
/// ```
/// # use highwater::scale::{Pool, PoolOptions, PoolStats};
/// let pool = Pool::new(PoolOptions::new(1), |work| work.run());
/// assert_eq!(pool.stats(), PoolStats::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// Handed to the threads, and not over.
    pub running: usize,
    /// Accepted, and not handed on yet.
    pub waiting: usize,
    /// Accepted since the pool was made.
    pub accepted: u64,
    /// Turned away.
    pub rejected: u64,
    /// Came to their end.
    pub done: u64,
    /// Panicked.
    pub panicked: u64,
    /// Came to nothing because the ticket was dropped, begun or not.
    pub cancelled: u64,
    /// Dropped by the threads that were to do it.
    pub lost: u64,
}

/// How long the work of a [`Pool`] takes. Histograms of several pools can be
/// merged.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PoolLatencies {
    /// From when work was accepted until it began.
    pub waited: LatencyHistogram,
    /// From when work began until it ended.
    pub ran: LatencyHistogram,
}

/// Work on its way to a thread, which is to [`run`](Self::run) it.
///
/// Dropped instead, it is [lost](WorkError::Lost), and so is what waits if nothing
/// else runs.
#[must_use = "dropped, it is lost"]
pub struct Work {
    task: Box<dyn ErasedWork>,
    place: RunPermit<Box<dyn ErasedWork>>,
    clock: Option<Arc<dyn Clock>>,
    latencies: Arc<Mutex<PoolLatencies>>,
}

impl Work {
    /// Runs it on this thread, and then what waits, until nothing does. It does
    /// not panic.
    ///
    /// ```
    /// # use highwater::scale::{Pool, PoolOptions};
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
            mut place,
            clock,
            latencies,
        } = self;
        let mut next = Some(task);
        while let Some(mut task) = next {
            let now = || clock.as_ref().map(|clock| clock.now());
            let began = now();
            let ended = task.work();
            let took = now()
                .zip(began)
                .map(|(now, began)| now.saturating_sub(began));
            if let (Some(took), true) = (took, ended != WorkOutcome::Cancelled) {
                let waited = task.accepted_at().zip(began);
                let waited = waited.map(|(accepted, began)| began.saturating_sub(accepted));
                let mut latencies = lock(&latencies);
                latencies.ran.record(took);
                latencies.waited.record(waited.unwrap_or_default());
            }
            next = place.next(ended, took);
            // Only now, so that whoever has the result finds its place free.
            task.deliver();
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

/// Work of any type.
trait ErasedWork: Send {
    fn work(&mut self) -> WorkOutcome;
    fn deliver(&mut self);
    fn accepted_at(&self) -> Option<Duration>;
}

struct QueuedWork<F, T> {
    state: WorkState<F, T>,
    sender: Option<oneshot::Sender<Result<T, WorkError>>>,
    cancellation: Cancellation,
    accepted_at: Option<Duration>,
}

enum WorkState<F, T> {
    Waiting(F),
    Done(Result<T, WorkError>),
    Over,
}

impl<F, T> ErasedWork for QueuedWork<F, T>
where
    F: FnOnce(&Cancellation) -> T + Send + 'static,
    T: Send + 'static,
{
    fn work(&mut self) -> WorkOutcome {
        let WorkState::Waiting(work) = mem::replace(&mut self.state, WorkState::Over) else {
            return WorkOutcome::Cancelled;
        };
        if self.cancellation.is_cancelled() {
            contain(|| drop(work));
            return WorkOutcome::Cancelled;
        }
        // What it has left half-changed nobody sees: it has taken all it has.
        match catch_unwind(AssertUnwindSafe(|| work(&self.cancellation))) {
            Ok(result) => {
                self.state = WorkState::Done(Ok(result));
                if self.cancellation.is_cancelled() {
                    WorkOutcome::Cancelled
                } else {
                    WorkOutcome::Done
                }
            }
            Err(panic) => {
                let message = message(&*panic);
                contain(|| drop(panic));
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
            mem::replace(&mut self.state, WorkState::Over),
            self.sender.take(),
        ) else {
            return;
        };
        contain(|| drop(sender.send(result)));
    }
}

/// Does what calls code of others besides the work: a result that nobody waits
/// for may panic as it is dropped, as may work that was cancelled and what was
/// thrown, and a waker as it is called. The panic has been told of by its hook,
/// and is no reason to lose the thread.
fn contain(drops: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(drops)) {
        // It might panic as well.
        mem::forget(panic);
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
        .to_owned()
}
