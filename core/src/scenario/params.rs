//! What can be set, as a schema.
//!
//! The schema alone makes the page's controls, the command line's `--set`, the
//! address and the documentation.

use super::{InputError, change::Schedule};
use serde::Serialize;
use std::{fmt, time::Duration};

/// One thing that can be set.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Param {
    /// Its name in commands and addresses.
    pub key: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// Whether it can change in the midst of a run: see
    /// [`Experiment::set`](super::Experiment::set).
    pub live: bool,
    /// What may be set, and the default.
    #[serde(flatten)]
    pub kind: ParamKind,
}

/// What a number counts, and its least, greatest and default value.
pub(super) type Range = (ParamUnit, u64, u64, u64);

impl Param {
    /// A whole number.
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

    /// The same, and it can change in the midst of a run.
    #[allow(dead_code, reason = "without a chapter there is no scenario to use it")]
    pub(super) const fn live(self) -> Self {
        Param { live: true, ..self }
    }

    /// One of several words, of which the first is the default.
    #[allow(dead_code, reason = "without a chapter there is no scenario to use it")]
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

/// The seed, which every scenario has. Its greatest value is the last that
/// readers which keep numbers as doubles, JavaScript's among them, keep exactly.
pub static SEED: Param = Param::integer(
    "seed",
    "Seed",
    "Every random draw follows from it: the same seed, the same run.",
    (ParamUnit::Count, 0, (1 << 53) - 1, 1),
);

/// What a parameter may be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ParamKind {
    /// A whole number from `min` to `max`.
    Integer {
        /// What it counts.
        unit: ParamUnit,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
        /// The value when none is set.
        default: u64,
    },
    /// One of several words.
    Choice {
        /// The words.
        options: &'static [&'static str],
        /// The word when none is set.
        default: &'static str,
    },
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamUnit {
    /// Things named by the label.
    Count,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Parts of a hundred.
    Percent,
    /// 1024 bytes.
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
    /// Of an integer parameter.
    Integer(u64),
    /// Of a choice.
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
    /// The value when none is set.
    #[must_use]
    pub fn default(&self) -> Value {
        match self.kind {
            ParamKind::Integer { default, .. } => Value::Integer(default),
            ParamKind::Choice { default, .. } => Value::Choice(default),
        }
    }

    /// What may be set, in words: `0 to 5000 ms`, or `sync or async`.
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

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`InputError::BadValue`] names the range.
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

/// A value for each parameter of a schema.
///
/// Those of a run in progress follow its clock: a parameter that is changed in its
/// midst has its new value from then on.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    values: Vec<(&'static str, Value)>,
    /// Of a run in progress that has changes.
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

    /// Every key and its value at the start of a run, in the order of the schema.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        self.values.iter().copied()
    }

    /// The value of an integer parameter.
    ///
    /// # Panics
    ///
    /// If the schema has no such parameter: a bug in the scenario.
    #[must_use]
    pub fn integer(&self, key: &str) -> u64 {
        match self.get(key) {
            Value::Integer(number) => number,
            Value::Choice(_) => panic!("{key} is not an integer parameter"),
        }
    }

    /// The value of an integer parameter in milliseconds.
    ///
    /// # Panics
    ///
    /// If the schema has no such parameter: a bug in the scenario.
    #[must_use]
    pub fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key))
    }

    /// The value of an integer parameter in KiB, in bytes.
    ///
    /// # Panics
    ///
    /// If the schema has no such parameter: a bug in the scenario.
    #[must_use]
    pub fn kibibytes(&self, key: &str) -> usize {
        usize::try_from(self.integer(key) * 1024).unwrap_or(usize::MAX)
    }

    /// The value of a choice.
    ///
    /// # Panics
    ///
    /// If the schema has no such parameter: a bug in the scenario.
    #[must_use]
    pub fn choice(&self, key: &str) -> &'static str {
        match self.get(key) {
            Value::Choice(word) => word,
            Value::Integer(_) => panic!("{key} is not a choice"),
        }
    }

    fn get(&self, key: &str) -> Value {
        let changed = self.schedule.as_ref().and_then(|it| it.value_now(key));
        if let Some(value) = changed {
            return value;
        }
        match self.values.iter().find(|(known, _)| *known == key) {
            Some((_, value)) => *value,
            None => panic!("no parameter {key}"),
        }
    }
}
