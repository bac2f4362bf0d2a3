//! Strategies for random parameter values.

use proptest::prelude::*;
use std::ops::RangeInclusive;

pub(crate) fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

pub(crate) fn number(range: RangeInclusive<u64>) -> impl Strategy<Value = String> {
    range.prop_map(|number| number.to_string())
}

/// Zero, a small number or a large number.
pub(crate) fn some(few: u64, many: u64) -> impl Strategy<Value = String> {
    prop_oneof![number(0..=0), number(1..=few), number(many..=many)]
}

/// Parameters of a cluster, without its load.
pub(crate) fn cluster_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let how = (
        word(&["kill", "hang", "crash_loop", "reload", "bad_reload", "none"]),
        word(&["rolling", "stop_then_start"]),
        word(&["round_robin", "least_busy"]),
    );
    let numbers = (
        number(1..=8),
        some(100, 1_000),
        number(500..=1_500),
        number(0..=10),
        number(0..=1_000_000),
    );
    (how, numbers).prop_map(|(how, numbers)| {
        let (workers, startup, heartbeat, restarts, seed) = numbers;
        vec![
            ("event", how.0),
            ("restart", how.1),
            ("balance", how.2),
            ("workers", workers),
            ("startup", startup),
            ("heartbeat", heartbeat),
            ("restarts", restarts),
            ("seed", seed),
        ]
    })
}
