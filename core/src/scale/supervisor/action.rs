//! What a supervisor wants done.

/// What a [`Supervisor`](super::Supervisor) wants done, or tells.
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
    /// Start a worker of a slot, and say with its generation what becomes of it.
    Start {
        /// Which slot, from 0.
        slot: usize,
        /// How often a worker of the slot was started, this time included.
        generation: u64,
    },
    /// Ask a worker to take no more work, to finish what it has and to exit, and
    /// say when it has exited. If that takes too long, a [`Kill`](Self::Kill)
    /// follows.
    Drain {
        /// Which slot, from 0.
        slot: usize,
        /// Which of the slot's workers.
        generation: u64,
    },
    /// End a worker by force, and say when it has exited.
    Kill {
        /// Which slot, from 0.
        slot: usize,
        /// Which of the slot's workers.
        generation: u64,
    },
    /// Nothing to do: a rolling reload is complete. No worker from before it is
    /// left but those that drained already when it began.
    Reloaded,
    /// Nothing to do: a rolling reload goes no further, since the worker that it
    /// started there exited before it was ready, or was not ready in time. All
    /// workers that served go on: new ones in slots that were reached before, old
    /// ones in the others.
    ReloadAborted {
        /// Which slot, from 0.
        slot: usize,
        /// Which of the slot's workers was of no use.
        generation: u64,
    },
    /// Give up, as [chosen](super::Escalation). A supervisor above this one decides
    /// then; a program without one exits, and not with success.
    /// Nothing is started any more. Before this come [`Drain`](Self::Drain)s of
    /// those that are ready and [`Kill`](Self::Kill)s of all others that still
    /// run, after it only the `Kill`s of those that do not drain in time. Once
    /// [`is_stopped`](super::Supervisor::is_stopped) all have exited.
    Escalate,
}
