//! CPU work apart from the loop, on threads; and on the loop, which it holds.

mod job;

pub use job::QueuedJob;
pub(super) use job::{JobStart, RunningJob};

use crate::{
    Clock,
    scale::{
        AdmissionQueue, Cancel, Cancellation, Job, PoolStats, Rejected, RunPermit, Ticket, WhenFull,
    },
    trace::{NameId, RecordKind, Recorder},
};
use futures::channel::oneshot;
use job::AcceptedJob;
use std::{fmt, rc::Rc, sync::Arc, time::Duration};

/// Computes: what a world has to offer for that.
///
/// Scenarios have it by [`Platform::threads`](super::Platform::threads) and
/// [`Platform::run_on_loop`](super::Platform::run_on_loop).
pub trait Compute {
    /// How many cores there are, as far as is known: at least one.
    fn cores(&self) -> usize;

    /// Starts threads: as many as asked for, or as there can be, one at least.
    fn start(&self, threads: usize) -> Arc<dyn Executor>;

    /// Does a job on the loop, and answers its result. Nothing else runs on it
    /// meanwhile.
    fn run_on_loop(&self, job: Job) -> u64;
}

/// Threads of a world. Dropped, they end when they have nothing to do.
pub trait Executor: Send + Sync {
    /// How many there are.
    fn threads(&self) -> usize;

    /// Whether they are others than the loop's. Where there are none, the loop
    /// does it, when it comes to it, and is held.
    fn is_off_loop(&self) -> bool;

    /// Has an job run on a thread, soon. It is handed no more of them at once
    /// than there are threads.
    fn execute(&self, job: QueuedJob);

    /// A job under way was cancelled. Real threads see that by themselves.
    fn on_cancellation(&self) {}
}

/// Threads that compute, behind a queue with a bound. Clones are the same ones.
///
/// ```
/// use highwater::{platform::VirtualTime, scale::Job, trace::Recorder};
///
/// let world = VirtualTime::new();
/// let trace = Recorder::new(world.timer(), 1024);
/// let threads = world.platform().threads(2, 10);
/// assert_eq!((threads.count(), threads.is_off_loop()), (2, true));
///
/// let job = Job::Fib(30);
/// let tickets = [1, 2].map(|number| threads.try_compute(job, &trace, number).unwrap());
/// let results = world.run_to_end(futures::future::join_all(tickets)).unwrap();
/// assert_eq!(results, [Ok(832_040), Ok(832_040)]);
/// // Two cores: it took as long as one.
/// assert!(world.now() < 2 * job.cost());
/// let threads: Vec<u32> = trace.drain().events.iter().map(|event| event.thread).collect();
/// assert_eq!(threads, [1, 2, 1, 2], "two begin, and two end");
/// ```
#[derive(Clone)]
pub struct Threads {
    queue: Arc<ThreadQueue>,
    clock: Arc<dyn Clock>,
}

/// What a ticket cancels by.
struct ThreadQueue {
    executor: Arc<dyn Executor>,
    admission: Arc<AdmissionQueue<AcceptedJob>>,
}

impl Cancel for ThreadQueue {
    fn cancel(&self, number: u64) {
        drop(self.admission.cancel(number));
        self.executor.on_cancellation();
    }
}

/// What is told who is turned away before it is known how long a job takes.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Threads {
    pub(super) fn start(
        compute: &Rc<dyn Compute>,
        (threads, waiting): (usize, usize),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let executor = compute.start(threads.max(1));
        let limits = (executor.threads(), waiting);
        let executes = Arc::clone(&executor);
        let start = move |computing, place: RunPermit<AcceptedJob>| {
            executes.execute(QueuedJob::new(computing, place));
        };
        let admission = AdmissionQueue::new(limits, RETRY_AFTER, start);
        Threads {
            queue: Arc::new(ThreadQueue {
                executor,
                admission,
            }),
            clock,
        }
    }

    /// How many there are: fewer than asked for where a world has no more.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queue.executor.threads()
    }

    /// Whether they are others than the loop's: not so in a tab without shared
    /// memory, where all there is is the loop.
    #[must_use]
    pub fn is_off_loop(&self) -> bool {
        self.queue.executor.is_off_loop()
    }

    /// Has a job done, if there is room for it. When it begins and ends on which
    /// thread is on record as `Thread 1` and so on, with `number` for its subject.
    ///
    /// # Errors
    ///
    /// [`Rejected`] when as many run and wait as may.
    pub fn try_compute(
        &self,
        job: Job,
        trace: &Recorder,
        number: u64,
    ) -> Result<Ticket<u64>, Rejected<Job>> {
        let (sender, receiver) = oneshot::channel();
        let cancellation = Cancellation::new();
        let wrap = |job| AcceptedJob {
            job,
            number,
            trace: trace.clone(),
            clock: Arc::clone(&self.clock),
            sender,
            cancellation: cancellation.clone(),
        };
        let admitted = self.queue.admission.admit(job, WhenFull::Reject, wrap);
        let queue: Arc<dyn Cancel> = Arc::clone(&self.queue) as _;
        match admitted {
            Ok(place) => Ok(Ticket::new(receiver, cancellation, (place, queue))),
            Err((work, retry_after)) => Err(Rejected { work, retry_after }),
        }
    }

    /// What is under way, and what has become of the rest.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.queue.admission.stats()
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("count", &self.count())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Does a job on the loop, on record as the loop's.
pub(super) fn run_on_loop(
    compute: &Rc<dyn Compute>,
    job: Job,
    trace: &Recorder,
    number: u64,
) -> u64 {
    let span = trace.begin(RecordKind::Compute, name_of(0, trace), number);
    let result = compute.run_on_loop(job);
    span.succeed();
    result
}

/// What a thread is called in a trace; 0 is the loop.
fn name_of(thread: u32, trace: &Recorder) -> NameId {
    match thread {
        0 => trace.name("Loop"),
        _ => trace.name(&["Thread ", &thread.to_string()].concat()),
    }
}
