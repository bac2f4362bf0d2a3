//! Restarts workers that exit, replaces workers that ask for it, and reloads all of
//! them.

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

/// The longest pause before the replacement of a worker that
/// [retires](Supervisor::retire) is started. Requests that make workers retire, sent
/// in a flood, start no more than about one process a second in each slot.
const RETIRE_PAUSE: Duration = Duration::from_secs(1);

/// How many workers of a slot drain at most before the next one that retires has to
/// wait for its replacement.
const MOST_DRAINING: usize = 4;

/// Keeps a number of workers running: it has every worker that exits replaced.
///
/// It is a state machine that does nothing by itself. Report each event with its
/// time, take its [`next_action`](Self::next_action)s until there are none, and call
/// [`tick`](Self::tick) at its [`next_deadline`](Self::next_deadline). Times come
/// from a [`Clock`](crate::Clock) and do not go back.
///
/// - **One for one**: the exit of a worker concerns its slot alone, whatever the
///   reason. Pauses are per slot.
/// - **Replace first, then drain**: a worker that asks to be replaced
///   ([`retire`](Self::retire)), and each worker in a [`reload`](Self::reload),
///   serves until its replacement is ready.
/// - **At once, then ever later**: the first replacement starts at once. If that
///   worker does not last ([`stable_after`](SupervisorOptions::stable_after)), the
///   next one waits: 100 ms, doubling up to 10 s, each shortened by up to half at
///   random, so that not all start at once. A worker that lasted resets this.
/// - **Never without a worker that can start**: while no worker is ready and none is
///   starting, nobody waits. A slot whose last worker was ready starts its next one
///   at once; only a slot whose own starts keep failing stays in its pause.
/// - **Escalation is a choice**: by [default](Escalation) it gives up only if no
///   worker of any slot has been ready for 30 s.
/// - **Readiness and heartbeats**: a worker that is not [`ready`](Self::ready) in
///   time is killed, and so is a ready worker without a
///   [`heartbeat`](Self::heartbeat), if heartbeats are expected.
/// - **Change in operation**: [`reload`](Self::reload) replaces all workers
///   without a gap, [`scale_to`](Self::scale_to) changes their number, and
///   [`shutdown`](Self::shutdown) ends them. Workers drain first, and are killed if
///   that takes too long.
///
/// A worker is named by its slot and its generation. Reports about a worker that
/// has exited, or that was never started, change nothing.
///
/// Dropping it does nothing: its owner ends the workers.
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
/// // A worker crashes, and is replaced at once.
/// supervisor.exited(WorkerId::new(0, 1), ms(500));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
///
/// // The replacement crashes too: the next one waits.
/// supervisor.ready(WorkerId::new(0, 2), ms(505));
/// supervisor.exited(WorkerId::new(0, 2), ms(510));
/// assert_eq!(supervisor.next_action(), None);
/// let later = supervisor.next_deadline().unwrap();
/// assert!(ms(510 + 50) <= later && later <= ms(510 + 100));
///
/// // But not if the other worker crashes as well: somebody has to serve.
/// supervisor.exited(WorkerId::new(1, 1), ms(511));
/// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(1, 2))));
/// ```
#[derive(Clone, Debug)]
pub struct Supervisor {
    options: SupervisorOptions,
    /// The slots that are wanted, and behind them those that once were: their
    /// generations go on if they are wanted again.
    slots: Vec<Slot>,
    wanted: usize,
    /// Workers that drain or are killed, and have no slot.
    draining: Vec<DrainingWorker>,
    backoff: Backoff,
    /// Since when no worker is ready although some are wanted.
    none_ready_since: Option<Duration>,
    restarts: u64,
    reload: ReloadState,
    has_escalated: bool,
    is_shut_down: bool,
    actions: VecDeque<Action>,
}

/// The progress of a rolling reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReloadState {
    None,
    UnderWay,
    /// Another one follows it.
    Twice,
}

