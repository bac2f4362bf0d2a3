//! Numbers to set, in short.

use crate::scenario::{Param, ParamKind, Unit};

/// What a number counts, and its least, greatest and default value.
pub(in crate::scenario) type Range = (Unit, u64, u64, u64);

pub(in crate::scenario) const fn number(
    key: &'static str,
    label: &'static str,
    help: &'static str,
    (unit, min, max, default): Range,
) -> Param {
    Param {
        key,
        label,
        help,
        kind: ParamKind::Integer {
            unit,
            min,
            max,
            default,
        },
    }
}

pub(in crate::scenario) const fn choice(
    key: &'static str,
    label: &'static str,
    help: &'static str,
    options: &'static [&'static str],
) -> Param {
    Param {
        key,
        label,
        help,
        kind: ParamKind::Choice {
            options,
            default: options[0],
        },
    }
}
