//! Deliberate faults for experiments, enabled by `--faults`.

#[cfg(unix)]
use highwater_server::logging;
#[cfg(unix)]
use std::{hint, process};

/// `POST …/bug`: panics.
pub(super) async fn bug() -> String {
    panic!("a deliberate bug")
}

/// `POST …/hang`: blocks the event loop forever, so every connection of this process
/// hangs.
#[cfg(unix)]
pub(super) async fn hang() {
    loop {
        hint::spin_loop();
    }
}

/// `POST …/exit`: exits the process immediately with code 1.
#[cfg(unix)]
pub(super) async fn exit() {
    logging::flush();
    process::exit(1)
}
