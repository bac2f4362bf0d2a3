//! Histograms of durations, against the durations themselves.

use highwater::LatencyHistogram;
use proptest::prelude::*;
use std::time::Duration;

fn recorded(nanos: &[u64]) -> LatencyHistogram {
    let mut times = LatencyHistogram::new();
    for each in nanos {
        times.record(Duration::from_nanos(*each));
    }
    times
}

fn nanos() -> impl Strategy<Value = u64> {
    (0..63_u32, any::<u64>()).prop_map(|(bits, draw)| draw >> bits >> 1)
}

proptest! {
    #[test]
    fn quantiles_are_within_a_hundredth(
        mut nanos in prop::collection::vec(nanos(), 1..200),
        draw in any::<prop::sample::Index>(),
    ) {
        let times = recorded(&nanos);
        nanos.sort_unstable();
        let index = draw.index(nanos.len());
        // The middle of what that rank stands for, so that rounding decides nothing.
        let part = (index as f64 + 0.5) / nanos.len() as f64;
        let exact = nanos[index];
        let seen = u64::try_from(times.quantile(part).as_nanos()).unwrap();
        prop_assert!(seen >= exact && seen - exact <= exact / 100 + 1, "{} for {}", seen, exact);
        prop_assert_eq!(times.max(), Duration::from_nanos(*nanos.last().unwrap()));
    }

    #[test]
    fn merged_is_as_if_recorded_together(
        one in prop::collection::vec(nanos(), 0..50),
        other in prop::collection::vec(nanos(), 0..50),
    ) {
        let mut merged = recorded(&one);
        merged.merge(&recorded(&other));
        let together = recorded(&[one, other].concat());
        prop_assert_eq!(merged.count(), together.count());
        prop_assert_eq!(merged.max(), together.max());
        prop_assert!(merged.buckets().eq(together.buckets()));
    }
}

#[test]
fn extremes_are_taken() {
    let mut times = recorded(&[0, u64::MAX]);
    times.record(Duration::MAX);
    assert_eq!((times.count(), times.max()), (3, Duration::MAX));
    assert_eq!(times.quantile(0.0), Duration::ZERO);
    let empty = LatencyHistogram::default();
    assert_eq!(
        (empty.quantile(0.99), empty.buckets().count()),
        (Duration::ZERO, 0)
    );
}
