//! The options of a supervisor.

use std::time::Duration;

/// How a [`Supervisor`](super::Supervisor) restarts, and when it gives up.
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
pub struct SupervisorOptions {
    pub(super) escalation: Escalation,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) stable_after: Duration,
    pub(super) ready_within: Duration,
    pub(super) heartbeat_within: Duration,
    pub(super) drain_within: Duration,
    pub(super) stop_within: Duration,
    pub(super) seed: u64,
}

impl SupervisorOptions {
    /// Gives up if no worker is ready for 30 s; pauses from 100 ms to 10 s; workers
    /// have lasted after 10 s; 10 s to be ready; no heartbeats expected; 30 s to
    /// drain, but 10 s when it is shut down; seed 1.
    ///
    /// ```
    /// # use highwater::scale::SupervisorOptions;
    /// assert_eq!(SupervisorOptions::new(), SupervisorOptions::default().seed(1));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        SupervisorOptions {
            escalation: Escalation::default(),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            stable_after: Duration::from_secs(10),
            ready_within: Duration::from_secs(10),
            heartbeat_within: Duration::MAX,
            drain_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(10),
            seed: 1,
        }
    }

    /// Sets when the supervisor gives up.
    ///
    /// ```
    /// # use highwater::scale::{Escalation, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let within = secs(60);
    /// let patient = SupervisorOptions::new().escalation(Escalation::NoneReady { within });
    /// let mut supervisor = Supervisor::new(1, patient, secs(0));
    /// supervisor.tick(secs(59));
    /// assert!(!supervisor.has_escalated());
    /// supervisor.tick(secs(60));
    /// assert!(supervisor.has_escalated());
    /// ```
    #[must_use]
    pub fn escalation(mut self, escalation: Escalation) -> Self {
        self.escalation = escalation;
        self
    }

    /// Chooses [`Escalation::Intensity`].
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let never = SupervisorOptions::new().intensity(0, Duration::from_secs(60));
    /// let mut supervisor = Supervisor::new(1, never, Duration::ZERO);
    /// supervisor.exited(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert!(supervisor.has_escalated());
    /// ```
    #[must_use]
    pub fn intensity(self, restarts: usize, period: Duration) -> Self {
        self.escalation(Escalation::Intensity { restarts, period })
    }

    /// Sets how long a worker has to be ready until it has lasted: its end is a new
    /// matter then, does not count towards [`Escalation::Intensity`], and its
    /// replacement starts at once.
    ///
    /// A worker that ends once in so long is therefore replaced for ever, without
    /// a pause.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().intensity(0, secs(60)).stable_after(secs(1));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(0));
    /// supervisor.exited(WorkerId::new(0, 1), secs(1));
    /// assert!(!supervisor.has_escalated());
    /// ```
    #[must_use]
    pub fn stable_after(mut self, readiness: Duration) -> Self {
        self.stable_after = readiness;
        self
    }

    /// Sets the pauses before replacements in a slot: the first one, and the longest;
    /// in between they double. There is none before the first replacement of a worker
    /// that was ready, nor after the first five starts in a row that failed, nor while
    /// nobody else serves and the slot's last worker was ready.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    /// How long a worker may take until it is ready, from when its start is
    /// asked for. [`Duration::MAX`]: as long as it likes.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let patient = SupervisorOptions::new().ready_within(Duration::from_secs(20));
    /// let supervisor = Supervisor::new(1, patient, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(20)));
    /// ```
    #[must_use]
    pub fn ready_within(mut self, patience: Duration) -> Self {
        self.ready_within = patience;
        self
    }

    /// How long a worker that is ready may go without a
    /// [`heartbeat`](super::Supervisor::heartbeat); then it hangs, and is killed.
    /// [`Duration::MAX`]: none is asked for. Workers that drain need not give any.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().heartbeat_within(Duration::from_secs(5));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// supervisor.ready(WorkerId::new(0, 1), Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(6)));
    /// ```
    #[must_use]
    pub fn heartbeat_within(mut self, patience: Duration) -> Self {
        self.heartbeat_within = patience;
        self
    }

    /// How long a worker may drain until it is killed: one that was replaced, or that
    /// is one too many.
    /// [`Duration::MAX`]: as long as it likes.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().drain_within(secs(2));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(WorkerId::new(0, 1), secs(1));
    /// supervisor.scale_to(0, secs(5));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(7)));
    /// ```
    #[must_use]
    pub fn drain_within(mut self, patience: Duration) -> Self {
        self.drain_within = patience;
        self
    }

    /// How long workers may drain when the supervisor is
    /// [shut down](super::Supervisor::shutdown) or gives up, until they are
    /// killed. [`Duration::MAX`]: as long as they like.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().stop_within(secs(3));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.shutdown(secs(5));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(8)));
    /// ```
    #[must_use]
    pub fn stop_within(mut self, patience: Duration) -> Self {
        self.stop_within = patience;
        self
    }

    /// What the pauses are shortened by is drawn from this: the same seed, the
    /// same pauses. Several supervisors of one kind should differ.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions, WorkerId};
    /// # use std::time::Duration;
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
    #[must_use]
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

/// The condition for a [`Supervisor`](super::Supervisor) to give up: to end all workers
/// and to [escalate](super::Action::Escalate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Escalation {
    /// Never.
    Never,
    /// No worker of any slot was ready for so long. Workers that serve are kept,
    /// whatever happens in other slots.
    NoneReady {
        /// The time without a ready worker.
        within: Duration,
    },
    /// Workers of one slot have to be replaced more than `restarts` times within any
    /// `period`, even if all other slots serve: the strict choice, for workers
    /// that are of no use without each other. 0 means that the first time is one too
    /// many. Workers that [lasted](SupervisorOptions::stable_after) do not count.
    Intensity {
        /// The most replacements in a period.
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
