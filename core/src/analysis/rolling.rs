//! How much happened in the last while, and how long that took.

use super::{
    measures::{nanos, percentile},
    series::Point,
};
use std::time::Duration;

/// As many points has a line that is sampled.
const SAMPLES: u32 = 250;

/// When something ended, and how long it had taken.
pub(super) type End = (Duration, Duration);

/// Over how long to look back: round, a twentieth of the run or more, and long
/// enough for some to fall into it.
pub(super) fn window(duration: Duration, ends: usize) -> Duration {
    let few = duration * 3 / u32::try_from(ends.max(3)).unwrap_or(u32::MAX);
    let wanted = nanos((duration / 20).max(few)).max(1);
    let mut round = 1_u64;
    loop {
        for step in [1, 2, 5] {
            if round.saturating_mul(step) >= wanted {
                return Duration::from_nanos(round * step)
                    .min(duration.max(Duration::from_nanos(1)));
            }
        }
        round = round.saturating_mul(10);
    }
}

/// At regular times from the end of the first window to that of the run.
fn times(duration: Duration, window: Duration) -> impl Iterator<Item = Duration> {
    let span = duration.saturating_sub(window);
    let samples = if span.is_zero() { 0 } else { SAMPLES };
    (0..=samples).map(move |sample| window + span * sample / SAMPLES)
}

/// Of those that ended, in order of their ends: what so many of a thousand stayed
/// within, in the window before each time; none of none.
pub(super) fn latency(
    ends: &[End],
    duration: Duration,
    window: Duration,
    permille: usize,
) -> Vec<Point> {
    let within = |at: Duration| {
        // The first window has its beginning in it.
        let since = at.saturating_sub(window);
        let from = ends.partition_point(|end| end.0 <= since && !since.is_zero());
        let to = ends.partition_point(|end| end.0 <= at);
        let mut took: Vec<Duration> = ends[from..to].iter().map(|end| end.1).collect();
        let value = percentile(&mut took, permille).map(nanos);
        Point { at, value }
    };
    times(duration, window).map(within).collect()
}

/// Of totals, in order of time: by how much they grew in the window before each
/// time, in a thousand seconds.
pub(super) fn rate(totals: &[(Duration, u64)], duration: Duration, window: Duration) -> Vec<Point> {
    let until = |at: Duration| {
        let after = totals.partition_point(|total| total.0 <= at);
        after.checked_sub(1).map_or(0, |latest| totals[latest].1)
    };
    let within = |at: Duration| {
        let since = at.saturating_sub(window);
        let before = if since.is_zero() { 0 } else { until(since) };
        let grown = u128::from(until(at).saturating_sub(before));
        let rate = (grown * 1_000_000_000_000).checked_div(window.as_nanos());
        let value = rate.and_then(|rate| u64::try_from(rate).ok());
        Point { at, value }
    };
    times(duration, window).map(within).collect()
}
