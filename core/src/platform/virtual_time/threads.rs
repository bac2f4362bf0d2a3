//! Simulated threads on shared simulated cores.
//!
//! The loop has its own core, so threads and loop do not slow each other down.
//! Threads keep running while the loop is blocked.

use super::schedule::SharedClock;
use crate::latency::nanos;
use crate::platform::{
    Job, Timer,
    compute::{Compute, Executor, JobStart, QueuedJob, RunningJob},
};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

/// The number of cores that the threads of a simulated world share.
pub const SIMULATED_CORES: usize = 4;

/// The extra time a job takes on a thread, for sending the job there and the result
/// back. It matches native threads that have to be woken.
pub const HANDOFF: Duration = Duration::from_micros(10);

/// The overhead of threads that take turns on a core, in thousandths.
const SWITCH_OVERHEAD: u32 = 20;

/// The number of a pool, and of a thread in it, from 1.
type SimulatedThread = (u32, u32);

/// The cores that all threads of a world share.
pub(super) struct SharedCores {
    running: Mutex<RunningJobs>,
    /// Set with the first job. Most loops never have one.
    has_jobs: AtomicBool,
    clock: Arc<SharedClock>,
}

#[derive(Default)]
struct RunningJobs {
    /// Thread, job and remaining work.
    jobs: Vec<(SimulatedThread, RunningJob, Duration)>,
    /// The time at which the remaining work was last updated.
    since: Duration,
    /// Pools started so far.
    pools: u32,
    /// The time of the next scheduled wake-up.
    wakeup_at: Option<Duration>,
    /// The world was dropped.
    has_ended: bool,
    /// The last job and its result, cached because many jobs are equal.
    last: Option<(Job, u64)>,
}

impl SharedCores {
    pub(super) fn new(clock: &Arc<SharedClock>) -> Self {
        SharedCores {
            running: Mutex::default(),
            has_jobs: AtomicBool::new(false),
            clock: Arc::clone(clock),
        }
    }

    fn lock(&self) -> MutexGuard<'_, RunningJobs> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs all jobs up to the loop time `until`. Each ends at its own time.
    pub(super) fn run_until(self: &Arc<Self>, until: Duration) {
        while self.has_jobs.load(Ordering::Relaxed) {
            let next = self.lock().next_at();
            let Some(at) = next.filter(|at| *at <= until) else {
                return;
            };
            self.clock.advance_to(nanos(at));
            self.finish_due();
        }
    }

    /// Drops all jobs.
    pub(super) fn end(&self) {
        let mut running = self.lock();
        running.has_ended = true;
        let jobs = mem::take(&mut running.jobs);
        // Dropped outside the lock, together with the jobs queued behind them.
        drop(running);
        drop(jobs);
    }

    fn begin(self: &Arc<Self>, thread: SimulatedThread, job: QueuedJob) {
        self.has_jobs.store(true, Ordering::Relaxed);
        // Jobs that are due may not have been ended yet.
        self.finish_due();
        self.start_next(thread, Some(job));
        self.schedule_wakeup();
    }

    /// Ends the jobs that are complete or cancelled.
    fn finish_due(self: &Arc<Self>) {
        let now = self.clock.now_duration();
        let mut running = self.lock();
        running.advance_to(now);
        let is_over =
            |(_, job, rest): &(_, RunningJob, Duration)| rest.is_zero() || job.is_cancelled();
        let jobs = mem::take(&mut running.jobs).into_iter();
        let (over, jobs): (Vec<_>, _) = jobs.partition(is_over);
        running.jobs = jobs;
        drop(running);
        for (thread, job, _) in over {
            let is_cancelled = job.is_cancelled();
            let result = (!is_cancelled).then(|| self.result_of(job.job()));
            self.start_next(thread, job.end(result));
        }
        self.schedule_wakeup();
    }

    /// Starts the next job on a thread, skipping cancelled ones.
    fn start_next(&self, thread: SimulatedThread, job: Option<QueuedJob>) {
        let mut next = job;
        while let Some(job) = next {
            next = match job.begin(thread.1) {
                JobStart::Cancelled(next) => next,
                JobStart::Running(job) => {
                    let rest = job.job().cost() + HANDOFF;
                    return self.lock().jobs.push((thread, job, rest));
                }
            };
        }
    }

