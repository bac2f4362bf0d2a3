//! The runs that are compared.

use crate::table::Table;
use highwater::{
    analysis::{self, Figure, Measures, Metric, PlotRun},
    trace::{PackedBatch, RecordBatch, Trace},
};
use serde::Serialize;
use std::cell::OnceCell;
use wasm_bindgen::prelude::*;

/// As many stand side by side.
pub(crate) const MAX_RUNS: usize = 6;

/// As many records of a run are kept, the first ones; no scenario makes as many.
const MAX_RECORDS: usize = 1 << 19;

/// Up to six runs, each with its trace.
///
/// They are numbered from 0, in the order in which they were added. When one is
/// removed, those after it move up. A number that there is not is an error.
#[wasm_bindgen]
#[derive(Default)]
pub struct Runs(pub(crate) Vec<LabelledRun>);

/// One of them.
pub(crate) struct LabelledRun {
    pub(crate) label: String,
    pub(crate) trace: Trace,
    /// The page's address of it, if it was kept under one.
    pub(crate) address: String,
    /// Records that there was no room for.
    truncated: u64,
    /// Made once, when all is there: of a long run that takes a while.
    measures: OnceCell<Measures>,
    metrics: OnceCell<Vec<Metric>>,
    digest: OnceCell<String>,
}

#[wasm_bindgen]
impl Runs {
    /// None yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Runs {
        Runs::default()
    }

    /// Appends what was recorded of a run, as a Worker reports it: names, and
    /// whole numbers.
    ///
    /// # Errors
    ///
    /// It is no batch of records, or one of another version; or there is no such
    /// run.
    pub fn push(
        &mut self,
        index: usize,
        names: Vec<String>,
        words: Vec<u64>,
    ) -> Result<(), JsError> {
        let mut batch = RecordBatch::try_from(PackedBatch { names, words })?;
        let run = self.get_mut(index)?;
        run.measures.take();
        run.metrics.take();
        run.digest.take();
        let trace = &mut run.trace;
        let room = MAX_RECORDS.saturating_sub(trace.events.len());
        let excess = batch.events.len().saturating_sub(room) as u64;
        batch.events.truncate(room);
        trace.append(batch);
        // What was too much for here counts as lost, too.
        run.truncated += excess;
        run.trace.dropped += run.truncated;
        Ok(())
    }

    /// All runs over one another in one SVG document, `width` pixels wide (280 to
    /// 2000; from 600 on with the legend beside), light on dark or dark on light.
    ///
    /// `metric` is a name of [`metrics`](Self::metrics), or empty for all of them,
    /// one under the other.
    ///
    /// # Errors
    ///
    /// There is no such metric.
    pub fn plot(&self, metric: &str, width: u32, dark: bool) -> Result<String, JsError> {
        let metrics = match Metric::named(metric) {
            Some(metric) => vec![metric],
            None if metric.is_empty() => Metric::ALL.to_vec(),
            None => return Err(JsError::new("there is no such metric")),
        };
        let runs: Vec<PlotRun<'_>> = self.0.iter().map(LabelledRun::run).collect();
        Ok(analysis::plot(
            &runs,
            &Figure {
                metrics,
                width,
                dark,
            },
        ))
    }

    /// Every record of a run as comma-separated values (RFC 4180).
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn csv(&self, index: usize) -> Result<Vec<u8>, JsError> {
        let mut csv = Vec::new();
        // Memory takes whatever is written to it.
        let _ = analysis::write_csv(&self.get(index)?.trace, &mut csv);
        Ok(csv)
    }

    /// A run in the Chrome trace-event format, which Perfetto opens.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn chrome(&self, index: usize) -> Result<Vec<u8>, JsError> {
        let mut chrome = Vec::new();
        let _ = self.get(index)?.trace.write_chrome(&mut chrome);
        Ok(chrome)
    }
}

