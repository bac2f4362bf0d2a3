//! Strategies for random parameter values.

use highwater::scenario::{Decimal, Param, ParamKind};
use proptest::prelude::*;
use std::ops::RangeInclusive;

/// Returns a valid value of a parameter. One number in four is the minimum, and one the
/// maximum.
pub(crate) fn random_value(param: &Param, pick: u64) -> String {
    let within = |min, max| match pick % 4 {
        0 => min,
        1 => max,
        _ => min + pick / 4 % (max - min + 1),
    };
    match param.kind {
        ParamKind::Integer { min, max, .. } => within(min, max).to_string(),
        ParamKind::Decimal { min, max, .. } => {
            let hundredths = within(min.hundredths(), max.hundredths());
            Decimal::from_hundredths(hundredths).to_string()
        }
        ParamKind::Choice { options, .. } => {
            let index = usize::try_from(pick % options.len() as u64).unwrap();
            options[index].to_owned()
        }
    }
}

pub(crate) fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

pub(crate) fn number(range: RangeInclusive<u64>) -> impl Strategy<Value = String> {
    range.prop_map(|number| number.to_string())
}

/// Zero, a small number or a large number.
pub(crate) fn zero_small_or_large(few: u64, many: u64) -> impl Strategy<Value = String> {
    prop_oneof![number(0..=0), number(1..=few), number(many..=many)]
}

/// Parameters of `cluster` except those of its load.
pub(crate) fn cluster_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let choices = (
        one_of(&["kill", "hang", "crash_loop", "reload", "bad_reload", "none"]),
        one_of(&["rolling", "stop_then_start"]),
        one_of(&["round_robin", "least_busy", "shared_queue"]),
        prop_oneof![number(0..=8), number(1_000_000..=1_000_000)],
        one_of(&["regular", "jittered", "poisson", "bursty"]),
        one_of(&[
            "fixed",
            "jittered",
            "exponential",
            "lognormal",
            "heavy_tailed",
        ]),
    );
    let numbers = (
        number(1..=8),
        zero_small_or_large(100, 1_000),
        number(500..=1_500),
        number(0..=10),
        number(0..=1_000_000),
    );
    (choices, numbers).prop_map(|(choices, numbers)| {
        let (workers, startup, heartbeat, restarts, seed) = numbers;
        vec![
            ("event", choices.0),
            ("restart", choices.1),
            ("balance", choices.2),
            ("queue", choices.3),
            ("arrivals", choices.4),
            ("times", choices.5),
            ("workers", workers),
            ("startup", startup),
            ("heartbeat", heartbeat),
            ("restarts", restarts),
            ("seed", seed),
        ]
    })
}
