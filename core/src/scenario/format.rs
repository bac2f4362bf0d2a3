//! Text formatting for narration, without floats.

use std::time::Duration;

/// Formats a duration as milliseconds, truncated to one decimal: `12.3 ms`.
///
/// Uses 64-bit integers only, because formatting floats or 128-bit integers would add
/// more to the page's download than a scenario does.
pub(super) fn format_ms(duration: Duration) -> String {
    let millis = duration.as_secs() * 1000 + u64::from(duration.subsec_millis());
    let tenth = duration.subsec_micros() / 100 % 10;
    format!("{millis}.{tenth} ms")
}
