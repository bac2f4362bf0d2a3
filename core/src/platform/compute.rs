//! CPU work: on threads, or on the loop, which it blocks.

mod job;

pub use job::QueuedJob;
pub(super) use job::{JobStart, RunningJob};

use super::job::Job;
use crate::{
    Clock,
    scale::{
        AdmissionQueue, Cancel, Cancellation, PoolStats, Rejected, RunPermit, Ticket, WhenFull,
        oneshot,
    },
    trace::{RecordKind, Recorder},
};
use job::{AcceptedJob, name_of};
use std::{fmt, rc::Rc, sync::Arc, time::Duration};

/// The port for CPU work.
///
/// Scenarios use it through [`Platform::threads`](super::Platform::threads) and
/// [`Platform::run_on_loop`](super::Platform::run_on_loop).
pub trait Compute {
    /// Returns the number of cores: at least one, even if the number is unknown.
    fn cores(&self) -> usize;

    /// Starts at least one and at most `threads` threads.
    fn start(&self, threads: usize) -> Arc<dyn Executor>;

    /// Runs a job on the loop, which it blocks, and returns the result.
    fn run_on_loop(&self, job: Job) -> u64;

    /// Occupies the loop with CPU work for about `work`.
    fn occupy_loop(&self, work: Duration) {
        let _result = self.run_on_loop(Job::costing(Job::Primes, work));
    }
}

/// A world's threads. After a drop they finish their jobs and exit.
pub trait Executor: Send + Sync {
    /// Returns the number of threads.
    fn threads(&self) -> usize;

    /// Returns whether jobs run off the loop. In a world without threads the loop
    /// runs them itself, and they block it.
    fn is_off_loop(&self) -> bool;

    /// Starts a job on a thread. The caller never has more jobs running than there
    /// are threads.
    fn execute(&self, job: QueuedJob);

    /// Reacts to the cancellation of a running job. Real threads poll for it and
    /// need no notice.
    fn on_cancellation(&self) {}
}

/// Threads for CPU work behind a bounded queue. Clones share the same threads.
///
/// ```
/// use highwater::{platform::{Job, VirtualTime}, trace::Recorder};
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
/// // Two jobs on two cores take as long as one.
/// assert!(world.now() < 2 * job.cost());
/// let threads: Vec<u32> = trace.drain().events.iter().map(|event| event.thread).collect();
/// assert_eq!(threads, [1, 2, 1, 2], "two begin, then two end");
/// ```
#[derive(Clone)]
pub struct Threads {
    queue: Arc<ThreadQueue>,
    clock: Arc<dyn Clock>,
}

/// The executor and the queue in front of it, through which tickets cancel jobs.
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

/// The `retry_after` of a rejected job until the duration of a job is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Threads {
    pub(super) fn start(
        compute: &Rc<dyn Compute>,
        (threads, queue_capacity): (usize, usize),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let executor = compute.start(threads.max(1));
        let limits = (executor.threads(), queue_capacity);
        let executes = Arc::clone(&executor);
        let start = move |accepted, permit: RunPermit<AcceptedJob>| {
            executes.execute(QueuedJob::new(accepted, permit));
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

    /// Returns the number of threads, which may be lower than requested.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queue.executor.threads()
    }

    /// Returns whether jobs run off the loop. In a tab without shared memory they
    /// run on it.
    #[must_use]
    pub fn is_off_loop(&self) -> bool {
        self.queue.executor.is_off_loop()
    }

    /// Queues a job if there is room. Its begin and end are recorded under the
    /// source `Thread 1`, `Thread 2` and so on with the subject `number`.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if all threads are busy and the queue is full.
    pub fn try_compute(
        &self,
        job: Job,
        trace: &Recorder,
        number: u64,
    ) -> Result<Ticket<u64>, Rejected<Job>> {
        let (sender, receiver) = oneshot();
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

    /// Returns the number of running and waiting jobs and the outcomes of the others.
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

/// Runs a job on the loop and records it under the source `Loop`.
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
