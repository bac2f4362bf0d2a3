//! The options of a supervisor.

use std::time::Duration;

/// The restart and escalation rules of a [`Supervisor`](super::Supervisor).
///
/// ```
/// use highwater::scale::SupervisorOptions;
/// use std::time::Duration;
///
/// let options = SupervisorOptions::new()
///     .intensity(3, Duration::from_secs(60))
///     .backoff(Duration::from_millis(10), Duration::from_secs(1))
///     .ready_within(Duration::from_secs(30))
///     .seed(7);
/// assert_ne!(options, SupervisorOptions::new());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "does nothing unless used"]
pub struct SupervisorOptions {
    pub(super) escalation: Escalation,
    pub(super) first_pause: Duration,
    pub(super) max_pause: Duration,
    pub(super) stable_after: Duration,
    pub(super) ready_within: Duration,
    pub(super) heartbeat_within: Duration,
    pub(super) drain_within: Duration,
    pub(super) stop_within: Duration,
    pub(super) seed: u64,
}

impl SupervisorOptions {
    /// Returns the defaults:
    ///
    /// | option | value |
    /// |---|---|
    /// | [`escalation`](Self::escalation) | after 30 s without a ready worker |
    /// | [`stable_after`](Self::stable_after) | 10 s |
    /// | [`backoff`](Self::backoff) | from 100 ms to 10 s |
    /// | [`ready_within`](Self::ready_within) | 10 s |
    /// | [`heartbeat_within`](Self::heartbeat_within) | no heartbeats expected |
    /// | [`drain_within`](Self::drain_within) | 30 s |
    /// | [`stop_within`](Self::stop_within) | 10 s |
    /// | [`seed`](Self::seed) | 1 |
    ///
    /// ```
    /// use highwater::scale::SupervisorOptions;
    ///
    /// assert_eq!(SupervisorOptions::new(), SupervisorOptions::default().seed(1));
    /// ```
    pub fn new() -> Self {
        SupervisorOptions {
            escalation: Escalation::default(),
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(10),
            stable_after: Duration::from_secs(10),
            ready_within: Duration::from_secs(10),
            heartbeat_within: Duration::MAX,
            drain_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(10),
            seed: 1,
        }
    }

    /// Sets the condition for giving up.
    ///
    /// ```
    /// use highwater::scale::{Escalation, Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let within = secs(60);
    /// let patient = SupervisorOptions::new().escalation(Escalation::NoneReady { within });
    /// let mut supervisor = Supervisor::new(1, patient, secs(0));
    /// supervisor.tick(secs(59));
    /// assert!(!supervisor.has_escalated());
    /// supervisor.tick(secs(60));
    /// assert!(supervisor.has_escalated());
    /// ```
    pub fn escalation(mut self, escalation: Escalation) -> Self {
        self.escalation = escalation;
        self
    }

    /// Sets the escalation to [`Escalation::Intensity`].
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let never = SupervisorOptions::new().intensity(0, Duration::from_secs(60));
    /// let mut supervisor = Supervisor::new(1, never, Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.has_escalated());
    /// ```
    pub fn intensity(self, restarts: usize, period: Duration) -> Self {
        self.escalation(Escalation::Intensity { restarts, period })
    }

    /// Sets how long a worker has to be ready to count as stable. The exit of a
    /// stable worker does not count towards [`Escalation::Intensity`], and its
    /// replacement starts immediately.
    ///
    /// A worker that exits once per such period is therefore replaced forever,
    /// without a pause.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().intensity(0, secs(60)).stable_after(secs(1));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(0));
    /// supervisor.exited(WorkerId::new(0, 1), secs(1));
    /// assert!(!supervisor.has_escalated());
    /// ```
    pub fn stable_after(mut self, readiness: Duration) -> Self {
        self.stable_after = readiness;
        self
    }