    /// Schedules a wake-up for the end of the next job, unless one is already set.
    fn schedule_wakeup(self: &Arc<Self>) {
        let now = self.clock.now_duration();
        let mut running = self.lock();
        let Some(at) = running.next_at() else {
            return;
        };
        if running.wakeup_at.is_some_and(|it| it > now && it <= at) {
            return;
        }
        running.wakeup_at = Some(at);
        drop(running);
        let weak = Arc::downgrade(self);
        let finish_due = deferred_waker(move || {
            if let Some(cores) = weak.upgrade() {
                cores.finish_due();
            }
        });
        self.clock.set_timer(nanos(at), &finish_due);
    }

    fn result_of(&self, job: Job) -> u64 {
        if let Some((_, result)) = self.lock().last.filter(|(known, _)| *known == job) {
            return result;
        }
        let result = job.answer();
        self.lock().last = Some((job, result));
        result
    }
}

impl RunningJobs {
    /// Advances all jobs to the time `now`.
    fn advance_to(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        let slowness = self.slowness();
        for (_, _, rest) in &mut self.jobs {
            *rest = rest.saturating_sub(passed.saturating_mul(1_000) / slowness);
        }
        self.since = self.since.max(now);
    }

    /// Returns the time at which the next job completes.
    fn next_at(&self) -> Option<Duration> {
        let rest = self.jobs.iter().map(|(_, _, rest)| *rest).min()?;
        // Rounded up, so that the job is complete by then. A duration too long for
        // 64 bits wakes early and is scheduled again.
        let left = nanos(rest)
            .saturating_mul(self.slowness().into())
            .div_ceil(1_000);
        Some(self.since.saturating_add(Duration::from_nanos(left)))
    }

    /// Returns the slowdown of each job by the others, in thousandths.
    fn slowness(&self) -> u32 {
        let (jobs, cores) = (self.jobs.len(), SIMULATED_CORES);
        if jobs <= cores {
            return 1_000;
        }
        let shared = u32::try_from(jobs * 1_000 / cores).unwrap_or(u32::MAX);
        shared.saturating_mul(1_000 + SWITCH_OVERHEAD) / 1_000
    }
}

/// The port for CPU work of a simulated world.
pub(super) struct SimulatedCompute {
    pub(super) cores: Arc<SharedCores>,
    pub(super) timer: Arc<dyn Timer>,
}

impl Compute for SimulatedCompute {
    fn cores(&self) -> usize {
        SIMULATED_CORES
    }

    fn start(&self, threads: usize) -> Arc<dyn Executor> {
        let count = u32::try_from(threads).unwrap_or(u32::MAX);
        let mut running = self.cores.lock();
        running.pools = running.pools.saturating_add(1);
        Arc::new(SimulatedThreads {
            cores: Arc::downgrade(&self.cores),
            pool: running.pools,
            count,
        })
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        self.timer.block(job.cost());
        self.cores.result_of(job)
    }

    fn occupy_loop(&self, work: Duration) {
        self.timer.block(work);
    }
}

/// Threads of a simulated world. They are weak because tasks hold them.
struct SimulatedThreads {
    cores: Weak<SharedCores>,
    pool: u32,
    count: u32,
}

impl Executor for SimulatedThreads {
    fn threads(&self) -> usize {
        self.count as usize
    }

    fn is_off_loop(&self) -> bool {
        true
    }

    fn execute(&self, job: QueuedJob) {
        let Some(cores) = self.cores.upgrade() else {
            return;
        };
        let is_free = |thread: &SimulatedThread| {
            let running = cores.lock();
            !running.has_ended && running.jobs.iter().all(|(busy, ..)| busy != thread)
        };
        let mut all = (1..=self.count).map(|number| (self.pool, number));
        if let Some(thread) = all.find(is_free) {
            cores.begin(thread, job);
        }
    }

    fn on_cancellation(&self) {
        if let Some(cores) = self.cores.upgrade() {
            cores.finish_due();
        }
    }
}

/// Wraps a callback as a waker, so that a timer can run it.
fn deferred_waker(action: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(DeferredCall(Mutex::new(Some(Box::new(action))))))
}

struct DeferredCall(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for DeferredCall {
    fn wake(self: Arc<Self>) {
        let action = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(action) = action {
            action();
        }
    }
}
