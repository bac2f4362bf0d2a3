//! Rounds of measurements, and the best result of each contestant.

/// Highwater's name among the contestants.
pub(super) const HIGHWATER: &str = "highwater";

/// Measures all contestants in every round, so that background load affects all of
/// them. Prints the progress to standard error.
pub(super) fn run_rounds(
    count: usize,
    mut turns: impl FnMut(usize, &dyn Fn(&str)) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for round in 1..=count {
        turns(round, &|progress| {
            eprintln!("round {round} of {count}: {progress}");
        })?;
    }
    Ok(())
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
}