/// What only Rust asks for: an export would be downloaded, whoever calls it.
impl Runs {
    /// How many there are.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Adds a run, of which nothing is known yet: [`push`](Self::push) what was
    /// recorded. Answers with its number.
    ///
    /// `label` is its name in tables and plots, `world` is `virtual`, `tab` or
    /// `native`, `pairs` is a flat list, `key, value, key, value…`, the seed among
    /// them, and `died` says why it ended early, if it did.
    ///
    /// # Errors
    ///
    /// There are six already: remove one first.
    #[expect(clippy::needless_pass_by_value, reason = "as JavaScript hands them on")]
    pub fn add(
        &mut self,
        label: String,
        scenario: String,
        world: String,
        pairs: Vec<String>,
        died: Option<String>,
    ) -> Result<usize, JsError> {
        if self.0.len() == MAX_RUNS {
            return Err(JsError::new("there are six runs: remove one first"));
        }
        let mut trace = Trace {
            scenario,
            world,
            died,
            ..Trace::default()
        };
        let (pairs, _) = pairs.as_chunks();
        for [key, value] in pairs {
            if key == "seed" {
                trace.seed = value.parse().unwrap_or(0);
            } else {
                trace.params.push((key.clone(), value.clone()));
            }
        }
        self.0.push(LabelledRun {
            label,
            trace,
            address: String::new(),
            truncated: 0,
            measures: OnceCell::new(),
            metrics: OnceCell::new(),
            digest: OnceCell::new(),
        });
        Ok(self.0.len() - 1)
    }

    /// Forgets a run; those after it move up.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn remove(&mut self, index: usize) -> Result<(), JsError> {
        self.get(index)?;
        self.0.remove(index);
        Ok(())
    }

    /// What can be plotted of these runs, as JSON, the most telling first; a
    /// metric is there if one of the runs has something of it:
    ///
    /// ```json
    /// [{"name": "latency", "label": "Latency"}, {"name": "bytes", "label": "Held in queues"}]
    /// ```
    pub fn metrics(&self) -> String {
        let described = self.available_metrics().map(|metric| MetricInfo {
            name: metric.name(),
            label: metric.label(),
        });
        json(&described.collect::<Vec<_>>())
    }

    /// A row a figure, a column a run, as JSON:
    ///
    /// ```json
    /// {
    ///   "columns": [
    ///     {"label": "events", "scenario": "decoupling", "world": "virtual", "seed": "1",
    ///      "died": null}
    ///   ],
    ///   "rows": [
    ///     {"key": "p99", "label": "Latency p99", "unit": "nanoseconds",
    ///      "cells": [{"value": 113320000, "text": "113 ms"}]}
    ///   ]
    /// }
    /// ```
    ///
    /// Units are `count`, `nanoseconds`, `bytes` and `milli_per_second` (thousandths
    /// a second); values are whole numbers. A cell is `null` where a run has nothing
    /// of the kind. A row in which every run has nothing or 0 is left out, but for
    /// `failed`.
    pub fn table(&self) -> String {
        json(&Table::of(&self.0))
    }

    /// SHA-256 over all records of a run: of a simulation the same in every browser,
    /// and as `highwater run --world virtual` prints it.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn digest(&self, index: usize) -> Result<String, JsError> {
        Ok(self.get(index)?.digest().to_owned())
    }
}

impl Runs {
    /// What one of the runs has something of.
    pub(crate) fn available_metrics(&self) -> impl Iterator<Item = Metric> {
        let has = |metric: &Metric| self.0.iter().any(|run| run.metrics().contains(metric));
        Metric::ALL.into_iter().filter(has)
    }

    pub(crate) fn get(&self, index: usize) -> Result<&LabelledRun, JsError> {
        self.0.get(index).ok_or_else(no_such_run)
    }

    fn get_mut(&mut self, index: usize) -> Result<&mut LabelledRun, JsError> {
        self.0.get_mut(index).ok_or_else(no_such_run)
    }
}

impl LabelledRun {
    pub(crate) fn measures(&self) -> &Measures {
        self.measures.get_or_init(|| Measures::of(&self.trace))
    }

    fn metrics(&self) -> &[Metric] {
        self.metrics.get_or_init(|| Metric::of(&self.trace))
    }

    pub(crate) fn digest(&self) -> &str {
        self.digest.get_or_init(|| analysis::digest(&self.trace))
    }

    fn run(&self) -> PlotRun<'_> {
        PlotRun {
            label: &self.label,
            trace: &self.trace,
        }
    }
}

#[derive(Serialize)]
struct MetricInfo {
    name: &'static str,
    label: &'static str,
}

fn no_such_run() -> JsError {
    JsError::new("there is no such run")
}

/// These are numbers and texts under names: nothing of it can fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
