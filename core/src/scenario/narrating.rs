//! What sentences about records are made of.

use crate::trace::Event;
use std::time::Duration;

/// How long it took. In whole numbers: formatting floats would weigh more than a
/// scenario in what the page downloads.
pub(super) fn milliseconds(event: &Event) -> String {
    tenths(event.duration)
}

/// Cut off after the first digit. Numbers of 128 bits would weigh much too.
pub(super) fn tenths(duration: Duration) -> String {
    let millis = duration.as_secs() * 1000 + u64::from(duration.subsec_millis());
    let tenth = duration.subsec_micros() / 100 % 10;
    format!("{millis}.{tenth} ms")
}
