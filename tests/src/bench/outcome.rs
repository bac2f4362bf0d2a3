//! The outcome of a comparison: figures and targets.

use std::fmt;

use serde_json::{Value, json};

/// The outcome of a comparison. `Display` prints it as a table.
pub(super) trait Outcome: fmt::Display {
    /// Returns the figures as JSON.
    fn figures(&self) -> Value;

    /// Returns the targets.
    fn targets(&self) -> Vec<Target>;

    /// Returns the number of missed targets.
    fn misses(&self) -> usize {
        let targets = self.targets();
        targets.iter().filter(|target| !target.is_met).count()
    }

    /// Returns the figures and targets as JSON.
    fn json(&self) -> Value {
        let mut all = self.figures();
        all["targets"] = self.targets().iter().map(Target::json).collect();
        all
    }
}

/// A target for a figure.
pub(super) struct Target {
    text: String,
    wanted: String,
    found: f64,
    is_met: bool,
}

impl Target {
    pub(super) fn at_least(text: String, least: f64, found: f64) -> Self {
        Target {
            text,
            wanted: format!("at least {least:.1}"),
            found,
            is_met: found >= least,
        }
    }

    pub(super) fn at_most(text: String, most: f64, found: f64) -> Self {
        Target {
            text,
            wanted: format!("at most {most:.1}"),
            found,
            is_met: found <= most,
        }
    }

    /// Returns a target without a peer to compare with, which counts as missed.
    pub(super) fn not_measured(text: String) -> Self {
        Target {
            text,
            wanted: "not measured: a peer is missing".to_owned(),
            found: f64::NAN,
            is_met: false,
        }
    }

    fn json(&self) -> Value {
        json!({
            "target": self.text,
            "wanted": self.wanted,
            "found": self.found,
            "met": self.is_met,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met { "met   " } else { "missed" };
        let Target {
            text,
            wanted,
            found,
            ..
        } = self;
        if found.is_nan() {
            return write!(f, "missed  {text}: {wanted}");
        }
        write!(f, "{verdict}  {text}: {found:.2} ({wanted})")
    }
}

/// The best result of each contestant. It counts, since disturbances only ever make a
/// result worse.
pub(super) struct BestResults<K> {
    better: fn(f64, f64) -> f64,
    all: Vec<(K, f64)>,
    /// The lowest and highest result of each, in the same order.
    ranges: Vec<(f64, f64)>,
}

impl<K: PartialEq> BestResults<K> {
    /// Keeps the lowest results.
    pub(super) fn lowest() -> Self {
        BestResults {
            better: f64::min,
            all: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// Keeps the highest results.
    pub(super) fn highest() -> Self {
        BestResults {
            better: f64::max,
            all: Vec::new(),
            ranges: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, key: K, found: f64) {
        if let Some(index) = self.all.iter().position(|(known, _)| *known == key) {
            let (best, (low, high)) = (&mut self.all[index].1, &mut self.ranges[index]);
            *best = (self.better)(*best, found);
            (*low, *high) = (low.min(found), high.max(found));
        } else {
            self.all.push((key, found));
            self.ranges.push((found, found));
        }
    }

    /// Returns the range of a contestant's results in percent of the best.
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
    pub(super) fn ratio(&self, of: &K, to: &K) -> Option<f64> {
        Some(self.get(of)? / self.get(to)?)
    }

    /// Iterates in the order in which contestants were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, f64)> {
        self.all.iter()
    }
}

/// Formats a ratio, or a dash if there is none.
pub(super) fn or_dash(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_result_counts() {
        let mut times = BestResults::lowest();
        let mut rates = BestResults::highest();
        for found in [2.0, 1.0, 3.0] {
            times.add("ours", found);
            rates.add("ours", found);
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
    fn target_is_met_at_its_limit() {
        let target = |found| Target::at_least("rate".to_owned(), 1.5, found);
        assert_eq!(target(1.5).to_string(), "met     rate: 1.50 (at least 1.5)");
        assert!(!target(1.49).is_met);
        let target = |found| Target::at_most("memory".to_owned(), 16.0, found);
        assert!(target(16.0).is_met);
        assert_eq!(
            target(17.0).to_string(),
            "missed  memory: 17.00 (at most 16.0)"
        );
    }
}
