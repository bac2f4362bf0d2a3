//! Formatting of durations and sizes.

use std::time::Duration;

/// Formats a duration with three significant digits and a unit: `81.6 ms`, `3.21 s`,
/// `2 min 5 s`.
pub(crate) fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let millis = seconds * 1000.0;
    if duration.is_zero() {
        "0 ms".to_owned()
    } else if millis < 9.995 {
        format!("{millis:.2} ms")
    } else if millis < 99.95 {
        format!("{millis:.1} ms")
    } else if millis < 999.5 {
        format!("{millis:.0} ms")
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round();
        format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0)
    }
}

/// Formats a size: `0 B`, `64 KiB`, `1.5 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let kibibytes = bytes as f64 / 1024.0;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", round_to_tenths(kibibytes)),
        _ => format!("{} MiB", round_to_tenths(kibibytes / 1024.0)),
    }
}

/// Rounds to one decimal place, without a trailing `.0`.
fn round_to_tenths(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_significant_digits() {
        let shown = |micros| human_duration(Duration::from_micros(micros));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(57), "0.06 ms");
        assert_eq!(shown(9_996), "10.0 ms");
        assert_eq!(shown(81_634), "81.6 ms");
        assert_eq!(shown(999_600), "1.00 s");
        assert_eq!(shown(3_214_000), "3.21 s");
        assert_eq!(shown(61_940_000), "61.9 s");
        assert_eq!(shown(125_000_000), "2 min 5 s");
    }

    #[test]
    fn sizes_use_binary_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(64 << 10), "64 KiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(2496 << 10), "2.4 MiB");
    }
}
