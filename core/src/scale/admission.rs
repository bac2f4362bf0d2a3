//! Who is let in, who waits, and who is turned away.

use super::PoolStats;
use crate::sync::{Arc, Mutex, lock};
use std::{collections::VecDeque, time::Duration};

/// Lets work in: so much at once, so much more to wait, and no more.
///
/// What is let in is handed on with its place. Whoever has the place gives it
/// back by taking the [next](RunPermit::next) work, which may then be done by the
/// same thread.
pub(crate) struct AdmissionQueue<W> {
    running: usize,
    waiting: usize,
    retry_after: Duration,
    start: Box<dyn Fn(W, RunPermit<W>) + Send + Sync>,
    state: Mutex<AdmissionState<W>>,
}

struct AdmissionState<W> {
    waiting: VecDeque<(u64, W)>,
    counts: AdmissionCounts,
    next: u64,
    /// How long work takes, if that is known: a mean in which the last ones
    /// weigh most.
    mean: Option<Duration>,
}

/// What has become of work.
#[derive(Clone, Copy, Debug, Default)]
struct AdmissionCounts {
    running: usize,
    accepted: u64,
    rejected: u64,
    /// By [`WorkOutcome`].
    ended: [u64; 4],
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Reject the work.
    Reject,
    /// Queue the work beyond the limit; its caller waits for it.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkOutcome {
    Done,
    Panicked,
    Cancelled,
    Lost,
}

impl<W> AdmissionQueue<W> {
    /// At least one runs. `start` is called without a lock held.
    pub(crate) fn new(
        (running, waiting): (usize, usize),
        retry_after: Duration,
        start: impl Fn(W, RunPermit<W>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(AdmissionQueue {
            running: running.max(1),
            waiting,
            retry_after,
            start: Box::new(start),
            state: Mutex::new(AdmissionState {
                waiting: VecDeque::new(),
                counts: AdmissionCounts::default(),
                next: 0,
                mean: None,
            }),
        })
    }

    /// Lets work in, if there is room, as what `wrap` makes of it, and answers its
    /// number; else gives it back, with how long to stay away.
    pub(crate) fn admit<F>(
        self: &Arc<Self>,
        work: F,
        bound: WhenFull,
        wrap: impl FnOnce(F) -> W,
    ) -> Result<u64, (F, Duration)> {
        let mut state = lock(&self.state);
        let number = state.next;
        if state.counts.running < self.running {
            state.next += 1;
            state.counts.accepted += 1;
            state.counts.running += 1;
            let mut first = wrap(work);
            // Where work was lost, others may wait although a place is free.
            if let Some((_, longest)) = state.waiting.pop_front() {
                state.waiting.push_back((number, first));
                first = longest;
            }
            drop(state);
            let place = RunPermit(Some(Arc::clone(self)));
            (self.start)(first, place);
            return Ok(number);
        }
        if bound == WhenFull::Wait || state.waiting.len() < self.waiting {
            state.next += 1;
            state.counts.accepted += 1;
            state.waiting.push_back((number, wrap(work)));
            return Ok(number);
        }
        state.counts.rejected += 1;
        let retry_after = self.expected(&state);
        drop(state);
        Err((work, retry_after))
    }

    /// Takes work out of those that wait. It counts as cancelled.
    pub(crate) fn cancel(&self, number: u64) -> Option<W> {
        let mut state = lock(&self.state);
        let place = state.waiting.binary_search_by_key(&number, |(it, _)| *it);
        let (_, work) = state.waiting.remove(place.ok()?)?;
        state.count(WorkOutcome::Cancelled);
        Some(work)
    }

    /// What has become of work so far, and how much waits.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = lock(&self.state);
        let counts = state.counts;
        let [done, panicked, cancelled, lost] = counts.ended;
        PoolStats {
            running: counts.running,
            waiting: state.waiting.len(),
            accepted: counts.accepted,
            rejected: counts.rejected,
            done,
            panicked,
            cancelled,
            lost,
        }
    }

    /// When there will be room, as things go.
    fn expected(&self, state: &AdmissionState<W>) -> Duration {
        let Some(mean) = state.mean else {
            return self.retry_after;
        };
        // One of so many ends after that part of the mean.
        let running = u32::try_from(self.running).unwrap_or(u32::MAX);
        (mean / running).max(Duration::from_millis(1))
    }
}

impl<W> AdmissionState<W> {
    fn count(&mut self, ended: WorkOutcome) {
        self.counts.ended[ended as usize] += 1;
    }
}

/// The right to run. Dropped, it is given back, and so the work that waits is
/// lost if nobody else runs: whoever had it does not run any.
pub(crate) struct RunPermit<W>(Option<Arc<AdmissionQueue<W>>>);

impl<W> RunPermit<W> {
    /// The work that it was taken for has ended, after that long if that is
    /// known: answers the next. `None` if none waits, and the place is free then.
    pub(crate) fn next(&mut self, ended: WorkOutcome, took: Option<Duration>) -> Option<W> {
        let admission = self.0.as_ref()?;
        let mut state = lock(&admission.state);
        state.count(ended);
        // How soon somebody gave up says nothing about work.
        if let Some(took) = took
            && ended != WorkOutcome::Cancelled
        {
            let mean = state.mean.unwrap_or(took);
            state.mean = Some(mean / 8 * 7 + took / 8);
        }
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.counts.running -= 1;
            drop(state);
            self.0 = None;
        }
        next.map(|(_, work)| work)
    }
}

impl<W> Drop for RunPermit<W> {
    fn drop(&mut self) {
        let Some(admission) = self.0.take() else {
            return;
        };
        let mut state = lock(&admission.state);
        state.count(WorkOutcome::Lost);
        state.counts.running -= 1;
        let mut lost = VecDeque::new();
        if state.counts.running == 0 {
            lost = std::mem::take(&mut state.waiting);
            state.counts.ended[WorkOutcome::Lost as usize] += lost.len() as u64;
        }
        drop(state);
        // What it does as it is dropped may ask for admission.
        drop(lost);
    }
}
