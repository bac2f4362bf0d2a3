//! Tests of the lag monitor.

use crate::cases;
use highwater::scale::LagMonitor;
use proptest::prelude::*;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn first_interval_is_measured() {
    let mut monitor = LagMonitor::new(ms(20), ms(5));
    assert_eq!(monitor.beat(ms(2_025)), ms(2_000));
    assert_eq!((monitor.beats(), monitor.missed()), (1, 100));
    assert_eq!(monitor.max(), ms(2_000));
    monitor.reset(ms(2_025));
    assert_eq!(
        (monitor.beats(), monitor.missed(), monitor.max()),
        (0, 0, ms(0))
    );
    assert_eq!(monitor.beat(ms(3_045)), ms(1_000));
}

#[test]
fn long_block_raises_the_percentiles() {
    // One second with all beats on time, then a one-second block.
    let mut monitor = LagMonitor::new(ms(10), ms(0));
    for beat in 1..=100 {
        monitor.beat(ms(10 * beat));
    }
    monitor.beat(ms(2_010));
    // 101 of 201 beats were late, evenly distributed up to a second.
    assert!(monitor.p50() < ms(20), "{:?}", monitor.p50());
    assert!(monitor.p99() > ms(950) && monitor.p99() <= ms(1_000));
    assert_eq!(monitor.max(), ms(1_000));
}

#[test]
fn century_of_sleep_is_tolerated() {
    let mut monitor = LagMonitor::new(Duration::ZERO, ms(0));
    monitor.beat(Duration::from_hours(24 * 365 * 100));
    assert_eq!(monitor.beats(), 1);
    assert!(monitor.p50() <= monitor.p99() && monitor.p99() <= monitor.max());
    let _lag = monitor.beat(Duration::MAX);
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn beats_stay_aligned_to_the_interval(
        start in 0_u64..1_000,
        interval in 1_u64..50,
        late in prop::collection::vec(0_u64..300, 1..40),
    ) {
        let mut monitor = LagMonitor::new(ms(interval), ms(start));
        let mut due_count = 0;
        for late in &late {
            let due = monitor.next_due();
            prop_assert_eq!(monitor.beat(due + ms(*late)), ms(*late));
            prop_assert!(monitor.next_due() > due + ms(*late), "the next beat is in the future");
            prop_assert!(monitor.next_due() <= due + ms(late + interval));
            let since = monitor.next_due().saturating_sub(ms(start));
            prop_assert_eq!(since.as_millis() % u128::from(interval), 0);
            due_count = since.as_millis() / u128::from(interval) - 1;
        }
        // Every beat that was due either arrived or was missed.
        prop_assert_eq!(u128::from(monitor.beats() + monitor.missed()), due_count);
        prop_assert_eq!(monitor.max(), ms(*late.iter().max().unwrap()));
        prop_assert!(monitor.p50() <= monitor.p99() && monitor.p99() <= monitor.max());
    }
}
