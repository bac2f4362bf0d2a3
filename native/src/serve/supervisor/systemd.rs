//! What a service manager that knows systemd's protocol is told. Where there is
//! none, nobody is.

use sd_notify::{NotifyState, notify};

/// The service is there, or a reload is over.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The service comes to its end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How it is.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    // It is no reason to end that a service manager does not hear it.
    let _ = notify(states);
}
