//! Whether two things measured in pairs differ.

/// The median of differences, and what it may be as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Median {
    pub(super) median: f64,
    /// Between these it is, in at least 95 of 100 repetitions. Nothing is taken
    /// for granted about how the differences are spread: how many of them are
    /// below their true median is a matter of tossing coins.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Median {
    /// `None` for too few of them to say anything: fewer than 6.
    pub(super) fn of(differences: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = differences.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let outside = outside(sorted.len())?;
        Some(Median {
            median: median_of_sorted(&sorted)?,
            low: sorted[outside],
            high: sorted[sorted.len() - 1 - outside],
        })
    }

    /// Whether there may be no difference at all.
    pub(super) fn contains_zero(&self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high
    }
}

/// The middle one.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    median_of_sorted(&figures)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    Some(match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], *upper),
        _ => *upper,
    })
}

/// How many of so many are left out at each end: as many as come out below the
/// middle, of so many tosses, with a chance of no more than 2.5 %.
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
    fn the_ends_are_those_of_the_tables_of_the_sign_test() {
        // As many as 6 are needed: both ends of 5 have a chance of 1 in 16.
        assert_eq!(outside(5), None);
        for (count, left_out) in [(6, 0), (20, 5), (50, 17), (100, 39)] {
            assert_eq!(outside(count), Some(left_out), "{count}");
        }
    }

    #[test]
    fn what_is_the_same_differs_by_zero_and_what_is_not_does_not() {
        let noise = |shift: f64| (-10..=10).map(move |step| f64::from(step) + shift);
        let same = Median::of(noise(0.0)).unwrap();
        assert_eq!((same.low, same.median, same.high), (-5.0, 0.0, 5.0));
        assert!(same.contains_zero());
        assert!(Median::of(noise(5.0)).unwrap().contains_zero());
        assert!(!Median::of(noise(5.5)).unwrap().contains_zero());
        assert!(!Median::of(noise(-5.5)).unwrap().contains_zero());
        assert_eq!(Median::of([1.0; 5]), None);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(median(vec![4.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
