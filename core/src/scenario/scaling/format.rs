//! Text formatting for figures, without floats.

use crate::latency::nanos;
use std::time::Duration;

/// Formats a duration with 64-bit integers only. Formatting other numbers would add more
/// to the page download than a whole scenario.
pub(in crate::scenario) fn milliseconds(duration: Duration) -> String {
    let hundredths = nanos(duration) / 10_000;
    format!("{}.{:02} ms", hundredths / 100, hundredths % 100)
}

pub(in crate::scenario) fn dash() -> String {
    "–".to_owned()
}
