//! A slot, its workers, and those that leave it.

use crate::scale::WorkerId;
use std::time::Duration;

/// So many starts in a row may fail until the next one waits.
const IMMEDIATE_STARTS: u32 = 5;

/// A place that is always to have a worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// The number of workers that were started here.
    pub(super) started: u64,
    /// The number of workers in a row that were replaced before they had lasted.
    pub(super) unsteady: u32,
    /// The number of workers that were started here since the last one became ready.
    pub(super) attempts: u32,
    /// The worker that has the slot, or had it last.
    pub(super) generation: u64,
    pub(super) state: SlotState,
    /// Set once the worker that has the slot has asked to be replaced.
    pub(super) is_retiring: bool,
    pub(super) replacement: Option<Replacement>,
    /// Workers from before this one are replaced by the reload under way.
    pub(super) fresh_from: u64,
    /// The times of the latest replacements, if they are counted.
    pub(super) ends: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum SlotState {
    /// There is no worker, and none is wanted.
    #[default]
    Empty,
    /// There is no worker; the next one starts then.
    Waiting { until: Duration },
    /// It is started, and has to be ready by then.
    Starting { until: Duration },
    /// It takes work, and has to give a sign of life by then.
    Ready { since: Duration, until: Duration },
    /// It is to be killed, and has not exited yet.
    Killed { had_lasted: bool },
}

/// The worker that follows one that still has the slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement {
    /// It is started then.
    Waiting { until: Duration },
    /// It has to be ready by then.
    Starting { generation: u64, until: Duration },
}

/// A worker that is to exit, and has no slot any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainingWorker {
    pub(super) id: WorkerId,
    /// The time at which it is killed.
    pub(super) until: Duration,
    pub(super) is_killed: bool,
    /// Set if a reload waits for it.
    pub(super) is_of_reload: bool,
}

impl DrainingWorker {
    pub(super) fn deadline(&self) -> Duration {
        if self.is_killed {
            Duration::MAX
        } else {
            self.until
        }
    }
}

impl Slot {
    /// Counts one more worker.
    pub(super) fn next_generation(&mut self) -> u64 {
        self.started += 1;
        self.attempts = self.attempts.saturating_add(1);
        self.started
    }

    /// Returns its next deadline, or `Duration::MAX`.
    pub(super) fn deadline(&self) -> Duration {
        let replacement = match self.replacement {
            Some(Replacement::Waiting { until } | Replacement::Starting { until, .. }) => until,
            None => Duration::MAX,
        };
        match self.state {
            SlotState::Starting { until }
            | SlotState::Ready { until, .. }
            | SlotState::Waiting { until } => until.min(replacement),
            SlotState::Killed { .. } | SlotState::Empty => replacement,
        }
    }

    /// Returns whether it has a worker, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, SlotState::Waiting { .. } | SlotState::Empty)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, SlotState::Ready { .. })
    }

    /// Returns whether this worker takes the slot when it is ready.
    pub(super) fn is_replaced_by(&self, worker: u64) -> bool {
        matches!(self.replacement, Some(Replacement::Starting { generation, .. }) if generation == worker)
    }

    /// Cancels a replacement that has not started yet.
    pub(super) fn stop_waiting(&mut self) {
        if !self.has_replacement_starting() {
            self.replacement = None;
            self.is_retiring = false;
        }
    }

    pub(super) fn has_replacement_starting(&self) -> bool {
        matches!(self.replacement, Some(Replacement::Starting { .. }))
    }

    /// Returns the number of failed starts in a row beyond those that are repeated at
    /// once.
    pub(super) fn failures(&self) -> u32 {
        self.attempts.saturating_sub(IMMEDIATE_STARTS)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failures() > 0
    }

    /// Returns whether a worker starts here that can be expected to become ready.
    pub(super) fn is_about_to_serve(&self) -> bool {
        let starts = matches!(self.state, SlotState::Starting { .. });
        (starts || self.has_replacement_starting()) && !self.is_failing()
    }

    /// Returns whether its worker is from before the reload, and is ready or starts.
    pub(super) fn is_stale(&self) -> bool {
        let works = matches!(
            self.state,
            SlotState::Starting { .. } | SlotState::Ready { .. }
        );
        works && self.generation < self.fresh_from
    }

    /// Returns whether its worker is from before the reload, and about to exit.
    pub(super) fn is_dying(&self) -> bool {
        matches!(self.state, SlotState::Killed { .. }) && self.generation < self.fresh_from
    }

    /// Returns true if the reload under way has started its worker, which was never
    /// ready.
    pub(super) fn is_unproven(&self) -> bool {
        let is_alive = matches!(
            self.state,
            SlotState::Starting { .. } | SlotState::Killed { .. }
        );
        is_alive && self.fresh_from <= self.generation && self.attempts > 0
    }

    /// Returns whether its worker was ready for so long.
    pub(super) fn has_lasted(&self, long: Duration, now: Duration) -> bool {
        match self.state {
            SlotState::Ready { since, .. } => now.saturating_sub(since) >= long,
            SlotState::Killed { had_lasted } => had_lasted,
            _ => false,
        }
    }
}
