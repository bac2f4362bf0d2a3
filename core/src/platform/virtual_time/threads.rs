//! Simulated threads, on simulated cores that they share.
//!
//! The loop has a core of its own: what it does is not slowed down by threads, nor
//! are they by it. They also go on while it is held.

use super::timers::{Shared, deferred_waker};
use crate::{
    platform::compute::{Compute, Executor, JobStart, QueuedJob, RunningJob},
    scale::Job,
};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

/// How many cores the threads of a simulated world share.
pub const SIMULATED_CORES: usize = 4;

/// How much longer a job takes on a thread than on the loop: it has to be handed
/// there, and its result back. As natively, where nothing else wakes the thread.
pub const HANDOFF: Duration = Duration::from_micros(10);

/// What is lost, in thousandths, where threads have to take turns on a core.
const SWITCH_OVERHEAD: u32 = 20;

/// The jobs under way, and since when their rest is what it is.
#[derive(Default)]
pub(super) struct SharedCores {
    running: Mutex<RunningJobs>,
}

#[derive(Default)]
struct RunningJobs {
    jobs: Vec<(u32, RunningJob, Duration)>,
    since: Duration,
    started: u32,
    /// When the world will look after them next.
    wakeup_at: Option<Duration>,
    /// The world is gone.
    has_ended: bool,
    /// The last result, and of which job: many are alike.
    last: Option<(Job, u64)>,
}

impl SharedCores {
    fn lock(&self) -> MutexGuard<'_, RunningJobs> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all of them go on up to the loop's time `until`, each ending at its
    /// own.
    pub(super) fn run_until(&self, shared: &Arc<Shared>, until: Duration) {
        loop {
            let next = self.lock().next_at();
            let Some(at) = next.filter(|at| *at <= until) else {
                return;
            };
            let mut state = shared.state();
            state.now = state.now.max(at);
            drop(state);
            self.finish_due(shared);
        }
    }

    /// Nothing of them goes on.
    pub(super) fn end(&self) {
        let mut running = self.lock();
        running.has_ended = true;
        let jobs = mem::take(&mut running.jobs);
        // What waits for them is dropped with them.
        drop(running);
        drop(jobs);
    }

    fn begin(&self, shared: &Arc<Shared>, thread: u32, job: QueuedJob) {
        // What is due may not be over yet.
        self.finish_due(shared);
        self.start_next(thread, Some(job));
        self.schedule_wakeup(shared);
    }

    /// Ends what has come to its end by now, or was cancelled.
    fn finish_due(&self, shared: &Arc<Shared>) {
        let now = shared.state().now;
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
        self.schedule_wakeup(shared);
    }

    /// A thread takes what there is.
    fn start_next(&self, thread: u32, job: Option<QueuedJob>) {
        let mut next = job;
        while let Some(job) = next {
            next = match job.begin(thread) {
                JobStart::Cancelled(next) => next,
                JobStart::Running(job) => {
                    let rest = job.job().cost() + HANDOFF;
                    return self.lock().jobs.push((thread, job, rest));
                }
            };
        }
    }

    /// Has the world come back when the next is over, unless it will anyway.
    fn schedule_wakeup(&self, shared: &Arc<Shared>) {
        let now = shared.state().now;
        let mut running = self.lock();
        let Some(at) = running.next_at() else {
            return;
        };
        if running.wakeup_at.is_some_and(|it| it > now && it <= at) {
            return;
        }
        running.wakeup_at = Some(at);
        drop(running);
        let weak = Arc::downgrade(shared);
        let finish_due = deferred_waker(move || {
            if let Some(shared) = weak.upgrade() {
                shared.threads.finish_due(&shared);
            }
        });
        shared.state().wake_at(at, finish_due);
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
    /// The time is `now`: each has come nearer to its end.
    fn advance_to(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        let slowness = self.slowness();
        for (_, _, rest) in &mut self.jobs {
            *rest = rest.saturating_sub(passed.saturating_mul(1_000) / slowness);
        }
        self.since = self.since.max(now);
    }

    /// When the first of them comes to its end.
    fn next_at(&self) -> Option<Duration> {
        let rest = self.jobs.iter().map(|(_, _, rest)| *rest).min()?;
        // Rounded up: at that time nothing is left of it.
        // What takes longer than can be said is looked after again before it is over.
        let rest = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
        let left = rest.saturating_mul(self.slowness().into()).div_ceil(1_000);
        Some(self.since.saturating_add(Duration::from_nanos(left)))
    }

    /// How long a job takes, in thousandths of what it would alone.
    fn slowness(&self) -> u32 {
        let (jobs, cores) = (self.jobs.len(), SIMULATED_CORES);
        if jobs <= cores {
            return 1_000;
        }
        let shared = u32::try_from(jobs * 1_000 / cores).unwrap_or(u32::MAX);
        shared.saturating_mul(1_000 + SWITCH_OVERHEAD) / 1_000
    }
}

/// The port of a simulated world.
pub(super) struct SimulatedCompute(pub(super) Arc<Shared>);

impl Compute for SimulatedCompute {
    fn cores(&self) -> usize {
        SIMULATED_CORES
    }

    fn start(&self, threads: usize) -> Arc<dyn Executor> {
        let count = u32::try_from(threads).unwrap_or(u32::MAX);
        let mut running = self.0.threads.lock();
        let first = running.started.saturating_add(1);
        running.started = running.started.saturating_add(count);
        Arc::new(SimulatedThreads {
            shared: Arc::downgrade(&self.0),
            first,
            count,
        })
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        self.0.block_loop(job.cost());
        self.0.threads.result_of(job)
    }
}

/// Weak, as all that a world's tasks may hold.
struct SimulatedThreads {
    shared: Weak<Shared>,
    first: u32,
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
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let is_free = |thread: &u32| {
            let running = shared.threads.lock();
            !running.has_ended && running.jobs.iter().all(|(busy, ..)| busy != thread)
        };
        let mut all = self.first..self.first.saturating_add(self.count);
        if let Some(thread) = all.find(is_free) {
            shared.threads.begin(&shared, thread, job);
        }
    }

    fn on_cancellation(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.threads.finish_due(&shared);
        }
    }
}
