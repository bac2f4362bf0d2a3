//! The result table.

use std::fmt;
use std::time::Duration;

use crate::test_counts::TestCounts;

/// The results of a test run, one row per suite.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// The result of a suite.
pub(crate) struct Row {
    pub(crate) suite: &'static str,
    pub(crate) counts: TestCounts,
    /// Elapsed time.
    pub(crate) elapsed: Duration,
    /// CPU time, summed over all cores.
    pub(crate) cpu_time: Duration,
}

impl Table {
    /// Adds the result of a suite.
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Sorts the rows by the order of these names.
    pub(crate) fn sort_by(&mut self, order: &[&str]) {
        self.0
            .sort_by_key(|row| order.iter().position(|name| *name == row.suite));
    }

    /// Returns the total counts of all suites.
    pub(crate) fn total(&self) -> TestCounts {
        let mut total = TestCounts::default();
        for row in &self.0 {
            total += row.counts;
        }
        total
    }
}

/// Prints the rows, then the total on a line of its own, which scripts can parse.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8}{:>8}{:>8}{:>10}{:>10}",
            "suite", "passed", "failed", "time", "busy"
        )?;
        for row in &self.0 {
            let TestCounts { passed, failed } = row.counts;
            let [elapsed, cpu_time] = [row.elapsed, row.cpu_time].map(|time| time.as_secs_f64());
            let suite = row.suite;
            writeln!(
                f,
                "{suite:<8}{passed:>8}{failed:>8}{elapsed:>8.1} s{cpu_time:>8.1} s"
            )?;
        }
        let TestCounts { passed, failed } = self.total();
        writeln!(f, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(suite: &'static str, passed: usize, failed: usize) -> Row {
        Row {
            suite,
            counts: TestCounts { passed, failed },
            elapsed: Duration::from_millis(1500),
            cpu_time: Duration::from_millis(2750),
        }
    }

    #[test]
    fn total_is_the_last_line() {
        let mut table = Table::default();
        table.add(row("unit", 40, 0));
        table.add(row("e2e", 2, 1));
        let text = table.to_string();
        assert_eq!(text.lines().last(), Some("42 passed, 1 failed"));
        assert!(
            text.contains("unit          40       0     1.5 s     2.8 s"),
            "{text}"
        );
    }

    #[test]
    fn rows_are_sorted_by_suite_order() {
        let mut table = Table::default();
        for suite in ["e2e", "fmt", "unit"] {
            table.add(row(suite, 1, 0));
        }
        table.sort_by(&["fmt", "unit", "e2e"]);
        let text = table.to_string();
        let names: Vec<_> = text.lines().filter_map(|it| it.split(' ').next()).collect();
        assert_eq!(names, ["suite", "fmt", "unit", "e2e", "3"]);
    }
}