impl Supervisor {
    /// Creates a supervisor of `slots` workers, all of which it has started now.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
            options,
        };
        for slot in 0..slots {
            supervisor.start(slot, now);
        }
        supervisor.reconcile(now);
        supervisor
    }

    /// Returns what is to be done next; `None` until something happens.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// while let Some(action) = supervisor.next_action() {
    ///     assert!(matches!(action, Action::Start(worker) if worker.generation == 1));
    /// }
    /// ```
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when to [`tick`](Self::tick) if nothing happens before; `None` if
    /// only an event can change anything.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(2)));
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), None);
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let slots = self.slots.iter().map(Slot::deadline);
        let draining = self.draining.iter().map(DrainingWorker::deadline);
        let all = slots.chain(draining).chain([self.gives_up_at()]);
        // "As long as it likes" is no deadline.
        all.min().filter(|at| *at < Duration::MAX)
    }

    /// Reports that time has passed. Before the
    /// [`next_deadline`](Self::next_deadline) this changes nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
        if is_due(self.gives_up_at()) {
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

    /// Reports that the supervisor itself could not run for `paused` until now: its
    /// process was stopped, or all of the machine was. The workers may have been
    /// stopped as well and may resume later, so nobody's silence counts: every
    /// worker has its full time again for its next heartbeat and to become ready,
    /// and `paused` more to drain. Time without a ready worker does not count
    /// either.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().heartbeat_within(secs(5));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    /// supervisor.resumed(secs(60), secs(62));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(67)));
    /// ```
    pub fn resumed(&mut self, paused: Duration, now: Duration) {
        let alive_until = self.alive_until(now);
        let ready_until = now.saturating_add(self.options.ready_within);
        for slot in &mut self.slots {
            match &mut slot.state {
                SlotState::Ready { until, .. } => *until = alive_until,
                SlotState::Starting { until } => *until = ready_until,
                _ => {}
            }
            if let Some(Replacement::Starting { until, .. }) = &mut slot.replacement {
                *until = ready_until;
            }
        }
        for worker in &mut self.draining {
            worker.until = worker.until.saturating_add(paused);
        }
        if let Some(since) = &mut self.none_ready_since {
            *since = since.saturating_add(paused);
        }
    }

    /// Reports that a worker can take work.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(2, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// // The other one is not ready in time.
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill(WorkerId::new(1, 1))));
    /// ```
    pub fn ready(&mut self, id: WorkerId, now: Duration) {
        let until = self.alive_until(now);
        let Some(worker) = self.slots.get_mut(id.slot) else {
            return;
        };
        let state = SlotState::Ready { since: now, until };
        if worker.generation == id.generation {
            if let SlotState::Starting { .. } = worker.state {
                worker.attempts = 0;
                worker.state = state;
            }
        } else if worker.is_replaced_by(id.generation) {
            let was_killed = matches!(worker.state, SlotState::Killed { .. });
            let old = mem::replace(&mut worker.generation, id.generation);
            worker.attempts = 0;
            worker.replacement = None;
            worker.is_retiring = false;
            worker.state = state;
            let is_of_reload = self.reload != ReloadState::None && old < worker.fresh_from;
            let until = now.saturating_add(self.options.drain_within);
            let old = DrainingWorker {
                id: WorkerId::new(id.slot, old),
                until,
                is_killed: was_killed,
                is_of_reload,
            };
            self.drain(old);
        }
        self.reconcile(now);
    }

    /// Reports a sign of life of a worker that is ready. If the next one does not
    /// come [in time](SupervisorOptions::heartbeat_within), the worker is killed.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
        let alive_until = self.alive_until(now);
        if let Some(worker) = self.slots.get_mut(id.slot)
            && worker.generation == id.generation
            && let SlotState::Ready { until, .. } = &mut worker.state
        {
            *until = alive_until;
        }
    }

    /// Reports that a worker asks to be replaced, as one does that had a bug. It
    /// serves on until its replacement is ready; then it [drains](Action::Drain).
    ///
    /// The replacement starts at once. If workers of a slot ask again and again,
    /// replacements wait, up to a second, while the old worker serves. If a
    /// replacement fails, the next one follows after a pause, and the old worker
    /// serves on. If the old worker exits meanwhile, its replacement takes the
    /// slot. A worker that asks twice is replaced once. A worker that asks before it
    /// is ready drains now, and has failed to start.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), secs(0));
    /// while supervisor.next_action().is_some() {}
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    ///
    /// supervisor.retire(WorkerId::new(0, 1), secs(5));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
    /// assert!(supervisor.is_ready(0), "the old worker serves");
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
        let holds = worker.generation == generation && slot < self.wanted;
        let is_starting = holds && matches!(worker.state, SlotState::Starting { .. });
        if is_starting || worker.is_replaced_by(generation) {
            let until = now.saturating_add(self.options.drain_within);
            self.drain(DrainingWorker {
                id,
                until,
                is_killed: false,
                is_of_reload: self.reload != ReloadState::None,
            });
            self.on_worker_gone(id, now);
        } else if holds && worker.is_ready() && !mem::replace(&mut worker.is_retiring, true) {
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

    /// Reports that a worker has exited, for whatever reason, or could not be
    /// started.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2, "that one was replaced already");
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

    /// Replaces all workers, one after the other: a new worker is started beside the
    /// old one, and when it is ready the old one [drains](Action::Drain). When that
    /// has exited, the next slot follows. So a reload never runs more than one
    /// worker in addition to those that are wanted.
    ///
    /// It ends with [`Action::Reloaded`]; or, if a new worker exits before it is
    /// ready, or is not ready in time, with [`Action::ReloadAborted`], and the old
    /// workers that are left serve on. That failure is not counted. If an old worker
    /// exits meanwhile, the new one beside it takes its slot, and other slots are
    /// filled as always.
    ///
    /// A reload that is asked for while another one is under way follows that one,
    /// once however often it was asked for. After [`shutdown`](Self::shutdown) and
    /// after an [escalation](Action::Escalate) it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 1))));
    /// supervisor.ready(WorkerId::new(0, 1), ms(10));
    ///
    /// supervisor.reload(ms(500));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start(WorkerId::new(0, 2))));
    /// assert!(supervisor.is_ready(0), "the old one goes on");
    ///
    /// supervisor.ready(WorkerId::new(0, 2), ms(510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain(WorkerId::new(0, 1))));
    /// supervisor.exited(WorkerId::new(0, 1), ms(1_510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Reloaded));
    /// assert_eq!(supervisor.restarts(), 0);
    /// ```
    pub fn reload(&mut self, now: Duration) {
        if self.is_ending() {
            return;
        }
        if self.reload == ReloadState::None {
            self.begin_reload(now);
        } else {
            self.reload = ReloadState::Twice;
        }
        self.reconcile(now);
    }

    /// Sets how many workers are wanted. New slots start theirs at once. The workers
    /// of the last slots, if those are too many, drain; but those that are ready only
    /// when a worker that stays is ready as well.
    ///
    /// After [`shutdown`](Self::shutdown) and after an
    /// [escalation](Action::Escalate) it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
        if self.is_ending() {
            return;
        }
        let before = mem::replace(&mut self.wanted, slots);
        if self.slots.len() < slots {
            self.slots.resize(slots, Slot::default());
        }
        for slot in before..slots {
            if !self.slots[slot].is_alive() {
                self.start(slot, now);
            }
        }
        self.reconcile(now);
    }

    /// Ends all workers: they drain, and from now on none is started. A worker that
    /// has not exited in time is killed. Once it [`is_stopped`](Self::is_stopped)
    /// there are none.
    ///
    /// A reload under way is dropped without a further action. Called again, or after
    /// an [escalation](Action::Escalate), it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
        if self.is_ending() {
            return;
        }
        self.is_shut_down = true;
        self.reload = ReloadState::None;
        for slot in 0..self.slots.len() {
            self.drain_slot(slot, self.options.stop_within, now);
        }
        self.shorten_drains(now);
    }

    /// Returns whether a slot's worker can take work; `false` for a slot that is none.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// assert!(!supervisor.is_ready(0));
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// ```
    #[must_use]
    pub fn is_ready(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Slot::is_ready)
    }

    /// Returns how many slots' workers can take work.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.ready(WorkerId::new(1, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.ready_count(), 1);
    /// ```
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_ready()).count()
    }

    /// Returns how many workers are wanted.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.slots(), 2);
    /// ```
    #[must_use]
    pub fn slots(&self) -> usize {
        self.wanted
    }

    /// Returns how often a worker of a slot was started, replacements that are not
    /// ready yet included; 0 for a slot that never was one.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!((supervisor.generation(0), supervisor.generation(1)), (2, 0));
    /// ```
    #[must_use]
    pub fn generation(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |worker| worker.started)
    }

    /// Returns whether a slot's workers fail to start: five in a row or more ended
    /// before they were ready. They are started again and again, after pauses. An
    /// older worker may still serve there.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// for generation in 1..=5 {
    ///     assert!(!supervisor.is_failing(0));
    ///     supervisor.exited(WorkerId::new(0, generation), Duration::ZERO);
    /// }
    /// assert!(supervisor.is_failing(0));
    /// ```
    #[must_use]
    pub fn is_failing(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Slot::is_failing)
    }

    /// Returns how many replacements it decided on, those that still wait included.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.restarts(), 0);
    /// supervisor.exited(WorkerId::new(1, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.restarts(), 1);
    /// ```
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Returns whether the supervisor has given up.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
    #[must_use]
    pub fn has_escalated(&self) -> bool {
        self.has_escalated
    }

    /// Returns whether a rolling reload is under way.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.reload(Duration::from_secs(1));
    /// assert!(supervisor.is_reloading());
    /// ```
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.reload != ReloadState::None
    }

    /// Returns whether it was [shut down](Self::shutdown) or has given up, and all
    /// workers have exited.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.shutdown(Duration::from_secs(1));
    /// assert!(!supervisor.is_stopped());
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(2));
    /// assert!(supervisor.is_stopped());
    /// ```
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_ending() && self.draining.is_empty()
    }

    /// Returns whether no worker is started any more.
    fn is_ending(&self) -> bool {
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

    /// Starts a worker beside the one that has the slot.
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

    /// A deadline of a slot has come.
    fn tick_slot(&mut self, slot: usize, now: Duration) {
        let had_lasted = self.slots[slot].has_lasted(self.options.stable_after, now);
        let worker = &mut self.slots[slot];
        let id = WorkerId::new(slot, worker.generation);
        match worker.state {
            SlotState::Waiting { until } if until <= now => self.start(slot, now),
            SlotState::Starting { until } | SlotState::Ready { until, .. } if until <= now => {
                worker.state = SlotState::Killed { had_lasted };
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

    /// A worker is gone, or about to go: the one that has the slot, or its
    /// replacement before that was ready.
    fn on_worker_gone(&mut self, id: WorkerId, now: Duration) {
        let WorkerId { slot, generation } = id;
        let Some(worker) = self.slots.get_mut(slot) else {
            return;
        };
        if worker.is_replaced_by(generation) {
            worker.replacement = None;
            if self.reload != ReloadState::None && worker.fresh_from <= generation {
                // It says nothing about the program that runs.
                worker.attempts = worker.attempts.saturating_sub(1);
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
        if worker.generation != generation || !worker.is_alive() {
            return;
        }
        if self.wanted <= slot {
            worker.state = SlotState::Empty;
            return;
        }
        if self.reload != ReloadState::None && self.slots[slot].is_unproven() {
            self.actions.push_back(Action::ReloadAborted(id));
            self.end_reload(now);
        }
        let worker = &mut self.slots[slot];
        // What follows from that was decided when it asked.
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

    /// Decides on a replacement, and returns how long it waits.
    fn pause(&mut self, slot: usize, now: Duration) -> Duration {
        self.restarts += 1;
        let has_lasted = self.slots[slot].has_lasted(self.options.stable_after, now);
        let worker = &mut self.slots[slot];
        if worker.attempts > 0 {
            return self.backoff.pause(worker.failures());
        }
        if has_lasted {
            worker.unsteady = 0;
        }
        let pause = self.backoff.pause(worker.unsteady);
        worker.unsteady = worker.unsteady.saturating_add(1);
        pause
    }

    /// Returns how long the replacement of a worker that serves waits for those of
    /// its slot that drain: bugs one after the other, and drains that take their
    /// time, are not to add up to any number of processes.
    fn pause_for_drains(&self, slot: usize, now: Duration) -> Duration {
        let draining = self.draining.iter().filter(|worker| worker.id.slot == slot);
        if draining.clone().count() < MOST_DRAINING {
            return Duration::ZERO;
        }
        let next = draining.map(|worker| worker.until).min();
        next.map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }

    /// Counts a replacement in a slot, if replacements are counted, and returns
    /// whether it is one too many.
    fn exceeds_intensity(&mut self, slot: usize, now: Duration) -> bool {
        let worker = &mut self.slots[slot];
        let Escalation::Intensity { restarts, period } = self.options.escalation else {
            return false;
        };
        if worker.has_lasted(self.options.stable_after, now) {
            return false;
        }
        let is_old = |end: &Duration| now.saturating_sub(*end) > period;
        worker.ends.retain(|end| !is_old(end));
        worker.ends.push(now);
        worker.ends.len() > restarts
    }

    /// Returns the time at which it gives up if no worker becomes ready.
    fn gives_up_at(&self) -> Duration {
        match (self.options.escalation, self.none_ready_since) {
            (Escalation::NoneReady { within }, Some(since)) if !self.is_ending() => {
                since.saturating_add(within)
            }
            _ => Duration::MAX,
        }
    }

    /// Ends all workers. Those that serve may finish; those that start are killed.
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

    /// Draws the conclusions from whatever has happened.
    fn reconcile(&mut self, now: Duration) {
        if self.is_ending() {
            return;
        }
        let wanted = &self.slots[..self.wanted];
        let is_one_ready = wanted.is_empty() || wanted.iter().any(Slot::is_ready);
        let is_one_coming = wanted.iter().any(Slot::is_about_to_serve);
        if self.ready_count() > 0 || wanted.is_empty() {
            self.none_ready_since = None;
        } else {
            self.none_ready_since.get_or_insert(now);
        }
        if !is_one_ready && !is_one_coming {
            self.start_without_a_pause(now);
        }
        for slot in self.wanted..self.slots.len() {
            // Those that serve stay as long as nobody else does.
            if is_one_ready || !self.slots[slot].is_ready() {
                self.drain_slot(slot, self.options.drain_within, now);
            }
            self.slots[slot].stop_waiting();
        }
        self.continue_reload(now);
    }

    /// Nobody serves: a slot whose workers can start does not wait.
    fn start_without_a_pause(&mut self, now: Duration) {
        let slots = (0..).zip(&self.slots[..self.wanted]);
        let waiting = slots.filter_map(|(slot, worker)| match worker.state {
            SlotState::Waiting { until } if !worker.is_failing() => Some((until, slot)),
            _ => None,
        });
        if let Some((_, slot)) = waiting.min() {
            self.start(slot, now);
        }
    }

    /// Starts what a reload wants next, unless it has to wait for something; or
    /// reports that it is complete.
    fn continue_reload(&mut self, now: Duration) {
        let waits = self.slots.iter().any(Slot::has_replacement_starting)
            || self.slots[self.wanted..].iter().any(Slot::is_alive)
            || self.draining.iter().any(|worker| worker.is_of_reload);
        if self.reload == ReloadState::None || waits {
            return;
        }
        let wanted = &self.slots[..self.wanted];
        if wanted.iter().any(Slot::is_unproven) {
            return;
        }
        if let Some(slot) = wanted.iter().position(Slot::is_stale) {
            self.start_replacement(slot, now);
        } else if !wanted.iter().any(Slot::is_dying) {
            self.actions.push_back(Action::Reloaded);
            self.end_reload(now);
            self.continue_reload(now);
        }
        // Else: once that one has exited it is replaced, and this comes here again.
    }

    fn begin_reload(&mut self, now: Duration) {
        self.reload = ReloadState::UnderWay;
        for slot in 0..self.slots.len() {
            let worker = &mut self.slots[slot];
            worker.fresh_from = worker.started + 1;
            // Perhaps the new program can start.
            worker.attempts = worker.attempts.min(1);
            if let SlotState::Waiting { .. } = worker.state {
                self.start(slot, now);
            }
        }
    }

    /// Begins the reload that was asked for meanwhile, if any.
    fn end_reload(&mut self, now: Duration) {
        let follows = self.reload == ReloadState::Twice;
        self.reload = ReloadState::None;
        if follows {
            self.begin_reload(now);
        }
    }

    /// Has a worker drain that has no slot any more, unless it is to be killed
    /// already.
    fn drain(&mut self, worker: DrainingWorker) {
        if !worker.is_killed {
            self.actions.push_back(Action::Drain(worker.id));
        }
        self.draining.push(worker);
    }

    /// Has a worker killed that has no slot any more.
    fn kill(&mut self, id: WorkerId, now: Duration) {
        self.draining.push(DrainingWorker {
            id,
            until: now,
            is_killed: true,
            is_of_reload: true,
        });
        self.actions.push_back(Action::Kill(id));
    }

    /// Workers that drain have no more time than there is for a stop.
    fn shorten_drains(&mut self, now: Duration) {
        let until = now.saturating_add(self.options.stop_within);
        for worker in &mut self.draining {
            worker.until = worker.until.min(until);
        }
    }

    /// Has all workers of a slot drain, and no other started.
    fn drain_slot(&mut self, slot: usize, patience: Duration, now: Duration) {
        let worker = &mut self.slots[slot];
        worker.is_retiring = false;
        let replacement = worker.replacement.take();
        let state = mem::replace(&mut worker.state, SlotState::Empty);
        let generation = worker.generation;
        if !matches!(state, SlotState::Waiting { .. } | SlotState::Empty) {
            self.drain(DrainingWorker {
                id: WorkerId::new(slot, generation),
                until: now.saturating_add(patience),
                is_killed: matches!(state, SlotState::Killed { .. }),
                is_of_reload: false,
            });
        }
        if let Some(Replacement::Starting { generation, .. }) = replacement {
            self.drain(DrainingWorker {
                id: WorkerId::new(slot, generation),
                until: now.saturating_add(patience),
                is_killed: false,
                is_of_reload: false,
            });
        }
    }

    /// By when a worker is to give a sign of life.
    fn alive_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.options.heartbeat_within)
    }
}
