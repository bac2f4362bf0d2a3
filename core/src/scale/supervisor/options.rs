//! How patient a supervisor is.

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
    pub(super) restarts: usize,
    pub(super) period: Duration,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) steady_after: Option<Duration>,
    pub(super) ready_within: Duration,
    pub(super) heartbeat_within: Duration,
    pub(super) drain_within: Duration,
    pub(super) stop_within: Duration,
    pub(super) seed: u64,
}

impl SupervisorOptions {
    /// At most 5 restarts in 10 s; pauses from 100 ms to 10 s; 10 s to be ready;
    /// no signs of life asked for; 30 s to drain, but 10 s when it is shut down;
    /// seed 1.
    ///
    /// ```
    /// # use highwater::scale::SupervisorOptions;
    /// assert_eq!(SupervisorOptions::new(), SupervisorOptions::default().seed(1));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        SupervisorOptions {
            restarts: 5,
            period: Duration::from_secs(10),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            steady_after: None,
            ready_within: Duration::from_secs(10),
            heartbeat_within: Duration::MAX,
            drain_within: Duration::from_secs(30),
            stop_within: Duration::from_secs(10),
            seed: 1,
        }
    }

    /// At most `restarts` within any `period`, of all slots together: with the
    /// next end it gives up. None means that the first end is one too many. The
    /// ends of workers that were [steady](Self::steady_after) do not count.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let never = SupervisorOptions::new().intensity(0, Duration::from_secs(60));
    /// let mut supervisor = Supervisor::new(1, never, Duration::ZERO);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert!(supervisor.has_escalated());
    /// ```
    #[must_use]
    pub fn intensity(mut self, restarts: usize, period: Duration) -> Self {
        self.restarts = restarts;
        self.period = period;
        self
    }

    /// A worker that was ready for so long has shown that it can do its work: its
    /// end is a new matter, does not count towards the
    /// [`intensity`](Self::intensity), and its replacement starts at once. If it
    /// is not set, that is the intensity's `period`.
    ///
    /// A worker that ends once in so long is therefore replaced for ever, without
    /// a pause.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().intensity(0, secs(60)).steady_after(secs(1));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(0, 1, secs(0));
    /// supervisor.exited(0, 1, secs(1));
    /// assert!(!supervisor.has_escalated());
    /// ```
    #[must_use]
    pub fn steady_after(mut self, readiness: Duration) -> Self {
        self.steady_after = Some(readiness);
        self
    }

    /// How long the second replacement in a row waits (the first never does) and
    /// how long any waits at most. In between it doubles each time.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let options = SupervisorOptions::new().backoff(ms(10), ms(1_000));
    /// let mut supervisor = Supervisor::new(1, options, ms(0));
    /// supervisor.exited(0, 1, ms(1));
    /// supervisor.exited(0, 2, ms(1));
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
    /// let patient = SupervisorOptions::new().ready_within(Duration::from_secs(60));
    /// let supervisor = Supervisor::new(1, patient, Duration::ZERO);
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(60)));
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
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().heartbeat_within(Duration::from_secs(5));
    /// let mut supervisor = Supervisor::new(1, options, Duration::ZERO);
    /// supervisor.ready(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.next_deadline(), Some(Duration::from_secs(6)));
    /// ```
    #[must_use]
    pub fn heartbeat_within(mut self, patience: Duration) -> Self {
        self.heartbeat_within = patience;
        self
    }

    /// How long a worker may drain until it is killed: one that a reload replaces,
    /// that is one too many, or that drains of its own accord.
    /// [`Duration::MAX`]: as long as it likes.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().drain_within(secs(2));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// supervisor.ready(0, 1, secs(1));
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
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let pause = |seed| {
    ///     let mut supervisor = Supervisor::new(1, SupervisorOptions::new().seed(seed), Duration::ZERO);
    ///     supervisor.exited(0, 1, Duration::ZERO);
    ///     supervisor.exited(0, 2, Duration::ZERO);
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

    /// For how long a worker has to be ready to be forgiven.
    pub(super) fn proof(&self) -> Duration {
        self.steady_after.unwrap_or(self.period)
    }
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        SupervisorOptions::new()
    }
}
