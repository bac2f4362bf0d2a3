//! The comparison table.

use crate::labelled_run::LabelledRun;
use highwater::analysis::{Measure, MeasureUnit, Measures};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Table<'a> {
    columns: Vec<Column<'a>>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Serialize)]
struct Column<'a> {
    label: &'a str,
    scenario: &'a str,
    world: &'a str,
    /// A string, because JavaScript numbers cannot represent every 64-bit integer.
    seed: String,
    died: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Row {
    key: &'static str,
    pub(crate) label: String,
    unit: MeasureUnit,
    pub(crate) cells: Vec<Option<Cell>>,
}

#[derive(Serialize)]
pub(crate) struct Cell {
    value: u64,
    pub(crate) text: String,
}

impl<'a> Table<'a> {
    pub(crate) fn new(runs: &'a [LabelledRun]) -> Self {
        let column = |run: &'a LabelledRun| Column {
            label: &run.label,
            scenario: &run.trace.scenario,
            world: &run.trace.world,
            seed: run.trace.seed.to_string(),
            died: run.trace.died.as_deref(),
        };
        let measures: Vec<_> = runs.iter().map(LabelledRun::measures).collect();
        let first = measures.iter().take(1).flat_map(|it| it.iter());
        Table {
            columns: runs.iter().map(column).collect(),
            rows: first.filter_map(|it| Row::new(it, &measures)).collect(),
        }
    }
}

impl Row {
    /// Creates the row for a measure. Returns `None` if the value is 0 or missing in
    /// every run.
    fn new(measure: &Measure, runs: &[&Measures]) -> Option<Self> {
        let Measure {
            key, label, unit, ..
        } = measure;
        let find = |run: &&Measures| run.iter().find(|it| it.key == *key).cloned();
        let measures: Vec<_> = runs.iter().filter_map(find).collect();
        let is_zero = |it: &Measure| it.value.unwrap_or(0) == 0;
        if *key != "failed" && measures.iter().all(is_zero) {
            return None;
        }
        let cell = |measure: Measure| {
            let value = measure.value?;
            let note = measure.note.map(|note| [" (", &note, ")"].concat());
            let text = unit.text(value) + &note.unwrap_or_default();
            Some(Cell { value, text })
        };
        Some(Row {
            key,
            label: label.clone(),
            unit: *unit,
            cells: measures.into_iter().map(cell).collect(),
        })
    }
}
