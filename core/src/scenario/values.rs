//! The parameter values of a run.

use super::{Param, Value, change::Schedule};
use crate::Overflow;
use std::time::Duration;

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
            _ => panic!("{key} is not an integer parameter"),
        }
    }

    /// Returns the value of a decimal parameter.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such parameter, which is a bug in the scenario.
    #[must_use]
    pub fn decimal(&self, key: &str) -> f64 {
        match self.get(key) {
            Value::Decimal(number) => number.to_f64(),
            _ => panic!("{key} is not a decimal parameter"),
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
            _ => panic!("{key} is not a choice"),
        }
    }

    /// Returns the policy selected by the choice `overflow`.
    ///
    /// # Panics
    ///
    /// Panics if the schema has no such choice, which is a bug in the scenario.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        match self.choice("overflow") {
            "drop-oldest" => Overflow::DropOldest,
            "drop-newest" => Overflow::DropNewest,
            "latest" => Overflow::Latest,
            "fail" => Overflow::Fail,
            _ => Overflow::Wait,
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
