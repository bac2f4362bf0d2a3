//! Starts again what has ended, and knows when that is of no use.

mod action;
mod asked;
mod backoff;
mod options;
mod slot;
mod told;

pub use action::Action;
pub use options::SupervisorOptions;

use asked::Reload;
use backoff::Backoff;
use slot::{Leaver, Slot, State};
use std::{collections::VecDeque, time::Duration};

/// Keeps a number of workers running: for each that ends it has another started.
///
/// It is a state machine that does nothing by itself. Tell it what happens and
/// when, take its [`next_action`](Self::next_action)s until there are none, and
/// [`tick`](Self::tick) it at its [`next_deadline`](Self::next_deadline). Time is
/// what a [`Clock`](crate::Clock) says, and is expected not to go back.
///
/// - **One for one**: the end of a worker concerns its slot alone.
/// - **Whatever the reason**: a worker that ended well is missing all the same.
/// - **At once, then ever later**: the first replacement starts at once. If that
///   one does not last either, the next waits: 100 ms and doubling up to 10 s,
///   each shortened by up to half at random, so that not all come at once.
/// - **Not for ever**: more than 5 ends in 10 s, of all slots together, and it
///   gives up: [`Action::Escalate`].
/// - **Who has lasted is forgiven**: the end of a worker that was ready for a
///   while ([`steady_after`](SupervisorOptions::steady_after)) does not count,
///   and its replacement starts at once.
/// - **Readiness and signs of life**: a worker that is not
///   [`ready`](Self::ready) in time is killed, and so is one whose
///   [`heartbeat`](Self::heartbeat) fails to come, if any is asked for.
/// - **Change in operation**: [`reload`](Self::reload) replaces all workers
///   without a gap, [`scale_to`](Self::scale_to) has more or fewer of them, and
///   [`shutdown`](Self::shutdown) ends them. Workers are asked to drain first, and
///   killed if that takes too long. Ends that were asked for never count.
///
/// A worker is named by its slot and its generation. What is said of one that
/// has exited, or that was never started, changes nothing.
///
/// Dropped, it says nothing: its workers are for their owner to end.
///
/// ```
/// use highwater::scale::{Action, Supervisor, SupervisorOptions};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
/// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 1 }));
/// supervisor.ready(0, 1, ms(20));
///
/// // It crashes, and is replaced at once.
/// supervisor.exited(0, 1, ms(500));
/// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 2 }));
///
/// // So does the replacement: the next one has to wait.
/// supervisor.exited(0, 2, ms(510));
/// assert_eq!(supervisor.next_action(), None);
/// let later = supervisor.next_deadline().unwrap();
/// assert!(ms(510 + 50) <= later && later <= ms(510 + 100));
/// supervisor.tick(later);
/// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 3 }));
/// ```
#[derive(Clone, Debug)]
pub struct Supervisor {
    options: SupervisorOptions,
    /// Those that are wanted, and behind them those that once were: their
    /// generations go on if they are wanted again.
    slots: Vec<Slot>,
    wanted: usize,
    /// Workers that drain, and those that are killed and have no place.
    leavers: Vec<Leaver>,
    backoff: Backoff,
    /// When the latest workers ended, the oldest first: those that count.
    ends: VecDeque<Duration>,
    restarts: u64,
    reload: Reload,
    has_escalated: bool,
    is_shut_down: bool,
    actions: VecDeque<Action>,
}

impl Supervisor {
    /// A supervisor of `slots` workers. It wants all of them started now.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 1 }));
    /// assert_eq!(supervisor.next_action(), None);
    /// ```
    #[must_use]
    pub fn new(slots: usize, options: SupervisorOptions, now: Duration) -> Self {
        let mut supervisor = Supervisor {
            slots: vec![Slot::new(); slots],
            wanted: slots,
            leavers: Vec::new(),
            backoff: Backoff::new(&options),
            ends: VecDeque::new(),
            restarts: 0,
            reload: Reload::None,
            has_escalated: false,
            is_shut_down: false,
            actions: VecDeque::new(),
            options,
        };
        for slot in 0..slots {
            supervisor.start(slot, now);
        }
        supervisor
    }

