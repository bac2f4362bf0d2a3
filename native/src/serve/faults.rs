//! Deliberate faults for experiments. They are served with `--faults` only.

use crate::logging;
use std::{hint, process};

/// `POST …/bug`: panics.
pub(super) async fn bug() -> String {
    panic!("a deliberate bug")
}

/// `POST …/hang`: blocks the event loop forever, and with it every connection of this
/// process.
pub(super) async fn hang() {
    loop {
        hint::spin_loop();
    }
}

/// `POST …/exit`: exits the process at once with code 1.
pub(super) async fn exit() {
    logging::flush();
    process::exit(1)
}
