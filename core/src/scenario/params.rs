//! The schema of a scenario's parameters.
//!
//! The page's controls, the command line's `--set`, addresses and documentation
//! are all generated from this schema.

use super::Decimal;
use serde::Serialize;
use std::fmt;

/// A parameter of a scenario.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Param {
    /// The name used in commands and addresses.
    pub key: &'static str,
    /// The label on the page.
    pub label: &'static str,
    /// A short explanation of its effect.
    pub help: &'static str,
    /// `true` if it can change during a run: see
    /// [`Experiment::set`](super::Experiment::set).
    pub live: bool,
    /// The key and value of another parameter without which it has no effect.
    pub only_with: Option<(&'static str, &'static str)>,
    /// The valid values and the default.
    #[serde(flatten)]
    pub kind: ParamKind,
}

/// The unit, minimum, maximum and default of a number.
pub(super) type Range = (ParamUnit, u64, u64, u64);

impl Param {
    /// Creates an integer parameter.
    pub(super) const fn integer(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        (unit, min, max, default): Range,
    ) -> Self {
        let kind = ParamKind::Integer {
            unit,
            min,
            max,
            default,
        };
        Param::new(key, label, help, kind)
    }

    /// Creates a decimal parameter from its minimum, maximum and default in hundredths.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn decimal(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        (min, max, default): (u64, u64, u64),
    ) -> Self {
        let kind = ParamKind::Decimal {
            min: Decimal::from_hundredths(min),
            max: Decimal::from_hundredths(max),
            default: Decimal::from_hundredths(default),
        };
        Param::new(key, label, help, kind)
    }

    /// Lets the parameter change during a run.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn live(self) -> Self {
        Param { live: true, ..self }
    }

    /// Declares that the parameter has no effect unless the choice `key` is `option`.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn only_with(self, key: &'static str, option: &'static str) -> Self {
        Param {
            only_with: Some((key, option)),
            ..self
        }
    }

    /// Creates a choice; its first option is the default.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn choice(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        options: &'static [&'static str],
    ) -> Self {
        let default = options[0];
        Param::new(key, label, help, ParamKind::Choice { options, default })
    }

    /// Creates a parameter that is the same during a run and always has an effect.
    pub(super) const fn new(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        kind: ParamKind,
    ) -> Self {
        Param {
            key,
            label,
            help,
            live: false,
            only_with: None,
            kind,
        }
    }
}

/// The seed, a parameter of every scenario.
///
/// Its maximum is JavaScript's `Number.MAX_SAFE_INTEGER`, so parsers that store numbers
/// as doubles represent every seed exactly.
pub static SEED: Param = Param::integer(
    "seed",
    "Seed",
    "The same seed gives the same run.",
    (ParamUnit::Count, 0, (1 << 53) - 1, 1),
);

/// The valid values of a parameter, and its default.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ParamKind {
    /// An integer from `min` to `max`.
    Integer {
        /// The unit.
        unit: ParamUnit,
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
        /// The default.
        default: u64,
    },
    /// A decimal number from `min` to `max`, with up to two decimal places.
    Decimal {
        /// The minimum.
        min: Decimal,
        /// The maximum.
        max: Decimal,
        /// The default.
        default: Decimal,
    },
    /// One of several options.
    Choice {
        /// The options.
        options: &'static [&'static str],
        /// The default option.
        default: &'static str,
    },
}

/// The unit of an integer parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamUnit {
    /// A plain number of the items that the label names.
    Count,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Percent.
    Percent,
    /// Kibibytes, 1024 bytes each.
    #[serde(rename = "kib")]
    KiB,
}

impl fmt::Display for ParamUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParamUnit::Count => "",
            ParamUnit::Ms => " ms",
            ParamUnit::Us => " µs",
            ParamUnit::Percent => " %",
            ParamUnit::KiB => " KiB",
        })
    }
}

/// A value of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The value of an integer parameter.
    Integer(u64),
    /// The value of a decimal parameter.
    Decimal(Decimal),
    /// The selected option of a choice.
    Choice(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(number) => number.fmt(f),
            Value::Decimal(number) => number.fmt(f),
            Value::Choice(word) => f.write_str(word),
        }
    }
}

impl Param {
    /// Returns the default value.
    #[must_use]
    pub fn default(&self) -> Value {
        match self.kind {
            ParamKind::Integer { default, .. } => Value::Integer(default),
            ParamKind::Decimal { default, .. } => Value::Decimal(default),
            ParamKind::Choice { default, .. } => Value::Choice(default),
        }
    }

    /// Describes the valid values: `0 to 5000 ms`, `0.01 to 10 (up to two decimals)`, or
    /// `sync or async`.
    #[must_use]
    pub fn range(&self) -> String {
        match self.kind {
            ParamKind::Integer { unit, min, max, .. } => format!("{min} to {max}{unit}"),
            ParamKind::Decimal { min, max, .. } => {
                format!("{min} to {max} (up to two decimals)")
            }
            ParamKind::Choice { options, .. } => match options {
                [init @ .., last] if !init.is_empty() => {
                    format!("{} or {last}", init.join(", "))
                }
                _ => options.concat(),
            },
        }
    }
}
