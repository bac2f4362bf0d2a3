//! The phases of a worker's life.

use tokio::sync::watch;

/// The phase of a worker. It only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// The worker accepts no more connections and finishes the open ones.
    Draining,
    /// Unfinished requests are aborted after a grace period.
    Stopping,
}

/// Advances to a phase. Returns false if the worker has already reached it.
pub(crate) fn advance(phase: &watch::Sender<Phase>, to: Phase) -> bool {
    phase.send_if_modified(|phase| {
        let is_advance = *phase < to;
        *phase = to.max(*phase);
        is_advance
    })
}

/// Completes when the worker has reached the phase `to` or a later one.
pub(crate) async fn phase_reached(mut phase: watch::Receiver<Phase>, to: Phase) {
    // An error means that the sender was dropped, which also stops the worker.
    let _ = phase.wait_for(|phase| *phase >= to).await;
}