    /// What is to be done next; `None` until something happens.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// while let Some(action) = supervisor.next_action() {
    ///     assert!(matches!(action, Action::Start { slot: 0 | 1, generation: 1 }));
    /// }
    /// ```
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to [`tick`](Self::tick) if nothing happens before; `None` if only
    /// an event can change anything.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(2)));
    /// supervisor.ready(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), None);
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let slots = self.slots.iter().filter_map(Slot::deadline);
        let leavers = self.leavers.iter().filter_map(Leaver::deadline);
        slots.chain(leavers).min()
    }

    /// Time has passed. Before the [`next_deadline`](Self::next_deadline) this
    /// changes nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    /// supervisor.tick(Duration::from_secs(1));
    /// assert_eq!(supervisor.next_action(), None);
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill { slot: 0, generation: 1 }));
    /// ```
    pub fn tick(&mut self, now: Duration) {
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| at <= now);
        for slot in 0..self.wanted {
            if is_due(self.slots[slot].deadline()) {
                self.tick_slot(slot, now);
            }
        }
        for leaver in &mut self.leavers {
            if is_due(leaver.deadline()) {
                leaver.is_killed = true;
                let Leaver {
                    slot, generation, ..
                } = *leaver;
                self.actions.push_back(Action::Kill { slot, generation });
            }
        }
    }

    /// Whether a slot's worker can take work; `false` for a slot that is none.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// assert!(!supervisor.is_ready(0));
    /// supervisor.ready(0, 1, Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// ```
    #[must_use]
    pub fn is_ready(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Slot::is_ready)
    }

    /// How many slots' workers can take work.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.ready(1, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.ready_count(), 1);
    /// ```
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_ready()).count()
    }

    /// How many workers are wanted: as many as it was made for, or was
    /// [scaled](Self::scale_to) to last.
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

    /// How often a worker of a slot was started, that of a reload under way
    /// included; 0 for a slot that never was one.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert_eq!((supervisor.generation(0), supervisor.generation(1)), (2, 0));
    /// ```
    #[must_use]
    pub fn generation(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |worker| worker.started)
    }

    /// How many replacements it decided on, those that still wait included.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(2, SupervisorOptions::new(), Duration::ZERO);
    /// assert_eq!(supervisor.restarts(), 0);
    /// supervisor.exited(1, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.restarts(), 1);
    /// ```
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Whether it has given up.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let once = SupervisorOptions::new().intensity(1, Duration::from_secs(60));
    /// let mut supervisor = Supervisor::new(2, once, Duration::ZERO);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// supervisor.exited(0, 2, Duration::from_secs(2));
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

    /// Whether a rolling reload is under way.
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
        self.reload != Reload::None
    }

    /// Whether it was [shut down](Self::shutdown) or has given up, and all workers
    /// have exited.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.shutdown(Duration::from_secs(1));
    /// assert!(!supervisor.is_stopped());
    /// supervisor.exited(0, 1, Duration::from_secs(2));
    /// assert!(supervisor.is_stopped());
    /// ```
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_ending() && self.leavers.is_empty()
    }

    /// Whether nothing is started any more.
    fn is_ending(&self) -> bool {
        self.is_shut_down || self.has_escalated
    }

    fn start(&mut self, slot: usize, now: Duration) {
        let worker = &mut self.slots[slot];
        worker.started += 1;
        worker.generation = worker.started;
        worker.state = State::Starting {
            until: now.saturating_add(self.options.ready_within),
        };
        let generation = worker.generation;
        self.actions.push_back(Action::Start { slot, generation });
    }

    /// Something about a slot has taken too long, or long enough.
    fn tick_slot(&mut self, slot: usize, now: Duration) {
        let had_lasted = self.slots[slot].has_lasted(self.options.proof(), now);
        let worker = &mut self.slots[slot];
        let generation = worker.generation;
        match worker.state {
            State::Waiting { until } if until <= now => self.start(slot, now),
            State::Starting { until } | State::Ready { until, .. } if until <= now => {
                worker.state = State::Killed { had_lasted };
                self.actions.push_back(Action::Kill { slot, generation });
            }
            _ => {}
        }
        if let Some(newcomer) = self.slots[slot].newcomer
            && newcomer.until <= now
        {
            let generation = newcomer.generation;
            self.kill(slot, generation, now);
            self.abort_reload(slot, generation, now);
        }
    }
}
