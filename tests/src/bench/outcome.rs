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
            requirement: format!("at least {min:.1}"),
            value,
            is_met: value >= min,
        }
    }

    pub(super) fn at_most(text: String, max: f64, value: f64) -> Self {
        Target {
            text,
            requirement: format!("at most {max:.1}"),
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

/// The best result of each contestant. Background load can only worsen a result, so the
/// best one is the most accurate.
pub(super) struct BestResults<K> {
    select_better: fn(f64, f64) -> f64,
    all: Vec<(K, f64)>,
    /// The lowest and highest result of each contestant, in the same order.
    ranges: Vec<(f64, f64)>,
}

impl<K: PartialEq> BestResults<K> {
    /// Creates an empty collection that keeps the lowest results.
    pub(super) fn lowest() -> Self {
        BestResults {
            select_better: f64::min,
            all: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// Creates an empty collection that keeps the highest results.
    pub(super) fn highest() -> Self {
        BestResults {
            select_better: f64::max,
            all: Vec::new(),
            ranges: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, key: K, value: f64) {
        if let Some(index) = self.all.iter().position(|(known, _)| *known == key) {
            let (best, (low, high)) = (&mut self.all[index].1, &mut self.ranges[index]);
            *best = (self.select_better)(*best, value);
            (*low, *high) = (low.min(value), high.max(value));
        } else {
            self.all.push((key, value));
            self.ranges.push((value, value));
        }
    }

    /// Returns the range of a contestant's results, in percent of the best result.
    pub(super) fn spread(&self, key: &K) -> Option<f64> {
        let index = self.all.iter().position(|(known, _)| known == key)?;
        let (low, high) = self.ranges[index];
        Some((high - low) / self.all[index].1 * 100.0)
    }

    pub(super) fn get(&self, key: &K) -> Option<f64> {
        let mut all = self.all.iter();
        let (_, best) = all.find(|(known, _)| known == key)?;
        Some(*best)
    }

    /// Returns the best result of `of` divided by that of `to`.
    pub(super) fn ratio(&self, numerator: &K, denominator: &K) -> Option<f64> {
        Some(self.get(numerator)? / self.get(denominator)?)
    }

    /// Iterates in the order in which contestants were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, f64)> {
        self.all.iter()
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
    fn best_result_is_kept() {
        let mut times = BestResults::lowest();
        let mut rates = BestResults::highest();
        for value in [2.0, 1.0, 3.0] {
            times.add("ours", value);
            rates.add("ours", value);
        }
        rates.add("theirs", 1.5);
        assert_eq!(
            (times.get(&"ours"), rates.get(&"ours")),
            (Some(1.0), Some(3.0))
        );
        assert_eq!(
            (times.spread(&"ours"), rates.spread(&"ours")),
            (Some(200.0), Some(2.0 / 3.0 * 100.0))
        );
        assert_eq!(rates.spread(&"theirs"), Some(0.0));
        assert_eq!(rates.ratio(&"ours", &"theirs"), Some(2.0));
        assert_eq!(rates.ratio(&"ours", &"missing"), None);
    }

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
