//! A table of measurements and their budgets.

use std::fmt;

/// The measurements.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    what: String,
    found: f64,
    limit: f64,
    unit: &'static str,
    /// `true` if the limit is a minimum, otherwise a maximum.
    is_minimum: bool,
}

impl Table {
    /// Adds a figure with a maximum.
    pub(crate) fn at_most(
        &mut self,
        what: impl Into<String>,
        found: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.add(what.into(), found, limit, unit, false);
    }

    /// Adds a figure with a minimum.
    pub(crate) fn at_least(
        &mut self,
        what: impl Into<String>,
        found: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.add(what.into(), found, limit, unit, true);
    }

    /// Returns `true` if every figure is within its budget.
    pub(crate) fn is_within_budget(&self) -> bool {
        self.0.iter().all(Row::is_within_budget)
    }

    fn add(&mut self, what: String, found: f64, limit: f64, unit: &'static str, is_minimum: bool) {
        let row = Row {
            what,
            found,
            limit,
            unit,
            is_minimum,
        };
        eprintln!("{row}");
        self.0.push(row);
    }
}

impl Row {
    fn is_within_budget(&self) -> bool {
        if self.is_minimum {
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
            is_minimum,
        } = self;
        let bound = if *is_minimum { "at least" } else { "at most" };
        let verdict = if self.is_within_budget() {
            "ok"
        } else {
            "MISSED"
        };
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
            "budget", "measured", "", "limit"
        )?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
