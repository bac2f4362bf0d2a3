//! Starts again what has ended, and knows when that is of no use.

mod backoff;
mod options;
mod slot;

pub use options::SupervisorOptions;

use backoff::Backoff;
use slot::{Slot, State};
use std::{collections::VecDeque, time::Duration};

/// What a [`Supervisor`] wants done.
///
/// ```
/// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
/// # use std::time::Duration;
/// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
/// let mut started = Vec::new();
/// while let Some(action) = supervisor.next_action() {
///     if let Action::Start { slot, generation } = action {
///         started.push((slot, generation));
///     }
/// }
/// assert_eq!(started, [(0, 1)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Start the worker of a slot, and say with its generation what becomes of it.
    Start {
        /// Which slot, from 0.
        slot: usize,
        /// How often the slot's worker was started, this time included.
        generation: u64,
    },
    /// End the worker of a slot, by force, and say when it has exited.
    Kill {
        /// Which slot, from 0.
        slot: usize,
        /// Which of the slot's workers.
        generation: u64,
    },
    /// Give up: too many workers ended in too little time. A supervisor above
    /// this one decides then; a program without one exits, and not with success.
    /// Before this come [`Kill`](Self::Kill)s of all that still runs, and after
    /// it nothing.
    Escalate,
}

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
///   each shortened by up to half at random, so that not all come at once. Who is
///   ready for the length of the period is forgiven.
/// - **Not for ever**: more than 5 ends in 10 s, of all slots together, and it
///   gives up: [`Action::Escalate`].
/// - **Readiness**: a worker that is not [`ready`](Self::ready) in time is killed.
///
/// A worker is named by its slot and its generation. What is said of one that
/// is not the slot's present worker comes too late, and changes nothing.
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
    slots: Vec<Slot>,
    backoff: Backoff,
    /// When the latest workers ended, the oldest first: those that count.
    ends: VecDeque<Duration>,
    restarts: u64,
    has_escalated: bool,
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
            backoff: Backoff::new(&options),
            ends: VecDeque::new(),
            restarts: 0,
            has_escalated: false,
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
        self.slots.iter().filter_map(Slot::deadline).min()
    }

    /// A worker says that it can take work.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(2, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(0, 1, Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// // The other one does not say so in time.
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill { slot: 1, generation: 1 }));
    /// ```
    pub fn ready(&mut self, slot: usize, generation: u64, now: Duration) {
        if let Some(worker) = self.present(slot, generation)
            && let State::Starting { .. } = worker.state
        {
            worker.state = State::Ready { since: now };
        }
    }

    /// A worker has ended, or could not be started: of itself, by a bug, killed.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2, "that one was replaced already");
    /// ```
    pub fn exited(&mut self, slot: usize, generation: u64, now: Duration) {
        let period = self.options.period;
        let Some(worker) = self.present(slot, generation) else {
            return;
        };
        if worker.has_lasted(period, now) {
            worker.replaced = 0;
        }
        let replaced = worker.replaced;
        worker.replaced = replaced.saturating_add(1);
        worker.state = State::Ended;
        if self.has_escalated {
            return;
        }
        if self.is_too_much(now) {
            self.escalate();
            return;
        }
        self.restarts += 1;
        let pause = self.backoff.pause(replaced);
        if pause.is_zero() {
            self.start(slot, now);
        } else {
            self.slots[slot].state = State::Waiting {
                until: now.saturating_add(pause),
            };
        }
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
        for slot in 0..self.slots.len() {
            let worker = &mut self.slots[slot];
            if worker.deadline().is_none_or(|deadline| now < deadline) {
                continue;
            }
            if let State::Waiting { .. } = worker.state {
                self.start(slot, now);
            } else {
                worker.state = State::Killed;
                let generation = worker.generation;
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
        let state = self.slots.get(slot).map(|worker| worker.state);
        matches!(state, Some(State::Ready { .. }))
    }

    /// How often a slot's worker was started; 0 for a slot that is none.
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
        self.slots.get(slot).map_or(0, |worker| worker.generation)
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

    /// A slot whose worker that is, if it lives as far as we know.
    fn present(&mut self, slot: usize, generation: u64) -> Option<&mut Slot> {
        let worker = self.slots.get_mut(slot)?;
        (worker.generation == generation && worker.is_alive()).then_some(worker)
    }

    fn start(&mut self, slot: usize, now: Duration) {
        let worker = &mut self.slots[slot];
        worker.generation += 1;
        worker.state = State::Starting {
            until: now.saturating_add(self.options.ready_within),
        };
        let generation = worker.generation;
        self.actions.push_back(Action::Start { slot, generation });
    }

    /// Counts an end, and says whether it is one too many.
    fn is_too_much(&mut self, now: Duration) -> bool {
        let period = self.options.period;
        while let Some(first) = self.ends.front()
            && now.saturating_sub(*first) > period
        {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        self.ends.len() > self.options.restarts
    }

    fn escalate(&mut self) {
        self.has_escalated = true;
        // What was not begun yet is not to be.
        for slot in 0..self.slots.len() {
            let worker = &mut self.slots[slot];
            let generation = worker.generation;
            match worker.state {
                State::Starting { .. } | State::Ready { .. } => {
                    worker.state = State::Killed;
                    self.actions.push_back(Action::Kill { slot, generation });
                }
                State::Waiting { .. } => worker.state = State::Ended,
                State::Killed | State::Ended => {}
            }
        }
        self.actions.push_back(Action::Escalate);
    }
}
