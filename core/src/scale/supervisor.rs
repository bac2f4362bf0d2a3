//! A supervisor: restarts workers that exit, replaces workers on request, and reloads
//! all of them without a gap.

mod action;
mod backoff;
mod options;
mod slot;

pub use action::Action;
pub use options::{Escalation, SupervisorOptions};

use super::WorkerId;
use backoff::Backoff;
use slot::{DrainingWorker, Replacement, Slot, SlotState};
use std::{collections::VecDeque, mem, time::Duration};

/// The longest pause before the replacement of a [retiring](Supervisor::retire)
/// worker starts. A flood of requests that make workers retire therefore starts at
/// most about one process per second and slot.
const RETIRE_PAUSE: Duration = Duration::from_secs(1);

/// The number of draining workers in a slot at which the next replacement is delayed.
const MAX_DRAINING: usize = 4;

/// Keeps a number of workers running by replacing each one that exits.
///
/// A supervisor is a state machine that performs no I/O. Its driver reports each
/// event with its time, takes [`next_action`](Self::next_action)s until there are
/// none, and calls [`tick`](Self::tick) at the
/// [`next_deadline`](Self::next_deadline). Times come from a [`Clock`](crate::Clock)
/// and never decrease.
///
/// - **One for one**: a worker's exit affects only its own slot, whatever the reason.
///   Pauses are per slot.
/// - **Replace first, then drain**: a worker that [retires](Self::retire), and each
///   worker in a [`reload`](Self::reload), serves until its replacement is ready.
/// - **Exponential backoff**: the first replacement starts immediately. If it is not
///   [stable](SupervisorOptions::stable_after) before it exits, the next one waits:
///   100 ms, doubling up to 10 s, each pause shortened by a random amount of up to
///   half so that workers do not start in step. A stable worker resets the pause.
/// - **Availability over backoff**: while no worker is ready or starting, the pauses
///   of slots whose workers can start are cut short. Only a slot whose starts keep
///   failing stays in its pause.
/// - **Escalation is a choice**: by [default](Escalation), the supervisor gives up
///   only if no worker of any slot has been ready for 30 s.
/// - **Readiness and heartbeats**: a worker that is not [`ready`](Self::ready) in
///   time is killed. So is a ready worker that misses a
///   [`heartbeat`](Self::heartbeat), if heartbeats are expected.
/// - **Operation**: [`reload`](Self::reload) replaces all workers without a gap,
///   [`scale_to`](Self::scale_to) changes their number, and
///   [`shutdown`](Self::shutdown) stops them. Workers drain first and are killed if
///   draining takes too long.
///
/// A [`WorkerId`] identifies a worker. Reports about a worker that has exited or was
/// never started are ignored.
///
/// Dropping a supervisor stops no workers: that is up to its owner.
///
/// ```
/// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), ms(0));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(1, 1))));
/// supervisor.ready(WorkerId::new(0, 1), ms(20));
/// supervisor.ready(WorkerId::new(1, 1), ms(20));
///
/// // A worker crashes and is replaced immediately.
/// supervisor.exited(WorkerId::new(0, 1), ms(500));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
///
/// // The replacement crashes too, so the next one waits,
/// supervisor.ready(WorkerId::new(0, 2), ms(505));
/// supervisor.exited(WorkerId::new(0, 2), ms(510));
/// assert_eq!(supervisor.next_action(), None);
/// let later = supervisor.next_deadline().unwrap();
/// assert!(ms(510 + 50) <= later && later <= ms(510 + 100));
///
/// // but not once the other worker has crashed as well.
/// supervisor.exited(WorkerId::new(1, 1), ms(511));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(1, 2))));
/// ```
#[derive(Clone, Debug)]
pub struct Supervisor {
    options: SupervisorOptions,
    /// The wanted slots, followed by slots that were removed. A removed slot keeps
    /// its generation count in case it is added again.
    slots: Vec<Slot>,
    wanted: usize,
    /// Workers that are draining or being killed and no longer occupy a slot.
    draining: Vec<DrainingWorker>,
    backoff: Backoff,
    /// The time since which no worker has been ready, although some are wanted.
    none_ready_since: Option<Duration>,
    restarts: u64,
    reload: ReloadState,
    has_escalated: bool,
    is_shut_down: bool,
    actions: VecDeque<Action>,
    /// The earliest deadline, or `Duration::MAX`. Kept because drivers need it after
    /// every message of every worker.
    deadline: Duration,
}

