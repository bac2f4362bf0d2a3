//! Counts, read from what test harnesses print.

use std::ops::AddAssign;

/// How many passed and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// One check that passed.
    pub(crate) const PASS: Self = Self {
        passed: 1,
        failed: 0,
    };
    /// One check that failed.
    pub(crate) const FAIL: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// The counts of a summary line, as libtest and wasm-bindgen-test both
    /// print it: `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    /// `None` for any other line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = without_colour(line);
        let (_, counts) = line.split_once("test result: ")?;
        // The verdict comes first, up to a full stop.
        let (_, counts) = counts.split_once(". ")?;
        let count = |what: &str| {
            counts.split(';').find_map(|part| {
                let (number, word) = part.trim().split_once(' ')?;
                (word == what).then(|| number.parse().ok()).flatten()
            })
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A harness that believes in its terminal colours the verdict.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn libtest() {
        let line = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; \
                    1 filtered out; finished in 0.02s";
        assert_eq!(Tally::parse(line), Some(tally(12, 0)));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured";
        assert_eq!(Tally::parse(line), Some(tally(1, 2)));
    }

    #[test]
    fn wasm_bindgen_test() {
        let line = "test result: ok. 4 passed; 0 failed; 0 ignored; 0 filtered out; \
                    finished in 0.31s\n";
        assert_eq!(Tally::parse(line), Some(tally(4, 0)));
    }

    #[test]
    fn colours_do_not_matter() {
        let line = "test result: \x1b[32mok\x1b[0m. 5 passed; 1 failed; 0 ignored";
        assert_eq!(Tally::parse(line), Some(tally(5, 1)));
    }

    #[test]
    fn anything_else_is_not_a_summary() {
        for line in [
            "",
            "running 3 tests",
            "test result",
            "test result: ok",
            "test result: ok. many passed; 0 failed",
            "12 passed, 0 failed",
        ] {
            assert_eq!(Tally::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = Tally::PASS;
        sum += Tally::FAIL;
        sum += Tally::PASS;
        assert_eq!(sum, tally(2, 1));
    }
}
