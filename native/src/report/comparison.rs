//! The report of a simulated and a native run of the same experiment.

use super::{
    json::json as run_json, settings_or_none, table::render, write_incompleteness, write_verdicts,
};
use crate::world::FinishedRun;
use anstyle::Style;
use highwater::{
    analysis::{Measure, MeasureUnit, Measures, Theory, TheoryRow},
    scenario::{Experiment, Verdict},
};
use serde_json::{Value, json};
use std::fmt::Write;

/// The two runs and the prediction of queueing theory.
pub(crate) struct Comparison<'a> {
    experiment: &'a Experiment,
    runs: [&'a FinishedRun; 2],
    verdicts: [Vec<Verdict>; 2],
    theories: [Theory; 2],
    rows: Vec<ComparisonRow>,
}

/// A figure in theory and in both runs.
struct ComparisonRow {
    key: &'static str,
    label: String,
    unit: MeasureUnit,
    theory: Option<u64>,
    simulated: Option<u64>,
    native: Option<u64>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(
        experiment: &'a Experiment,
        simulated: &'a FinishedRun,
        native: &'a FinishedRun,
    ) -> Self {
        let runs = [simulated, native];
        let theories = runs.map(|run| Theory::of(&run.trace));
        let rows = rows(runs.map(|run| Measures::of(&run.trace)), &theories);
        Comparison {
            experiment,
            runs,
            verdicts: runs.map(|run| experiment.scenario().judge(&run.trace)),
            theories,
            rows,
        }
    }

    /// Returns the verdicts of the simulated and of the native run.
    pub(crate) fn verdicts(&self) -> [&[Verdict]; 2] {
        let [simulated, native] = &self.verdicts;
        [simulated, native]
    }

    /// Returns the report as text.
    pub(crate) fn text(&self) -> String {
        let bold = Style::new().bold();
        let scenario = self.experiment.scenario();
        let mut text = format!("{bold}{}{bold:#}: {}\n\n", scenario.name, scenario.summary);
        let [simulated, native] = &self.theories;
        let _ = writeln!(text, "  seed    {}", self.experiment.seed());
        let _ = writeln!(text, "  set     {}", settings_or_none(self.experiment));
        let _ = writeln!(text, "  theory  {}", simulated.summary());
        // The service times of this machine differ from the settings.
        if native.measured_service_time.is_some() && native.summary() != simulated.summary() {
            let _ = writeln!(text, "  native  {}", native.summary());
        }
        let _ = write!(text, "\n{}", self.table());
        for ((name, run), verdicts) in self.named_runs().zip(&self.verdicts) {
            let _ = writeln!(text, "\n  {bold}{name}{bold:#}");
            write_incompleteness(&mut text, run);
            write_verdicts(&mut text, &run.trace, verdicts);
        }
        let line = self.experiment.command_line();
        let _ = writeln!(text, "\n  repeat  {line} --compare");
        text
    }

    fn table(&self) -> String {
        let header = [
            "FIGURE",
            "THEORY",
            "SIMULATED",
            "TO THEORY",
            "NATIVE",
            "TO SIMULATED",
            "",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        for row in &self.rows {
            let text = |value: Option<u64>| value.map_or("–".to_owned(), |it| row.unit.text(it));
            let gap = |of, to| gap_text(of, to).unwrap_or_else(|| "–".to_owned());
            rows.push([
                row.label.clone(),
                text(row.theory),
                text(row.simulated),
                gap(row.simulated, row.theory),
                text(row.native),
                gap(row.native, row.simulated),
                String::new(),
            ]);
        }
        render(&rows)
    }

    /// Returns the table as comma-separated values, in whole units.
    pub(crate) fn csv(&self) -> String {
        let mut csv = "figure,unit,theory,simulated,native\n".to_owned();
        for row in &self.rows {
            let text = |value: Option<u64>| value.map_or_else(String::new, |it| it.to_string());
            let unit = json!(row.unit);
            let _ = writeln!(
                csv,
                "{},{},{},{},{}",
                row.key,
                unit.as_str().unwrap_or_default(),
                text(row.theory),
                text(row.simulated),
                text(row.native)
            );
        }
        csv
    }

    /// Returns the table and both reports as one JSON object.
    pub(crate) fn json(&self) -> Value {
        let figures = self.rows.iter().map(|row| {
            json!({
                "key": row.key,
                "label": row.label,
                "unit": row.unit,
                "theory": row.theory,
                "simulated": row.simulated,
                "native": row.native,
                "gap_to_theory_percent": gap_percent(row.simulated, row.theory),
                "gap_to_simulated_percent": gap_percent(row.native, row.simulated),
            })
        });
        let [simulated, native] = self.runs;
        let [of_simulated, of_native] = self.verdicts();
        json!({
            "scenario": self.experiment.scenario().name,
            "seed": self.experiment.seed(),
            "theory": self.theories[0].summary(),
            "figures": figures.collect::<Vec<_>>(),
            "simulated": run_json(&simulated.trace, of_simulated),
            "native": run_json(&native.trace, of_native),
        })
    }

    fn named_runs(&self) -> impl Iterator<Item = (&'static str, &'a FinishedRun)> {
        ["Simulated", "Native"].into_iter().zip(self.runs)
    }
}

/// Returns one row per measure that a run has, with its prediction.
fn rows(measures: [Measures; 2], theories: &[Theory; 2]) -> Vec<ComparisonRow> {
    let [simulated, native] = measures;
    let of_theory = |key: &str| theories[0].rows.iter().find(|row| row.key == key);
    let of_runs = simulated.iter().filter(|it| !it.key.starts_with("theory_"));
    let of_runs = of_runs.map(|measure| {
        let Measure {
            key, label, unit, ..
        } = measure;
        ComparisonRow {
            key,
            label: label.clone(),
            unit: *unit,
            theory: of_theory(key).and_then(|row| row.theory),
            simulated: measure.value,
            native: native.get(key),
        }
    });
    // Theory predicts these as well.
    let others = ["loss", "mean_inside"].into_iter().filter_map(|key| {
        let row = of_theory(key)?;
        let is_same = |it: &&TheoryRow| it.key == key;
        Some(ComparisonRow {
            key: row.key,
            label: row.label.to_owned(),
            unit: row.unit,
            theory: row.theory,
            simulated: row.run,
            native: theories[1].rows.iter().find(is_same)?.run,
        })
    });
    let has_data = |row: &ComparisonRow| {
        let values = [row.theory, row.simulated, row.native];
        row.key == "failed" || values.into_iter().flatten().any(|value| value > 0)
    };
    of_runs.chain(others).filter(has_data).collect()
}

fn gap_percent(of: Option<u64>, to: Option<u64>) -> Option<f64> {
    let (of, to) = (of? as f64, to.filter(|to| *to > 0)? as f64);
    Some((1000.0 * (of / to - 1.0)).round() / 10.0)
}

fn gap_text(of: Option<u64>, to: Option<u64>) -> Option<String> {
    Some(format!("{:+.1} %", gap_percent(of, to)?).replace('-', "−"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_in_percent() {
        let text = |of, to| gap_text(Some(of), Some(to));
        assert_eq!(text(110, 100).as_deref(), Some("+10.0 %"));
        assert_eq!(text(995, 1000).as_deref(), Some("−0.5 %"));
        assert_eq!(text(1, 0), None);
        assert_eq!(gap_text(None, Some(1)), None);
    }
}
