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
    pub(super) ready_within: Duration,
    pub(super) seed: u64,
}

impl SupervisorOptions {
    /// At most 5 restarts in 10 s; pauses from 100 ms to 10 s; 10 s to be ready;
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
            ready_within: Duration::from_secs(10),
            seed: 1,
        }
    }

    /// At most `restarts` within any `period`, of all slots together: with the
    /// next end it gives up. None means that the first end is one too many. Who
    /// was ready for a `period` starts with the first pause again.
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
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        SupervisorOptions::new()
    }
}
