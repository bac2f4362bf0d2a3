//! What happened, suite by suite.

use std::fmt;
use std::time::Duration;

use crate::summary::Tally;

/// The results of a run.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    suite: &'static str,
    tally: Tally,
    took: Duration,
}

impl Table {
    /// Adds the result of a suite.
    pub(crate) fn add(&mut self, suite: &'static str, tally: Tally, took: Duration) {
        self.0.push(Row { suite, tally, took });
    }

    /// The sum of all suites.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for row in &self.0 {
            total += row.tally;
        }
        total
    }
}

/// A table, then the total alone on the last line, for scripts.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8}{:>8}{:>8}{:>10}",
            "suite", "passed", "failed", "time"
        )?;
        for Row { suite, tally, took } in &self.0 {
            let Tally { passed, failed } = tally;
            let seconds = took.as_secs_f64();
            writeln!(f, "{suite:<8}{passed:>8}{failed:>8}{seconds:>8.1} s")?;
        }
        let Tally { passed, failed } = self.total();
        writeln!(f, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_line() {
        let mut table = Table::default();
        let tally = |passed, failed| Tally { passed, failed };
        table.add("unit", tally(40, 0), Duration::from_millis(1500));
        table.add("e2e", tally(2, 1), Duration::from_secs(9));
        let text = table.to_string();
        assert_eq!(text.lines().last(), Some("42 passed, 1 failed"));
        assert!(
            text.contains("unit          40       0     1.5 s"),
            "{text}"
        );
    }
}
