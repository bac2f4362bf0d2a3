//! Statistics of paired measurements.

/// The median of paired differences, with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) median: f64,
    /// Bounds of the 95 % confidence interval by the sign test. It assumes nothing about
    /// the distribution: the number of differences below their true median is binomial.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Difference {
    /// Returns `None` for fewer than 6 differences, which are too few.
    pub(super) fn of(differences: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = differences.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let outside = outside(sorted.len())?;
        Some(Difference {
            median: median_of_sorted(&sorted)?,
            low: sorted[outside],
            high: sorted[sorted.len() - 1 - outside],
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
        let quarter = figures.len() / 4;
        let at = |place: usize| figures.get(place).copied();
        Quartiles {
            low: at(quarter).unwrap_or(f64::NAN),
            median: median_of_sorted(&figures).unwrap_or(f64::NAN),
            high: at((figures.len() - quarter).saturating_sub(1)).unwrap_or(f64::NAN),
        }
    }

    /// Returns the interquartile range.
    pub(super) fn width(&self) -> f64 {
        self.high - self.low
    }
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], *upper),
        _ => *upper,
    })
}

/// Returns how many of `count` sorted values lie outside the interval at each end: the
/// largest number whose binomial probability is at most 2.5 %.
fn outside(count: usize) -> Option<usize> {
    let tosses = i32::try_from(count).ok()?;
    let mut chance = 0.5_f64.powi(tosses);
    let mut sum = 0.0;
    for below in 0..count {
        sum += chance;
        if sum > 0.025 {
            return below.checked_sub(1);
        }
        chance *= (count - below) as f64 / (below + 1) as f64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_matches_sign_test_tables() {
        // At least 6 are needed: with 5, both ends together have a probability of 1/16.
        assert_eq!(outside(5), None);
        for (count, left_out) in [(6, 0), (20, 5), (50, 17), (100, 39)] {
            assert_eq!(outside(count), Some(left_out), "{count}");
        }
    }

    #[test]
    fn interval_excludes_zero_only_for_a_difference() {
        let noise = |shift: f64| (-10..=10).map(move |step| f64::from(step) + shift);
        let same = Difference::of(noise(0.0)).unwrap();
        assert_eq!((same.low, same.median, same.high), (-5.0, 0.0, 5.0));
        assert!(same.contains_zero());
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
