//! The actions of a supervisor.

use crate::scale::WorkerId;

/// An action that a [`Supervisor`](super::Supervisor) requests from its driver.
///
/// ```
/// use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
/// use std::time::Duration;
///
/// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
/// let mut started = Vec::new();
/// while let Some(action) = supervisor.next_action() {
///     match action {
///         Action::Start(worker) => started.push(worker),
///         Action::Drain(_) | Action::Kill(_) => unreachable!("nothing has started"),
///         Action::Reloaded | Action::ReloadAborted(_) => println!("{action:?}"),
///         Action::Escalate => panic!("the workers do not start"),
///     }
/// }
/// assert_eq!(started, [WorkerId::new(0, 1)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start this worker, and report every later event with its id.
    Start(WorkerId),
    /// Tell a worker to take no new work, finish the work in flight and exit. Report
    /// its exit. If it drains for too long, a [`Kill`](Self::Kill) follows.
    Drain(WorkerId),
    /// Kill a worker, and report its exit.
    Kill(WorkerId),
    /// A rolling reload is complete; no action is required. The only workers left
    /// from before it are those that were already draining when it began.
    Reloaded,
    /// A rolling reload was aborted, because this new worker exited before it was
    /// ready or was not ready in time; no action is required. All other workers keep
    /// serving: new ones in the slots that the reload had reached, old ones in the
    /// rest.
    ReloadAborted(WorkerId),
    /// Give up: the condition for [escalation](super::Escalation) is met. Let a parent
    /// supervisor decide, or exit with a failure status.
    ///
    /// No further worker is started. Before this action come a [`Drain`](Self::Drain)
    /// for each ready worker and a [`Kill`](Self::Kill) for each other one; after it
    /// only `Kill`s of workers that do not drain in time. Once
    /// [`is_stopped`](super::Supervisor::is_stopped) returns true, all workers have
    /// exited.
    Escalate,
}
