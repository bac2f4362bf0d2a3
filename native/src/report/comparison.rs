//! The report of a simulated and a native run of the same experiment.

use super::{
    json::json as run_json, settings_or_none, table::render, write_incompleteness, write_verdicts,
};
use crate::world::FinishedRun;
use anstyle::Style;
use highwater::{
    analysis::{Measure, MeasureUnit, Measures, Theory, gap_permille, gap_text},
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
    /// The prediction from the service times of this machine.
    native_theory: Option<u64>,
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
        // The table has both sides of Little's law.
        let notes = simulated.notes.iter();
        for note in notes.filter(|note| !note.starts_with("Little")) {
            let _ = writeln!(text, "  note    {note}");
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
            "THEORY, NATIVE",
            "NATIVE",
            "TO THEORY",
            "TO SIMULATED",
            "",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        for row in &self.rows {
            let text = |value: Option<u64>| value.map_or("–".to_owned(), |it| row.unit.text(it));
            let gap = |of, to| gap(of, to).map_or("–".to_owned(), gap_text);
            rows.push([
                row.label.clone(),
                text(row.theory),
                text(row.simulated),
                gap(row.simulated, row.theory),
                text(row.native_theory),
                text(row.native),
                gap(row.native, row.native_theory),
                gap(row.native, row.simulated),
                String::new(),
            ]);
        }
        if self.rows.iter().all(|row| row.native_theory.is_none()) {
            let without_theory = |row: [String; 9]| {
                let [
                    label,
                    theory,
                    simulated,
                    gap,
                    _,
                    native,
                    _,
                    to_simulated,
                    end,
                ] = row;
                [label, theory, simulated, gap, native, to_simulated, end]
            };
            let rows: Vec<_> = rows.into_iter().map(without_theory).collect();
            return render(&rows);
        }
        render(&rows)
    }

    /// Returns the table as comma-separated values, in whole units.
    pub(crate) fn csv(&self) -> String {
        let mut csv = "figure,unit,theory,simulated,theory_native,native\n".to_owned();
        for row in &self.rows {
            let text = |value: Option<u64>| value.map_or_else(String::new, |it| it.to_string());
            let unit = json!(row.unit);
            let _ = writeln!(
                csv,
                "{},{},{},{},{},{}",
                row.key,
                unit.as_str().unwrap_or_default(),
                text(row.theory),
                text(row.simulated),
                text(row.native_theory),
                text(row.native)
            );
        }
        csv
    }

    /// Returns the table and both reports as one JSON object.
    pub(crate) fn json(&self) -> Value {
        let percent = |of, to| gap(of, to).map(|gap| gap as f64 / 10.0);
        let figures = self.rows.iter().map(|row| {
            json!({
                "key": row.key,
                "label": row.label,
                "unit": row.unit,
                "theory": row.theory,
                "simulated": row.simulated,
                "native_theory": row.native_theory,
                "native": row.native,
                "gap_to_theory_percent": percent(row.simulated, row.theory),
                "native_gap_to_theory_percent": percent(row.native, row.native_theory),
                "gap_to_simulated_percent": percent(row.native, row.simulated),
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
    let [of_settings, of_machine] = theories
        .each_ref()
        .map(|theory| move |key: &str| theory.rows.iter().find(|row| row.key == key));
    let of_runs = simulated.iter().filter(|it| !it.key.starts_with("theory_"));
    let of_runs = of_runs.map(|measure| {
        let Measure {
            key, label, unit, ..
        } = measure;
        ComparisonRow {
            key,
            label: label.clone(),
            unit: *unit,
            theory: of_settings(key).and_then(|row| row.theory),
            simulated: measure.value,
            native_theory: of_machine(key).and_then(|row| row.theory),
            native: native.get(key),
        }
    });
    // Theory predicts these as well.
    let others = ["loss", "mean_inside"].into_iter().filter_map(|key| {
        let (row, native) = (of_settings(key)?, of_machine(key)?);
        Some(ComparisonRow {
            key: row.key,
            label: row.label.to_owned(),
            unit: row.unit,
            theory: row.theory,
            simulated: row.run,
            native_theory: native.theory,
            native: native.run,
        })
    });
    let has_data = |row: &ComparisonRow| {
        let values = [row.theory, row.simulated, row.native_theory, row.native];
        row.key == "failed" || values.into_iter().flatten().any(|value| value > 0)
    };
    of_runs.chain(others).filter(has_data).collect()
}

fn gap(of: Option<u64>, to: Option<u64>) -> Option<i64> {
    gap_permille(of?, to?)
}
