//! Values of parameters, drawn at random.

use proptest::prelude::*;
use std::ops::RangeInclusive;

pub(crate) fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

pub(crate) fn number(range: RangeInclusive<u64>) -> impl Strategy<Value = String> {
    range.prop_map(|number| number.to_string())
}

/// Often nothing, sometimes some, sometimes a lot.
pub(crate) fn some(few: u64, many: u64) -> impl Strategy<Value = String> {
    prop_oneof![number(0..=0), number(1..=few), number(many..=many)]
}
