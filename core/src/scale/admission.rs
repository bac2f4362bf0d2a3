//! Admission control: run, queue or reject.

use super::pool::PoolStats;
use crate::sync::{Arc, Mutex, lock};
use std::{collections::VecDeque, time::Duration};

/// Runs a limited amount of work concurrently, queues a limited amount more, and
/// rejects the rest.
///
/// Admitted work starts with a [`RunPermit`]. When the work is done, the same permit
/// takes the [next](RunPermit::next) work, usually for the same thread.
pub(crate) struct AdmissionQueue<W> {
    max_running: usize,
    max_waiting: usize,
    retry_after: Duration,
    start: Box<dyn Fn(W, RunPermit<W>) + Send + Sync>,
    state: Mutex<AdmissionState<W>>,
}

struct AdmissionState<W> {
    queue: VecDeque<(u64, W)>,
    counts: AdmissionCounts,
    next_number: u64,
    /// The exponential moving average of the work's duration, if known.
    mean_duration: Option<Duration>,
}

/// Counts of work, by outcome.
#[derive(Clone, Copy, Debug, Default)]
struct AdmissionCounts {
    running: usize,
    accepted: u64,
    rejected: u64,
    /// Indexed by [`WorkOutcome`].
    outcomes: [u64; 4],
}

/// The policy for work that exceeds the queue's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Reject the work.
    Reject,
    /// Queue the work beyond the limit; the caller waits for it.
    Wait,
}

/// The outcome of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkOutcome {
    Done,
    Panicked,
    Cancelled,
    Lost,
}

impl<W> AdmissionQueue<W> {
    /// Creates a queue. `max_running` is at least 1. `start` is called
    /// without holding a lock.
    pub(crate) fn new(
        (max_running, max_waiting): (usize, usize),
        retry_after: Duration,
        start: impl Fn(W, RunPermit<W>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(AdmissionQueue {
            max_running: max_running.max(1),
            max_waiting,
            retry_after,
            start: Box::new(start),
            state: Mutex::new(AdmissionState {
                queue: VecDeque::new(),
                counts: AdmissionCounts::default(),
                next_number: 0,
                mean_duration: None,
            }),
        })
    }

    /// Admits work, converted by `wrap`, and returns its number. If there is no room,
    /// returns the work and how long to wait before a retry.
    pub(crate) fn admit<F>(
        self: &Arc<Self>,
        work: F,
        when_full: WhenFull,
        wrap: impl FnOnce(F) -> W,
    ) -> Result<u64, (F, Duration)> {
        let mut state = lock(&self.state);
        let number = state.next_number;
        if state.counts.running < self.max_running {
            state.next_number += 1;
            state.counts.accepted += 1;
            state.counts.running += 1;
            let mut work_to_start = wrap(work);
            // After work was lost, other work may be queued although a permit is
            // free.
            if let Some((_, oldest)) = state.queue.pop_front() {
                state.queue.push_back((number, work_to_start));
                work_to_start = oldest;
            }
            drop(state);
            let permit = RunPermit(Some(Arc::clone(self)));
            (self.start)(work_to_start, permit);
            return Ok(number);
        }
        if when_full == WhenFull::Wait || state.queue.len() < self.max_waiting {
            state.next_number += 1;
            state.counts.accepted += 1;
            state.queue.push_back((number, wrap(work)));
            return Ok(number);
        }
        state.counts.rejected += 1;
        let retry_after = self.estimated_wait(&state);
        drop(state);
        Err((work, retry_after))
    }

    /// Removes queued work and counts it as cancelled.
    pub(crate) fn cancel(&self, number: u64) -> Option<W> {
        let mut state = lock(&self.state);
        let index = state.queue.binary_search_by_key(&number, |(it, _)| *it);
        let (_, work) = state.queue.remove(index.ok()?)?;
        state.count(WorkOutcome::Cancelled);
        Some(work)
    }

    /// Returns the counts so far and the current queue length.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = lock(&self.state);
        let counts = state.counts;
        let [done, panicked, cancelled, lost] = counts.outcomes;
        PoolStats {
            running: counts.running,
            waiting: state.queue.len(),
            accepted: counts.accepted,
            rejected: counts.rejected,
            done,
            panicked,
            cancelled,
            lost,
        }
    }

    /// Estimates how long it takes until there is room.
    fn estimated_wait(&self, state: &AdmissionState<W>) -> Duration {
        let Some(mean_duration) = state.mean_duration else {
            return self.retry_after;
        };
        // With n running, one finishes every 1/n of the mean duration.
        let max_running = u32::try_from(self.max_running).unwrap_or(u32::MAX);
        (mean_duration / max_running).max(Duration::from_millis(1))
    }
}

impl<W> AdmissionState<W> {
    fn count(&mut self, outcome: WorkOutcome) {
        self.counts.outcomes[outcome as usize] += 1;
    }
}

/// The permission to run work. Dropping it frees its slot without starting queued
/// work. If no other permit is left, all queued work is lost, because nothing would
/// run it.
pub(crate) struct RunPermit<W>(Option<Arc<AdmissionQueue<W>>>);

impl<W> RunPermit<W> {
    /// Reports the outcome of the current work, with its duration if known, and
    /// returns the next work. `None` means that the queue is empty and the slot is
    /// free.
    pub(crate) fn next(&mut self, outcome: WorkOutcome, duration: Option<Duration>) -> Option<W> {
        let admission = self.0.as_ref()?;
        let mut state = lock(&admission.state);
        state.count(outcome);
        // The duration of cancelled work is not representative.
        if let Some(duration) = duration
            && outcome != WorkOutcome::Cancelled
        {
            let mean_duration = state.mean_duration.unwrap_or(duration);
            state.mean_duration = Some(mean_duration / 8 * 7 + duration / 8);
        }
        let next = state.queue.pop_front();
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
            lost = std::mem::take(&mut state.queue);
            state.counts.outcomes[WorkOutcome::Lost as usize] += lost.len() as u64;
        }
        drop(state);
        // Dropped outside the lock, because its destructor may call `admit`.
        drop(lost);
    }
}
