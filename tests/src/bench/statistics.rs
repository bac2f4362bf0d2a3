//! Medians, quartiles, and statistics for paired measurements.

/// The median of paired differences, with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) median: f64,
    /// Bounds of the 95 % confidence interval by the sign test, which assumes no
    /// particular distribution: the number of differences below their true median is
    /// binomial.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Difference {
    /// Returns `None` for fewer than 6 differences, which are too few for the interval.
    pub(super) fn of(differences: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = differences.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let outside_count = count_outside_interval(sorted.len())?;
        Some(Difference {
            median: median_of_sorted(&sorted)?,
            low: sorted[outside_count],
            high: sorted[sorted.len() - 1 - outside_count],
        })
    }

    /// Returns whether the interval includes zero.
    pub(super) fn contains_zero(&self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high
    }
}

/// The quartiles of a sample. They are NaN for an empty sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quartiles {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Quartiles {
    pub(super) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let quarter_len = figures.len() / 4;
        let at = |place: usize| figures.get(place).copied();
        Quartiles {
            low: at(quarter_len).unwrap_or(f64::NAN),
            median: median_of_sorted(&figures).unwrap_or(f64::NAN),
            high: at((figures.len() - quarter_len).saturating_sub(1)).unwrap_or(f64::NAN),
        }
    }

    /// Returns the interquartile range.
    pub(super) fn width(&self) -> f64 {
        self.high - self.low
    }
}

pub(super) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], *upper),
        _ => *upper,
    })
}

/// Returns the number of values outside the interval at each end of `count` sorted
/// values: the largest number with a cumulative binomial probability of at most 2.5 %.
fn count_outside_interval(count: usize) -> Option<usize> {
    let exponent = i32::try_from(count).ok()?;
    let mut probability = 0.5_f64.powi(exponent);
    let mut sum = 0.0;
    for index in 0..count {
        sum += probability;
        if sum > 0.025 {
            return index.checked_sub(1);
        }
        probability *= (count - index) as f64 / (index + 1) as f64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_matches_sign_test_tables() {
        // At least 6 are needed: with 5, both tails have a total probability of 1/16.
        assert_eq!(count_outside_interval(5), None);
        for (count, expected) in [(6, 0), (20, 5), (50, 17), (100, 39)] {
            assert_eq!(count_outside_interval(count), Some(expected), "{count}");
        }
    }

    #[test]
    fn interval_excludes_zero_only_for_a_difference() {
        let noise = |shift: f64| (-10..=10).map(move |step| f64::from(step) + shift);
        let difference = Difference::of(noise(0.0)).unwrap();
        assert_eq!(
            (difference.low, difference.median, difference.high),
            (-5.0, 0.0, 5.0)
        );
        assert!(difference.contains_zero());
        assert!(Difference::of(noise(5.0)).unwrap().contains_zero());
        assert!(!Difference::of(noise(5.5)).unwrap().contains_zero());
        assert!(!Difference::of(noise(-5.5)).unwrap().contains_zero());
        assert_eq!(Difference::of([1.0; 5]), None);
    }

    #[test]
    fn median_of_an_even_count_is_the_mean() {
        let all = |figures| Quartiles::of(figures);
        assert!(all(vec![4.0, 1.0, 2.0]).median.total_cmp(&2.0).is_eq());
        assert!(all(vec![4.0, 1.0, 2.0, 3.0]).median.total_cmp(&2.5).is_eq());
        assert!(all(vec![]).median.is_nan());
        let all = all((1..=100).rev().map(f64::from).collect());
        assert_eq!((all.low, all.median, all.high), (26.0, 50.5, 75.0));
    }
}
