//! What sentences about records are made of.

use crate::trace::Event;

/// How long it took. In whole numbers: formatting floats would weigh more than a
/// scenario in what the page downloads.
pub(super) fn milliseconds(event: &Event) -> String {
    let tenths = event.duration.as_micros() / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}