/// The progress of a rolling reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReloadState {
    None,
    InProgress,
    /// In progress, with another reload queued behind it.
    InProgressAndQueued,
}

impl Supervisor {
    /// Creates a supervisor and queues the start of one worker for each of `slots`
    /// slots.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
    /// assert_eq!(supervisor.next_action(), None);
    /// ```
    #[must_use]
    pub fn new(slots: usize, options: SupervisorOptions, now: Duration) -> Self {
        let mut supervisor = Supervisor {
            slots: vec![Slot::default(); slots],
            wanted: slots,
            draining: Vec::new(),
            backoff: Backoff::new(&options),
            none_ready_since: None,
            restarts: 0,
            reload: ReloadState::None,
            has_escalated: false,
            is_shut_down: false,
            actions: VecDeque::new(),
            deadline: Duration::MAX,
            options,
        };
        for slot in 0..slots {
            supervisor.start(slot, now);
        }
        supervisor.reconcile(now);
        supervisor
    }

    /// Returns the next action for the driver, or `None` until another event is
    /// reported.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// while let Some(action) = supervisor.next_action() {
    ///     assert!(matches!(action, Action::Start(worker) if worker.generation == 1));
    /// }
    /// ```
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns the time of the next [`tick`](Self::tick) if no event comes first, or
    /// `None` if only an event can change anything.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(2)));
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), None);
    /// ```
    pub fn next_deadline(&self) -> Option<Duration> {
        // `Duration::MAX` stands for no deadline.
        Some(self.deadline).filter(|at| *at < Duration::MAX)
    }

    /// Reports the current time. Before the [`next_deadline`](Self::next_deadline), a
    /// tick changes nothing.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    /// supervisor.tick(Duration::from_secs(1));
    /// assert_eq!(supervisor.next_action(), None);
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill(WorkerId::new(0, 1))));
    /// ```
    pub fn tick(&mut self, now: Duration) {
        let is_due = |deadline: Duration| deadline <= now && deadline < Duration::MAX;
        if !is_due(self.deadline) {
            return;
        }
        if is_due(self.escalation_deadline()) {
            self.escalate(now);
        }
        for slot in 0..self.slots.len() {
            if is_due(self.slots[slot].deadline()) {
                self.tick_slot(slot, now);
            }
        }
        for worker in &mut self.draining {
            if is_due(worker.deadline()) {
                worker.is_killed = true;
                self.actions.push_back(Action::Kill(worker.id));
            }
        }
        self.reconcile(now);
    }

    /// Reports that the supervisor itself was suspended for `paused` until now,
    /// because its process or the whole machine was stopped.
    ///
    /// The workers may have been suspended too, so the pause does not count against
    /// them. Every worker gets its full time again to become ready or to send its
    /// next heartbeat, and `paused` more to drain. The time without a ready worker is
    /// extended as well.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().heartbeat_within(secs(5));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    /// supervisor.resumed(secs(60), secs(62));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(67)));
    /// ```
    pub fn resumed(&mut self, paused: Duration, now: Duration) {
        let heartbeat_deadline = self.heartbeat_deadline(now);
        let ready_deadline = now.saturating_add(self.options.ready_within);
        for slot in &mut self.slots {
            match &mut slot.state {
                SlotState::Ready { until, .. } => *until = heartbeat_deadline,
                SlotState::Starting { until } => *until = ready_deadline,
                _ => {}
            }
            if let Some(Replacement::Starting { until, .. }) = &mut slot.replacement {
                *until = ready_deadline;
            }
        }
        for worker in &mut self.draining {
            worker.until = worker.until.saturating_add(paused);
        }
        if let Some(since) = &mut self.none_ready_since {
            *since = since.saturating_add(paused);
        }
        self.update_deadline();
    }

    /// Reports that a worker is ready to take work.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(2, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// // The other worker is not ready in time.
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill(WorkerId::new(1, 1))));
    /// ```
    pub fn ready(&mut self, id: WorkerId, now: Duration) {
        let until = self.heartbeat_deadline(now);
        let Some(worker) = self.slots.get_mut(id.slot) else {
            return;
        };
        let state = SlotState::Ready { since: now, until };
        if worker.generation == id.generation {
            if let SlotState::Starting { .. } = worker.state {
                worker.starts_since_ready = 0;
                worker.state = state;
            }
        } else if worker.is_replaced_by(id.generation) {
            let was_killed = matches!(worker.state, SlotState::Killed { .. });
            let old = mem::replace(&mut worker.generation, id.generation);
            worker.starts_since_ready = 0;
            worker.replacement = None;
            worker.is_retiring = false;
            worker.state = state;
            let blocks_reload =
                self.reload != ReloadState::None && old < worker.first_new_generation;
            let until = now.saturating_add(self.options.drain_within);
            let old = DrainingWorker {
                id: WorkerId::new(id.slot, old),
                until,
                is_killed: was_killed,
                blocks_reload,
            };
            self.drain(old);
        }
        self.reconcile(now);
    }

    /// Reports a heartbeat of a ready worker. If the next one does not arrive [in
    /// time](SupervisorOptions::heartbeat_within), the worker is killed.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().heartbeat_within(secs(5));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    /// supervisor.heartbeat(WorkerId::new(0, 1), secs(4));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(9)));
    /// supervisor.tick(secs(9));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill(WorkerId::new(0, 1))));
    /// ```
    pub fn heartbeat(&mut self, id: WorkerId, now: Duration) {
        let heartbeat_deadline = self.heartbeat_deadline(now);
        if let Some(worker) = self.slots.get_mut(id.slot)
            && worker.generation == id.generation
            && let SlotState::Ready { until, .. } = &mut worker.state
        {
            let earlier = mem::replace(until, heartbeat_deadline).min(heartbeat_deadline);
            if earlier <= self.deadline {
                self.update_deadline();
            }
        }
    }

    /// Reports that a worker requests its replacement, for example after a bug. It
    /// keeps serving until its replacement is ready, and then
    /// [drains](Action::Drain).
    ///
    /// - The replacement starts immediately. If workers of the same slot retire
    ///   repeatedly, replacements are delayed by up to a second.
    /// - If a replacement fails, the next one starts after a pause. The old worker
    ///   keeps serving.
    /// - If the old worker exits in the meantime, its replacement takes over the
    ///   slot.
    /// - A second request from the same worker is ignored.
    /// - A worker that retires before it is ready drains immediately, which counts as
    ///   a failed start.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), secs(0));
    /// while supervisor.next_action().is_some() {}
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    ///
    /// supervisor.retire(WorkerId::new(0, 1), secs(5));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
    /// assert!(supervisor.is_ready(0), "the old worker still serves");
    /// assert_eq!(supervisor.next_action(), None);
    ///
    /// supervisor.ready(WorkerId::new(0, 2), secs(6));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain(WorkerId::new(0, 1))));
    /// ```
    pub fn retire(&mut self, id: WorkerId, now: Duration) {
        let WorkerId { slot, generation } = id;
        let Some(worker) = self.slots.get_mut(slot) else {
            return;
        };
        let occupies_slot = worker.generation == generation && slot < self.wanted;
        let is_starting = occupies_slot && matches!(worker.state, SlotState::Starting { .. });
        if is_starting || worker.is_replaced_by(generation) {
            let until = now.saturating_add(self.options.drain_within);
            self.drain(DrainingWorker {
                id,
                until,
                is_killed: false,
                blocks_reload: self.reload != ReloadState::None,
            });
            self.on_worker_gone(id, now);
        } else if occupies_slot && worker.is_ready() && !mem::replace(&mut worker.is_retiring, true)
        {
            if self.exceeds_intensity(slot, now) {
                self.escalate(now);
            } else if self.slots[slot].replacement.is_none() {
                let pause = self.pause(slot, now).min(RETIRE_PAUSE);
                let pause = self.pause_for_drains(slot, now).max(pause);
                self.replace_after(slot, pause, now);
            }
        }
        self.reconcile(now);
    }

    /// Reports that a worker has exited, for any reason, or could not be started.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2, "already replaced");
    /// ```
    pub fn exited(&mut self, id: WorkerId, now: Duration) {
        if let Some(at) = self.draining.iter().position(|it| it.id == id) {
            self.draining.swap_remove(at);
            if let Some(worker) = self.slots.get_mut(id.slot)
                && let Some(Replacement::Waiting { until }) = &mut worker.replacement
            {
                *until = now.saturating_add(RETIRE_PAUSE).min(*until);
            }
        } else {
            self.on_worker_gone(id, now);
        }
        self.reconcile(now);
    }

    /// Replaces all workers, one slot at a time. A new worker starts beside the old
    /// one; once it is ready, the old worker [drains](Action::Drain); once that has
    /// exited, the next slot follows. A reload therefore runs at most one worker more
    /// than wanted.
    ///
    /// It ends with [`Action::Reloaded`], or with [`Action::ReloadAborted`] if a new
    /// worker exits before it is ready or is not ready in time. After an aborted
    /// reload the remaining old workers keep serving, and the failure does not count
    /// as a restart. If an old worker exits during the reload, the new worker beside
    /// it takes over its slot, and other slots are filled as usual.
    ///
    /// A reload requested during another one runs after it. Multiple such requests
    /// run only once. After [`shutdown`](Self::shutdown) or an
    /// [escalation](Action::Escalate), this does nothing.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
    /// supervisor.ready(WorkerId::new(0, 1), ms(10));
    ///
    /// supervisor.reload(ms(500));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
    /// assert!(supervisor.is_ready(0), "the old worker still serves");
    ///
    /// supervisor.ready(WorkerId::new(0, 2), ms(510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain(WorkerId::new(0, 1))));
    /// supervisor.exited(WorkerId::new(0, 1), ms(1_510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Reloaded));
    /// assert_eq!(supervisor.restarts(), 0);
    /// ```
    pub fn reload(&mut self, now: Duration) {
        if self.is_stopping() {
            return;
        }
        if self.reload == ReloadState::None {
            self.begin_reload(now);
        } else {
            self.reload = ReloadState::InProgressAndQueued;
        }
        self.reconcile(now);
    }

    /// Sets the number of wanted workers. New slots start their workers immediately.
    /// The workers of surplus slots, the last ones, drain; a ready worker among them
    /// drains only once a worker of a remaining slot is ready.
    ///
    /// After [`shutdown`](Self::shutdown) or an [escalation](Action::Escalate), this
    /// does nothing.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
    ///
    /// supervisor.scale_to(2, ms(10));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(1, 1))));
    /// supervisor.scale_to(1, ms(20));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain(WorkerId::new(1, 1))));
    /// assert_eq!(supervisor.slots(), 1);
    /// ```
    pub fn scale_to(&mut self, slots: usize, now: Duration) {
        if self.is_stopping() {
            return;
        }
        let before = mem::replace(&mut self.wanted, slots);
        if self.slots.len() < slots {
            self.slots.resize(slots, Slot::default());
        }
        for slot in before..slots {
            if !self.slots[slot].has_worker() {
                self.start(slot, now);
            }
        }
        self.reconcile(now);
    }

    /// Shuts down: all workers drain, and no further worker is started. A worker that
    /// does not exit in time is killed. [`is_stopped`](Self::is_stopped) returns true
    /// once all have exited.
    ///
    /// A reload in progress ends without a further action. A second call, or a call
    /// after an [escalation](Action::Escalate), does nothing.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let options = SupervisorOptions::new().stop_within(ms(3_000));
    /// let mut supervisor = Supervisor::new(1, options, ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
    /// supervisor.ready(WorkerId::new(0, 1), ms(10));
    ///
    /// supervisor.shutdown(ms(500));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain(WorkerId::new(0, 1))));
    /// assert_eq!(supervisor.next_deadline(), Some(ms(3_500)));
    /// supervisor.exited(WorkerId::new(0, 1), ms(700));
    /// assert!(supervisor.is_stopped());
    /// ```
    pub fn shutdown(&mut self, now: Duration) {
        if self.is_stopping() {
            return;
        }
        self.is_shut_down = true;
        self.reload = ReloadState::None;
        for slot in 0..self.slots.len() {
            self.drain_slot(slot, self.options.stop_within, now);
        }
        self.shorten_drains(now);
        self.update_deadline();
    }

    /// Returns whether the worker of a slot is ready; false for a slot that does not
    /// exist.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// assert!(!supervisor.is_ready(0));
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// ```
    pub fn is_ready(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Slot::is_ready)
    }

    /// Returns the number of slots with a ready worker.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.ready(WorkerId::new(1, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.ready_count(), 1);
    /// ```
    pub fn ready_count(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_ready()).count()
    }

    /// Returns the number of wanted workers.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.slots(), 2);
    /// ```
    pub fn slots(&self) -> usize {
        self.wanted
    }

    /// Returns the number of workers that were started in a slot, including a
    /// replacement that is not ready yet; 0 for a slot that never existed.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!((supervisor.generation(0), supervisor.generation(1)), (2, 0));
    /// ```
    pub fn generation(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |worker| worker.start_count)
    }

    /// Returns whether a slot's workers fail to start: five or more in a row exited
    /// before they were ready. The slot keeps trying, with pauses. An older worker
    /// may still serve there.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// for generation in 1..=5 {
    ///     assert!(!supervisor.is_failing(0));
    ///     supervisor.exited(WorkerId::new(0, generation), Duration::ZERO);
    /// }
    /// assert!(supervisor.is_failing(0));
    /// ```
    pub fn is_failing(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Slot::is_failing)
    }

    /// Returns the number of replacements so far, including those that have not
    /// started yet.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.restarts(), 0);
    /// supervisor.exited(WorkerId::new(1, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.restarts(), 1);
    /// ```
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Returns whether the supervisor has given up.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let once = SupervisorOptions::new().intensity(1, Duration::from_secs(60));
    /// let mut supervisor = Supervisor::new(2, once, Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// supervisor.exited(WorkerId::new(0, 2), Duration::from_secs(2));
    /// assert!(supervisor.has_escalated());
    /// assert_eq!(supervisor.restarts(), 1);
    ///
    /// let mut last = None;
    /// while let Some(action) = supervisor.next_action() {
    ///     last = Some(action);
    /// }
    /// assert_eq!(last, Some(Action::Escalate));
    /// ```
    pub fn has_escalated(&self) -> bool {
        self.has_escalated
    }

    /// Returns whether a rolling reload is in progress.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.reload(Duration::from_secs(1));
    /// assert!(supervisor.is_reloading());
    /// ```
    pub fn is_reloading(&self) -> bool {
        self.reload != ReloadState::None
    }

    /// Returns whether the supervisor was [shut down](Self::shutdown) or has given
    /// up, and all workers have exited.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.shutdown(Duration::from_secs(1));
    /// assert!(!supervisor.is_stopped());
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(2));
    /// assert!(supervisor.is_stopped());
    /// ```
    pub fn is_stopped(&self) -> bool {
        self.is_stopping() && self.draining.is_empty()
    }

    /// Returns whether the supervisor no longer starts workers.
    fn is_stopping(&self) -> bool {
        self.is_shut_down || self.has_escalated
    }

    fn start(&mut self, slot: usize, now: Duration) {
        let generation = self.slots[slot].next_generation();
        let until = now.saturating_add(self.options.ready_within);
        self.slots[slot].generation = generation;
        self.slots[slot].state = SlotState::Starting { until };
        self.actions
            .push_back(Action::Start(WorkerId::new(slot, generation)));
    }

    /// Starts a worker beside the one that occupies the slot.
    fn start_replacement(&mut self, slot: usize, now: Duration) {
        let generation = self.slots[slot].next_generation();
        let until = now.saturating_add(self.options.ready_within);
        self.slots[slot].replacement = Some(Replacement::Starting { generation, until });
        self.actions
            .push_back(Action::Start(WorkerId::new(slot, generation)));
    }

    fn replace_after(&mut self, slot: usize, pause: Duration, now: Duration) {
        if pause.is_zero() {
            self.start_replacement(slot, now);
        } else {
            let until = now.saturating_add(pause);
            self.slots[slot].replacement = Some(Replacement::Waiting { until });
        }
    }

    /// Handles the expired deadline of a slot.
    fn tick_slot(&mut self, slot: usize, now: Duration) {
        let was_stable = self.slots[slot].is_stable(self.options.stable_after, now);
        let worker = &mut self.slots[slot];
        let id = WorkerId::new(slot, worker.generation);
        match worker.state {
            SlotState::Waiting { until } if until <= now => self.start(slot, now),
            SlotState::Starting { until } | SlotState::Ready { until, .. } if until <= now => {
                worker.state = SlotState::Killed { was_stable };
                self.actions.push_back(Action::Kill(id));
            }
            _ => {}
        }
        match self.slots[slot].replacement {
            Some(Replacement::Waiting { until }) if until <= now => {
                self.start_replacement(slot, now);
            }
            Some(Replacement::Starting { generation, until }) if until <= now => {
                let id = WorkerId::new(slot, generation);
                self.kill(id, now);
                self.on_worker_gone(id, now);
            }
            _ => {}
        }
    }

    /// Handles the loss of a worker: the one that occupies the slot, or a replacement
    /// that was not ready yet.
    fn on_worker_gone(&mut self, id: WorkerId, now: Duration) {
        let WorkerId { slot, generation } = id;
        let Some(worker) = self.slots.get_mut(slot) else {
            return;
        };
        if worker.is_replaced_by(generation) {
            worker.replacement = None;
            if self.reload != ReloadState::None && worker.first_new_generation <= generation {
                // A failed reload is not a failed start of the current program.
                worker.starts_since_ready = worker.starts_since_ready.saturating_sub(1);
                self.actions.push_back(Action::ReloadAborted(id));
                self.end_reload(now);
            }
            if self.slots[slot].is_retiring && slot < self.wanted {
                if self.exceeds_intensity(slot, now) {
                    return self.escalate(now);
                }
                let pause = self.pause(slot, now);
                self.replace_after(slot, pause, now);
            }
            return;
        }
        if worker.generation != generation || !worker.has_worker() {
            return;
        }
        if self.wanted <= slot {
            worker.state = SlotState::Empty;
            return;
        }
        if self.reload != ReloadState::None && self.slots[slot].is_new_and_unready() {
            self.actions.push_back(Action::ReloadAborted(id));
            self.end_reload(now);
        }
        let worker = &mut self.slots[slot];
        // The replacement was scheduled when the worker retired.
        let was_retiring = mem::take(&mut worker.is_retiring);
        if !was_retiring && self.exceeds_intensity(slot, now) {
            self.slots[slot].state = SlotState::Empty;
            return self.escalate(now);
        }
        match self.slots[slot].replacement.take() {
            Some(Replacement::Starting { generation, until }) => {
                self.restarts += u64::from(!was_retiring);
                let worker = &mut self.slots[slot];
                worker.generation = generation;
                worker.state = SlotState::Starting { until };
            }
            Some(Replacement::Waiting { until }) => {
                self.slots[slot].state = SlotState::Waiting { until };
            }
            None => {
                let pause = self.pause(slot, now);
                if pause.is_zero() {
                    self.start(slot, now);
                } else {
                    let until = now.saturating_add(pause);
                    self.slots[slot].state = SlotState::Waiting { until };
                }
            }
        }
    }

    /// Counts a replacement and returns the pause before it starts.
    fn pause(&mut self, slot: usize, now: Duration) -> Duration {
        self.restarts += 1;
        let is_stable = self.slots[slot].is_stable(self.options.stable_after, now);
        let worker = &mut self.slots[slot];
        if worker.starts_since_ready > 0 {
            return self.backoff.pause(worker.delayed_start_failures());
        }
        if is_stable {
            worker.unstable_replacements = 0;
        }
        let pause = self.backoff.pause(worker.unstable_replacements);
        worker.unstable_replacements = worker.unstable_replacements.saturating_add(1);
        pause
    }

    /// Returns how long a replacement waits for draining workers of its slot. This
    /// bounds the number of processes when bugs occur faster than workers drain.
    fn pause_for_drains(&self, slot: usize, now: Duration) -> Duration {
        let draining = self.draining.iter().filter(|worker| worker.id.slot == slot);
        if draining.clone().count() < MAX_DRAINING {
            return Duration::ZERO;
        }
        let next = draining.map(|worker| worker.until).min();
        next.map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }

    /// Records a replacement in a slot under [`Escalation::Intensity`] and returns
    /// whether it exceeds the limit.
    fn exceeds_intensity(&mut self, slot: usize, now: Duration) -> bool {
        let worker = &mut self.slots[slot];
        let Escalation::Intensity { restarts, period } = self.options.escalation else {
            return false;
        };
        if worker.is_stable(self.options.stable_after, now) {
            return false;
        }
        let is_old = |replaced_at: &Duration| now.saturating_sub(*replaced_at) > period;
        worker
            .recent_replacements
            .retain(|replaced_at| !is_old(replaced_at));
        worker.recent_replacements.push(now);
        worker.recent_replacements.len() > restarts
    }

    /// Returns the time at which the supervisor gives up if no worker becomes ready.
    fn escalation_deadline(&self) -> Duration {
        match (self.options.escalation, self.none_ready_since) {
            (Escalation::NoneReady { within }, Some(since)) if !self.is_stopping() => {
                since.saturating_add(within)
            }
            _ => Duration::MAX,
        }
    }

    /// Gives up: ready workers drain, and starting workers are killed.
    fn escalate(&mut self, now: Duration) {
        self.has_escalated = true;
        self.reload = ReloadState::None;
        for slot in 0..self.slots.len() {
            let worker = &mut self.slots[slot];
            let id = WorkerId::new(slot, worker.generation);
            let replacement = worker.replacement.take();
            if let SlotState::Starting { .. } = worker.state {
                worker.state = SlotState::Empty;
                self.kill(id, now);
            }
            if let Some(Replacement::Starting { generation, .. }) = replacement {
                self.kill(WorkerId::new(slot, generation), now);
            }
            self.drain_slot(slot, self.options.stop_within, now);
        }
        self.shorten_drains(now);
        self.actions.push_back(Action::Escalate);
    }

    /// Reconciles the slots with the wanted state after each event.
    fn reconcile(&mut self, now: Duration) {
        if !self.is_stopping() {
            self.reconcile_slots(now);
        }
        self.update_deadline();
    }

    fn update_deadline(&mut self) {
        // Loops, because chained iterators take twice as long, and each heartbeat may
        // get here.
        let mut deadline = self.escalation_deadline();
        for slot in &self.slots {
            deadline = deadline.min(slot.deadline());
        }
        for worker in &self.draining {
            deadline = deadline.min(worker.deadline());
        }
        self.deadline = deadline;
    }

    fn reconcile_slots(&mut self, now: Duration) {
        let wanted = &self.slots[..self.wanted];
        let any_ready = wanted.is_empty() || wanted.iter().any(Slot::is_ready);
        let any_starting = wanted.iter().any(Slot::is_expected_to_serve);
        if self.ready_count() > 0 || wanted.is_empty() {
            self.none_ready_since = None;
        } else {
            self.none_ready_since.get_or_insert(now);
        }
        if !any_ready && !any_starting {
            self.start_without_pause(now);
        }
        for slot in self.wanted..self.slots.len() {
            // A ready surplus worker stays until another one is ready.
            if any_ready || !self.slots[slot].is_ready() {
                self.drain_slot(slot, self.options.drain_within, now);
            }
            self.slots[slot].cancel_pending_replacement();
        }
        self.continue_reload(now);
    }

    /// Starts the next waiting worker immediately, unless its slot keeps failing.
    fn start_without_pause(&mut self, now: Duration) {
        let slots = (0..).zip(&self.slots[..self.wanted]);
        let waiting = slots.filter_map(|(slot, worker)| match worker.state {
            SlotState::Waiting { until } if !worker.is_failing() => Some((until, slot)),
            _ => None,
        });
        if let Some((_, slot)) = waiting.min() {
            self.start(slot, now);
        }
    }

    /// Starts the next replacement of a reload, or reports that the reload is
    /// complete. Does nothing while the reload has to wait.
    fn continue_reload(&mut self, now: Duration) {
        let must_wait = self.slots.iter().any(Slot::has_replacement_starting)
            || self.slots[self.wanted..].iter().any(Slot::has_worker)
            || self.draining.iter().any(|worker| worker.blocks_reload);
        if self.reload == ReloadState::None || must_wait {
            return;
        }
        let wanted = &self.slots[..self.wanted];
        if wanted.iter().any(Slot::is_new_and_unready) {
            return;
        }
        if let Some(slot) = wanted.iter().position(Slot::is_stale) {
            self.start_replacement(slot, now);
        } else if !wanted.iter().any(Slot::is_being_killed) {
            self.actions.push_back(Action::Reloaded);
            self.end_reload(now);
            self.continue_reload(now);
        }
        // Otherwise the reload continues when the last killed worker exits.
    }

    fn begin_reload(&mut self, now: Duration) {
        self.reload = ReloadState::InProgress;
        for slot in 0..self.slots.len() {
            let worker = &mut self.slots[slot];
            worker.first_new_generation = worker.start_count + 1;
            // The new program may start even if the old one could not.
            worker.starts_since_ready = worker.starts_since_ready.min(1);
            if let SlotState::Waiting { .. } = worker.state {
                self.start(slot, now);
            }
        }
    }

    /// Ends the reload and begins the queued one, if any.
    fn end_reload(&mut self, now: Duration) {
        let is_reload_queued = self.reload == ReloadState::InProgressAndQueued;
        self.reload = ReloadState::None;
        if is_reload_queued {
            self.begin_reload(now);
        }
    }

    /// Drains a worker that has left its slot, unless it is being killed already.
    fn drain(&mut self, worker: DrainingWorker) {
        if !worker.is_killed {
            self.actions.push_back(Action::Drain(worker.id));
        }
        self.draining.push(worker);
    }

    /// Kills a worker that has left its slot.
    fn kill(&mut self, id: WorkerId, now: Duration) {
        self.draining.push(DrainingWorker {
            id,
            until: now,
            is_killed: true,
            blocks_reload: true,
        });
        self.actions.push_back(Action::Kill(id));
    }

    /// Limits the remaining time of draining workers to `stop_within`.
    fn shorten_drains(&mut self, now: Duration) {
        let until = now.saturating_add(self.options.stop_within);
        for worker in &mut self.draining {
            worker.until = worker.until.min(until);
        }
    }

    /// Drains all workers of a slot and cancels pending starts.
    fn drain_slot(&mut self, slot: usize, limit: Duration, now: Duration) {
        let worker = &mut self.slots[slot];
        worker.is_retiring = false;
        let replacement = worker.replacement.take();
        let state = mem::replace(&mut worker.state, SlotState::Empty);
        let generation = worker.generation;
        if !matches!(state, SlotState::Waiting { .. } | SlotState::Empty) {
            self.drain(DrainingWorker {
                id: WorkerId::new(slot, generation),
                until: now.saturating_add(limit),
                is_killed: matches!(state, SlotState::Killed { .. }),
                blocks_reload: false,
            });
        }
        if let Some(Replacement::Starting { generation, .. }) = replacement {
            self.drain(DrainingWorker {
                id: WorkerId::new(slot, generation),
                until: now.saturating_add(limit),
                is_killed: false,
                blocks_reload: false,
            });
        }
    }

    /// Returns the deadline for the next heartbeat.
    fn heartbeat_deadline(&self, now: Duration) -> Duration {
        now.saturating_add(self.options.heartbeat_within)
    }
}
