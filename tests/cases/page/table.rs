//! Budgets, and whether they are kept.

use std::fmt;

/// All of them.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    what: String,
    found: f64,
    limit: f64,
    unit: &'static str,
    /// More is better.
    is_least: bool,
}

impl Table {
    /// A figure that may be as large as `limit`.
    pub(crate) fn at_most(
        &mut self,
        what: impl Into<String>,
        found: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.add(what.into(), found, limit, unit, false);
    }

    /// A figure that has to be as large as `limit`.
    pub(crate) fn at_least(
        &mut self,
        what: impl Into<String>,
        found: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.add(what.into(), found, limit, unit, true);
    }

    /// Whether all are kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.iter().all(Row::is_kept)
    }

    fn add(&mut self, what: String, found: f64, limit: f64, unit: &'static str, is_least: bool) {
        let row = Row {
            what,
            found,
            limit,
            unit,
            is_least,
        };
        eprintln!("{row}");
        self.0.push(row);
    }
}

impl Row {
    fn is_kept(&self) -> bool {
        if self.is_least {
            self.found >= self.limit
        } else {
            self.found <= self.limit
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            what,
            found,
            limit,
            unit,
            is_least,
        } = self;
        let bound = if *is_least { "at least" } else { "at most" };
        let verdict = if self.is_kept() { "ok" } else { "MISSED" };
        let digits = usize::from(found.fract() != 0.0 || limit.fract() != 0.0);
        write!(
            f,
            "{what:<56}{found:>9.digits$} {unit:<4}{bound:>9}{limit:>9.digits$}  {verdict}"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<56}{:>9} {:<4}{:>18}",
            "budget", "found", "", "wanted"
        )?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
