//! The outcome of a comparison: results and targets.

use std::fmt;

use serde_json::{Value, json};

/// The outcome of a comparison. `Display` prints the results as a table.
pub(super) trait Outcome: fmt::Display {
    /// Returns the results as JSON.
    fn figures(&self) -> Value;

    /// Returns the targets.
    fn targets(&self) -> Vec<Target>;

    /// Returns the number of missed targets.
    fn missed_target_count(&self) -> usize {
        let targets = self.targets();
        targets.iter().filter(|target| !target.is_met).count()
    }

    /// Returns the results and targets as JSON.
    fn json(&self) -> Value {
        let mut all = self.figures();
        all["targets"] = self.targets().iter().map(Target::json).collect();
        all
    }
}

/// A target for a measured value.
pub(super) struct Target {
    text: String,
    requirement: String,
    value: f64,
    is_met: bool,
}

impl Target {
    pub(super) fn at_least(text: String, min: f64, value: f64) -> Self {
        Target {
            text,
            requirement: format!("at least {min:?}"),
            value,
            is_met: value >= min,
        }
    }

    pub(super) fn at_most(text: String, max: f64, value: f64) -> Self {
        Target {
            text,
            requirement: format!("at most {max:?}"),
            value,
            is_met: value <= max,
        }
    }

    /// Returns a missed target for a comparison without its peer.
    pub(super) fn not_measured(text: String) -> Self {
        Target {
            text,
            requirement: "not measured: a peer is missing".to_owned(),
            value: f64::NAN,
            is_met: false,
        }
    }

    fn json(&self) -> Value {
        json!({
            "target": self.text,
            "wanted": self.requirement,
            "found": self.value,
            "met": self.is_met,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = if self.is_met { "met   " } else { "missed" };
        let Target {
            text,
            requirement,
            value,
            ..
        } = self;
        if value.is_nan() {
            return write!(f, "missed  {text}: {requirement}");
        }
        write!(f, "{status}  {text}: {value:.2} ({requirement})")
    }
}

/// Formats a ratio, or returns a dash for `None`.
pub(super) fn or_dash(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_limit_is_inclusive() {
        let target = |value| Target::at_least("rate".to_owned(), 1.5, value);
        assert_eq!(target(1.5).to_string(), "met     rate: 1.50 (at least 1.5)");
        assert!(!target(1.49).is_met);
        let target = |value| Target::at_most("memory".to_owned(), 16.0, value);
        assert!(target(16.0).is_met);
        assert_eq!(
            target(17.0).to_string(),
            "missed  memory: 17.00 (at most 16.0)"
        );
    }
}
