//! The schema of a scenario's parameters.
//!
//! The page's controls, the command line's `--set`, addresses and documentation
//! are all generated from this schema.

use super::{InputError, change::Schedule};
use serde::Serialize;
use std::{fmt, time::Duration};

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
        Param {
            key,
            label,
            help,
            live: false,
            kind,
        }
    }

    /// Lets the parameter change during a run.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn live(self) -> Self {
        Param { live: true, ..self }
    }

    /// Creates a choice; its first option is the default.
    #[allow(dead_code, reason = "unused in a build without chapters")]
    pub(super) const fn choice(
        key: &'static str,
        label: &'static str,
        help: &'static str,
        options: &'static [&'static str],
    ) -> Self {
        let kind = ParamKind::Choice {
            options,
            default: options[0],
        };
        Param {
            key,
            label,
            help,
            live: false,
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
    /// The selected option of a choice.
    Choice(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(number) => number.fmt(f),
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
            ParamKind::Choice { default, .. } => Value::Choice(default),
        }
    }

    /// Describes the valid values: `0 to 5000 ms`, or `sync or async`.
    #[must_use]
    pub fn range(&self) -> String {
        match self.kind {
            ParamKind::Integer { unit, min, max, .. } => format!("{min} to {max}{unit}"),
            ParamKind::Choice { options, .. } => match options {
                [init @ .., last] if !init.is_empty() => {
                    format!("{} or {last}", init.join(", "))
                }
                _ => options.concat(),
            },
        }
    }

    /// Parses a value.
    ///
    /// # Errors
    ///
    /// Returns [`InputError::BadValue`], which names the range, if the text is not a
    /// valid value.
    pub fn parse(&self, text: &str) -> Result<Value, InputError> {
        let value = match self.kind {
            ParamKind::Integer { min, max, .. } => text
                .trim()
                .parse()
                .ok()
                .filter(|number| (min..=max).contains(number))
                .map(Value::Integer),
            ParamKind::Choice { options, .. } => options
                .iter()
                .find(|option| **option == text.trim())
                .map(|option| Value::Choice(option)),
        };
        value.ok_or_else(|| InputError::BadValue {
            key: self.key,
            value: text.to_owned(),
            range: self.range(),
        })
    }
}

/// The values of a scenario's parameters.
///
/// During a run with scheduled changes, the getters return the value at the
/// current time of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    values: Vec<(&'static str, Value)>,
    /// `Some` during a run with scheduled changes.
    schedule: Option<Schedule>,
}

impl Values {
    pub(super) fn defaults(params: &[Param]) -> Self {
        Values {
            values: params
                .iter()
                .map(|param| (param.key, param.default()))
                .collect(),
            schedule: None,
        }
    }

    pub(super) fn follow(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
    }

    pub(super) fn put(&mut self, key: &str, value: Value) {
        if let Some((_, slot)) = self.values.iter_mut().find(|(known, _)| *known == key) {
            *slot = value;
        }
    }

    /// Returns each key and its value at the start of the run, in schema order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        self.values.iter().copied()
    }

    /// Returns the value of an integer parameter.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such parameter, which is a bug in the scenario.
    #[must_use]
    pub fn integer(&self, key: &str) -> u64 {
        match self.get(key) {
            Value::Integer(number) => number,
            Value::Choice(_) => panic!("{key} is not an integer parameter"),
        }
    }

    /// Returns the value of an integer parameter in milliseconds.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such parameter, which is a bug in the scenario.
    #[must_use]
    pub fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key))
    }

    /// Returns the value of an integer parameter in KiB, converted to bytes.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such parameter, which is a bug in the scenario.
    #[must_use]
    pub fn kibibytes(&self, key: &str) -> usize {
        usize::try_from(self.integer(key) * 1024).unwrap_or(usize::MAX)
    }

    /// Returns the selected option of a choice.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such parameter, which is a bug in the scenario.
    #[must_use]
    pub fn choice(&self, key: &str) -> &'static str {
        match self.get(key) {
            Value::Choice(word) => word,
            Value::Integer(_) => panic!("{key} is not a choice"),
        }
    }

    fn get(&self, key: &str) -> Value {
        let changed = self.schedule.as_ref().and_then(|it| it.current_value(key));
        if let Some(value) = changed {
            return value;
        }
        match self.values.iter().find(|(known, _)| *known == key) {
            Some((_, value)) => *value,
            None => panic!("no parameter {key}"),
        }
    }
}
