//! The slots of a supervisor.

use crate::scale::WorkerId;
use std::time::Duration;

/// The number of starts in a row that may fail before the next one waits.
const IMMEDIATE_STARTS: u32 = 5;

/// A position that should have a worker at all times.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// The number of workers that were started here.
    pub(super) start_count: u64,
    /// The number of workers in a row that were replaced before they were stable.
    pub(super) unstable_replacements: u32,
    /// The number of workers started since the last one became ready.
    pub(super) starts_since_ready: u32,
    /// The generation of the current worker, or of the last one.
    pub(super) generation: u64,
    pub(super) state: SlotState,
    /// Set once the current worker has requested its replacement.
    pub(super) is_retiring: bool,
    pub(super) replacement: Option<Replacement>,
    /// The first generation that the reload in progress does not replace.
    pub(super) first_new_generation: u64,
    /// The times of recent replacements, recorded under `Escalation::Intensity` only.
    pub(super) recent_replacements: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum SlotState {
    /// Has no worker and wants none.
    #[default]
    Empty,
    /// Has no worker; the next one starts at `until`.
    Waiting { until: Duration },
    /// Started; killed if it is not ready at `until`.
    Starting { until: Duration },
    /// Ready; killed if it sends no heartbeat before `until`.
    Ready { since: Duration, until: Duration },
    /// Being killed; it has not exited yet.
    Killed { was_stable: bool },
}

/// The successor of a worker that still occupies the slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement {
    /// It starts at `until`.
    Waiting { until: Duration },
    /// Started; killed if it is not ready at `until`.
    Starting { generation: u64, until: Duration },
}

/// A worker that has left its slot and is about to exit.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainingWorker {
    pub(super) id: WorkerId,
    /// The time at which it is killed.
    pub(super) until: Duration,
    pub(super) is_killed: bool,
    /// Set if the reload in progress waits for its exit.
    pub(super) blocks_reload: bool,
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
    /// Counts a start and returns the generation of the new worker.
    pub(super) fn next_generation(&mut self) -> u64 {
        self.start_count += 1;
        self.starts_since_ready = self.starts_since_ready.saturating_add(1);
        self.start_count
    }

    /// Returns the next deadline, or `Duration::MAX` if there is none.
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

    /// Returns whether the slot has a worker that has not been reported as exited.
    pub(super) fn has_worker(&self) -> bool {
        !matches!(self.state, SlotState::Waiting { .. } | SlotState::Empty)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, SlotState::Ready { .. })
    }

    /// Returns whether this generation is the replacement that is starting.
    pub(super) fn is_replaced_by(&self, worker: u64) -> bool {
        matches!(self.replacement, Some(Replacement::Starting { generation, .. }) if generation == worker)
    }

    /// Cancels a replacement that has not started yet.
    pub(super) fn cancel_pending_replacement(&mut self) {
        if !self.has_replacement_starting() {
            self.replacement = None;
            self.is_retiring = false;
        }
    }

    pub(super) fn has_replacement_starting(&self) -> bool {
        matches!(self.replacement, Some(Replacement::Starting { .. }))
    }

    /// Returns the number of failed starts in a row beyond those that are retried at
    /// once.
    pub(super) fn delayed_start_failures(&self) -> u32 {
        self.starts_since_ready.saturating_sub(IMMEDIATE_STARTS)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.delayed_start_failures() > 0
    }

    /// Returns whether a starting worker can be expected to become ready.
    pub(super) fn is_expected_to_serve(&self) -> bool {
        let is_starting = matches!(self.state, SlotState::Starting { .. });
        (is_starting || self.has_replacement_starting()) && !self.is_failing()
    }

    /// Returns whether the reload in progress still has to replace the worker.
    pub(super) fn is_stale(&self) -> bool {
        let is_active = matches!(
            self.state,
            SlotState::Starting { .. } | SlotState::Ready { .. }
        );
        is_active && self.generation < self.first_new_generation
    }

    /// Returns whether the worker is from before the reload and is being killed.
    pub(super) fn is_being_killed(&self) -> bool {
        matches!(self.state, SlotState::Killed { .. })
            && self.generation < self.first_new_generation
    }

    /// Returns whether the reload in progress started the worker and it was never
    /// ready.
    pub(super) fn is_new_and_unready(&self) -> bool {
        let is_alive = matches!(
            self.state,
            SlotState::Starting { .. } | SlotState::Killed { .. }
        );
        is_alive && self.first_new_generation <= self.generation && self.starts_since_ready > 0
    }

    /// Returns whether the worker has been ready for at least this long.
    pub(super) fn is_stable(&self, stable_after: Duration, now: Duration) -> bool {
        match self.state {
            SlotState::Ready { since, .. } => now.saturating_sub(since) >= stable_after,
            SlotState::Killed { was_stable } => was_stable,
            _ => false,
        }
    }
}
