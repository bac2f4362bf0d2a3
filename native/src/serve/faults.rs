//! Deliberate faults for experiments, enabled by `--faults`.

use highwater_server::logging;
use std::{hint, process};

/// `POST …/bug`: panics.
pub(super) async fn bug() -> String {
    panic!("a deliberate bug")
}

/// `POST …/hang`: blocks the event loop forever, so every connection of this process
/// hangs.
pub(super) async fn hang() {
    loop {
        hint::spin_loop();
    }
}

/// `POST …/exit`: exits the process immediately with code 1.
pub(super) async fn exit() {
    logging::flush();
    process::exit(1)
}
