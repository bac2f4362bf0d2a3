//! Faults to see what becomes of them. They are served with `--faults` only.

use crate::logging;
use std::{hint, process};

/// `POST …/bug`: a bug, as any handler may have one.
pub(super) async fn bug() -> String {
    panic!("a bug, as it was asked for")
}

/// `POST …/hang`: the loop is held up for ever, and with it all that this process
/// does.
pub(super) async fn hang() {
    loop {
        hint::spin_loop();
    }
}

/// `POST …/exit`: the process ends where it stands.
pub(super) async fn exit() {
    logging::flush();
    process::exit(1)
}
