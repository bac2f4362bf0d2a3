//! Counts of passed and failed tests, parsed from the output of test harnesses.

use std::ops::AddAssign;

/// Numbers of passed and failed tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl TestCounts {
    /// One passed check.
    pub(crate) const ONE_PASSED: Self = Self {
        passed: 1,
        failed: 0,
    };
    /// One failed check.
    pub(crate) const ONE_FAILED: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// Parses the summary line of libtest and wasm-bindgen-test:
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; …`. Returns `None` for any
    /// other line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = strip_colour(line);
        let (_, counts) = line.split_once("test result: ")?;
        // The verdict ends with the first full stop.
        let (_, counts) = counts.split_once(". ")?;
        let count = |label: &str| {
            counts.split(';').find_map(|part| {
                let (number, word) = part.trim().split_once(' ')?;
                (word == label).then(|| number.parse().ok()).flatten()
            })
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Removes colour codes, which harnesses print to terminals.
fn strip_colour(line: &str) -> String {
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

    fn counts(passed: usize, failed: usize) -> TestCounts {
        TestCounts { passed, failed }
    }

    #[test]
    fn libtest_summary_is_parsed() {
        let line = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; \
                    1 filtered out; finished in 0.02s";
        assert_eq!(TestCounts::parse(line), Some(counts(12, 0)));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured";
        assert_eq!(TestCounts::parse(line), Some(counts(1, 2)));
    }

    #[test]
    fn wasm_bindgen_test_summary_is_parsed() {
        let line = "test result: ok. 4 passed; 0 failed; 0 ignored; 0 filtered out; \
                    finished in 0.31s\n";
        assert_eq!(TestCounts::parse(line), Some(counts(4, 0)));
    }

    #[test]
    fn colours_are_ignored() {
        let line = "test result: \x1b[32mok\x1b[0m. 5 passed; 1 failed; 0 ignored";
        assert_eq!(TestCounts::parse(line), Some(counts(5, 1)));
    }

    #[test]
    fn other_lines_are_not_summaries() {
        for line in [
            "",
            "running 3 tests",
            "test result",
            "test result: ok",
            "test result: ok. many passed; 0 failed",
            "12 passed, 0 failed",
        ] {
            assert_eq!(TestCounts::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn counts_add_up() {
        let mut sum = TestCounts::ONE_PASSED;
        sum += TestCounts::ONE_FAILED;
        sum += TestCounts::ONE_PASSED;
        assert_eq!(sum, counts(2, 1));
    }
}