    /// Sets the first and the longest pause before replacements in a slot. Pauses
    /// double in between.
    ///
    /// There is no pause before the first replacement of a worker that was ready,
    /// before the first five retries of a start that fails, or while no other worker
    /// serves and the slot's last worker was ready.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let options = SupervisorOptions::new().backoff(ms(10), ms(1_000));
    /// let mut supervisor = Supervisor::new(2, options, ms(0));
    /// supervisor.ready(WorkerId::new(0, 1), ms(0));
    /// for generation in 1..=2 {
    ///     supervisor.ready(WorkerId::new(1, generation), ms(1));
    ///     supervisor.exited(WorkerId::new(1, generation), ms(1));
    /// }
    /// let later = supervisor.next_deadline().unwrap();
    /// assert!(ms(1 + 5) <= later && later <= ms(1 + 10));
    /// ```
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.max_pause = longest;
        self
    }

    /// Sets how long a worker may take to become ready, counted from the request to
    /// start it. [`Duration::MAX`] means no limit.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let patient = SupervisorOptions::new().ready_within(Duration::from_secs(20));
    /// let supervisor = Supervisor::new(1, patient, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(20)));
    /// ```
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// Sets how long a ready worker may go without a
    /// [`heartbeat`](super::Supervisor::heartbeat) before it is killed.
    /// [`Duration::MAX`] means that no heartbeats are expected. Draining workers need
    /// not send any.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let options = SupervisorOptions::new().heartbeat_within(Duration::from_secs(5));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(6)));
    /// ```
    pub fn heartbeat_within(mut self, limit: Duration) -> Self {
        self.heartbeat_within = limit;
        self
    }

    /// Sets how long a replaced or surplus worker may drain before it is killed.
    /// [`Duration::MAX`] means no limit.
    ///
    /// ```
    /// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().drain_within(secs(2));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    /// supervisor.scale_to(0, secs(5));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(7)));
    /// ```
    pub fn drain_within(mut self, limit: Duration) -> Self {
        self.drain_within = limit;
        self
    }

    /// Sets how long workers may drain before they are killed when the supervisor
    /// [shuts down](super::Supervisor::shutdown) or gives up. [`Duration::MAX`] means
    /// no limit.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions};
    /// use std::time::Duration;
    ///
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().stop_within(secs(3));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.shutdown(secs(5));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(8)));
    /// ```
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// Sets the seed of the random part of the pauses. The same seed produces the
    /// same pauses, so different supervisors should have different seeds.
    ///
    /// ```
    /// use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// use std::time::Duration;
    ///
    /// let pause = |seed| {
    ///     let mut supervisor = Supervisor::new(1, SupervisorOptions::new().seed(seed), Duration::ZERO);
    ///     for generation in 1..=6 {
    ///         supervisor.exited(WorkerId::new(0, generation), Duration::ZERO);
    ///     }
    ///     supervisor.next_deadline()
    /// };
    /// assert_eq!(pause(7), pause(7));
    /// assert_ne!(pause(7), pause(8));
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        SupervisorOptions::new()
    }
}

/// The condition under which a [`Supervisor`](super::Supervisor) gives up: it stops
/// all workers and [escalates](super::Action::Escalate).
///
/// ```
/// use highwater::scale::{Escalation, Supervisor, SupervisorOptions, WorkerId};
/// use std::time::Duration;
///
/// let escalated_after_a_crash = |escalation| {
///     let options = SupervisorOptions::new().escalation(escalation);
///     let mut supervisor = Supervisor::new(2, options, Duration::ZERO);
///     supervisor.ready(WorkerId::new(0, 1), Duration::ZERO);
///     supervisor.exited(WorkerId::new(1, 1), Duration::ZERO);
///     supervisor.has_escalated()
/// };
/// let strict = Escalation::Intensity { restarts: 0, period: Duration::from_secs(60) };
/// assert!(escalated_after_a_crash(strict));
/// assert!(!escalated_after_a_crash(Escalation::default()), "the other worker serves");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Escalation {
    /// The supervisor never gives up.
    Never,
    /// No worker of any slot has been ready for some time. As long as one slot
    /// serves, its worker is kept, whatever happens in other slots.
    NoneReady {
        /// The longest time without a ready worker.
        within: Duration,
    },
    /// Workers of one slot are replaced more than `restarts` times within any
    /// `period`, even if all other slots serve. This is the strict choice, for
    /// workers that are useless without each other. With 0, the first replacement
    /// already exceeds the limit. Exits of [stable](SupervisorOptions::stable_after)
    /// workers do not count.
    Intensity {
        /// The maximum number of replacements in a period.
        restarts: usize,
        /// The length of a period.
        period: Duration,
    },
}

impl Default for Escalation {
    fn default() -> Self {
        Escalation::NoneReady {
            within: Duration::from_secs(30),
        }
    }
}
