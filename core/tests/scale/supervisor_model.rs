//! Property test: a supervisor under random histories, in virtual time.

use crate::driven::{Driver, event};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_settles_or_escalates(
        slots in 0..4_usize,
        events in prop::collection::vec(event(), 0..150),
    ) {
        let mut driver = Driver::new(slots);
        for event in &events {
            driver.apply(event);
        }
        driver.settle();
    }
}
