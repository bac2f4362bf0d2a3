//! Simulated threads, on simulated cores that they share.
//!
//! The loop has a core of its own: what it does is not slowed down by threads, nor
//! are they by it. They also go on while it is held.

use super::timers::{Shared, letter};
use crate::{
    platform::compute::{Begun, Compute, Errand, Executor, Step},
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
const TURNS: u32 = 20;

/// The jobs under way, and since when their rest is what it is.
#[derive(Default)]
pub(super) struct SharedCores {
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    jobs: Vec<(u32, Begun, Duration)>,
    since: Duration,
    started: u32,
    /// When the world will look after them next.
    awaited: Option<Duration>,
    /// The world is gone.
    has_ended: bool,
    /// The last result, and of which job: many are alike.
    last: Option<(Job, u64)>,
}

impl SharedCores {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
            self.settle(shared);
        }
    }

    /// Nothing of them goes on.
    pub(super) fn end(&self) {
        let mut under_way = self.lock();
        under_way.has_ended = true;
        let jobs = mem::take(&mut under_way.jobs);
        // What waits for them is dropped with them.
        drop(under_way);
        drop(jobs);
    }

    fn begin(&self, shared: &Arc<Shared>, thread: u32, errand: Errand) {
        // What is due may not be over yet.
        self.settle(shared);
        self.go_on(thread, Some(errand));
        self.wait(shared);
    }

    /// Ends what has come to its end by now, or was cancelled.
    fn settle(&self, shared: &Arc<Shared>) {
        let now = shared.state().now;
        let mut under_way = self.lock();
        under_way.pass_to(now);
        let is_over =
            |(_, begun, rest): &(_, Begun, Duration)| rest.is_zero() || begun.is_cancelled();
        let jobs = mem::take(&mut under_way.jobs).into_iter();
        let (over, jobs): (Vec<_>, _) = jobs.partition(is_over);
        under_way.jobs = jobs;
        drop(under_way);
        for (thread, begun, _) in over {
            let is_cancelled = begun.is_cancelled();
            let result = (!is_cancelled).then(|| self.answer(begun.job()));
            self.go_on(thread, begun.end(result));
        }
        self.wait(shared);
    }

    /// A thread takes what there is.
    fn go_on(&self, thread: u32, errand: Option<Errand>) {
        let mut next = errand;
        while let Some(errand) = next {
            next = match errand.begin(thread) {
                Step::Over(next) => next,
                Step::Begun(begun) => {
                    let rest = begun.job().cost() + HANDOFF;
                    return self.lock().jobs.push((thread, begun, rest));
                }
            };
        }
    }

    /// Has the world come back when the next is over, unless it will anyway.
    fn wait(&self, shared: &Arc<Shared>) {
        let now = shared.state().now;
        let mut under_way = self.lock();
        let Some(at) = under_way.next_at() else {
            return;
        };
        if under_way.awaited.is_some_and(|it| it > now && it <= at) {
            return;
        }
        under_way.awaited = Some(at);
        drop(under_way);
        let weak = Arc::downgrade(shared);
        let settle = letter(move || {
            if let Some(shared) = weak.upgrade() {
                shared.threads.settle(&shared);
            }
        });
        shared.state().wake_at(at, settle);
    }

    fn answer(&self, job: Job) -> u64 {
        if let Some((_, result)) = self.lock().last.filter(|(known, _)| *known == job) {
            return result;
        }
        let result = job.answer();
        self.lock().last = Some((job, result));
        result
    }
}

impl UnderWay {
    /// The time is `now`: each has come nearer to its end.
    fn pass_to(&mut self, now: Duration) {
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
        shared.saturating_mul(1_000 + TURNS) / 1_000
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
        let mut under_way = self.0.threads.lock();
        let first = under_way.started.saturating_add(1);
        under_way.started = under_way.started.saturating_add(count);
        Arc::new(SimulatedThreads {
            shared: Arc::downgrade(&self.0),
            first,
            count,
        })
    }

    fn hold(&self, job: Job) -> u64 {
        self.0.hold(job.cost());
        self.0.threads.answer(job)
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

    fn execute(&self, errand: Errand) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let is_free = |thread: &u32| {
            let under_way = shared.threads.lock();
            !under_way.has_ended && under_way.jobs.iter().all(|(busy, ..)| busy != thread)
        };
        let mut all = self.first..self.first.saturating_add(self.count);
        if let Some(thread) = all.find(is_free) {
            shared.threads.begin(&shared, thread, errand);
        }
    }

    fn notice_cancellation(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.threads.settle(&shared);
        }
    }
}
