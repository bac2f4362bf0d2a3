//! The runs to compare.

use crate::{labelled_run::LabelledRun, table::Table};
use highwater::{
    analysis::{self, Figure, Metric, PlotRun, Theory},
    trace::{PackedBatch, RecordBatch, Trace},
};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Maximum number of runs.
pub(crate) const MAX_RUNS: usize = 6;

/// Up to six runs with their traces.
///
/// Runs are indexed from 0 in insertion order. Removing a run decrements the index of
/// all later runs.
#[wasm_bindgen]
#[derive(Default)]
pub struct Runs(pub(crate) Vec<LabelledRun>);

#[wasm_bindgen]
impl Runs {
    /// Creates an empty list.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Runs {
        Runs::default()
    }

    /// Appends a batch of records to a run, as names and words reported by the Worker.
    ///
    /// # Errors
    ///
    /// Fails if the batch is invalid or has a different version, or if `index` is out
    /// of range.
    pub fn push(
        &mut self,
        index: usize,
        names: Vec<String>,
        words: Vec<u64>,
    ) -> Result<(), JsError> {
        let batch = RecordBatch::try_from(PackedBatch { names, words })?;
        let run = self.0.get_mut(index).ok_or_else(no_such_run)?;
        run.append(batch);
        Ok(())
    }

    /// Returns a sentence if requests will arrive as fast as they can be handled, or
    /// faster. Otherwise the text is empty. The arguments are those of a run.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "JavaScript passes them by value"
    )]
    pub fn overload(scenario: String, pairs: Vec<String>) -> String {
        let theory = Theory::of_settings(&empty_trace(scenario, &pairs));
        theory
            .overload()
            .map_or_else(String::new, |it| ["Overload: ", &it, "."].concat())
    }

    /// Plots all runs as one SVG document in dark or light colours. It is `width` pixels
    /// wide, from 280 to 2000. From 600, the legend is at the side.
    ///
    /// `metric` is a name from [`metrics`](Self::metrics). If it is empty, all metrics are
    /// plotted, one below the other.
    ///
    /// # Errors
    ///
    /// Fails if the metric is unknown.
    pub fn plot(&self, metric: &str, width: u32, dark: bool) -> Result<String, JsError> {
        let metrics = match Metric::named(metric) {
            Some(metric) => vec![metric],
            None if metric.is_empty() => Metric::ALL.to_vec(),
            None => return Err(JsError::new("unknown metric")),
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

    /// Returns every record of a run as comma-separated values (RFC 4180).
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn csv(&self, index: usize) -> Result<Vec<u8>, JsError> {
        let mut csv = Vec::new();
        // Writing to a vector cannot fail.
        let _ = analysis::write_csv(&self.get(index)?.trace, &mut csv);
        Ok(csv)
    }

    /// Returns a run in the Chrome trace-event format, which Perfetto opens.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn chrome(&self, index: usize) -> Result<Vec<u8>, JsError> {
        let mut chrome = Vec::new();
        let _ = self.get(index)?.trace.write_chrome(&mut chrome);
        Ok(chrome)
    }
}

/// Functions for Rust only. They are not exported, so the page does not download them.
impl Runs {
    /// Returns the number of runs.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Adds a run without records and returns its index. [`push`](Self::push) adds the
    /// records.
    ///
    /// `label` is its name in tables and plots. `world` is `virtual`, `tab` or `native`.
    /// `pairs` is a flat list of settings including the seed, `key, value, key, value…`.
    /// `died` is the cause if the run ended early.
    ///
    /// # Errors
    ///
    /// Fails if there are six runs already.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "JavaScript passes them by value"
    )]
    pub fn add(
        &mut self,
        label: String,
        scenario: String,
        world: String,
        pairs: Vec<String>,
        died: Option<String>,
    ) -> Result<usize, JsError> {
        if self.0.len() == MAX_RUNS {
            return Err(JsError::new("at most six runs: remove one first"));
        }
        let mut trace = empty_trace(scenario, &pairs);
        trace.world = world;
        trace.died = died;
        self.0.push(LabelledRun::new(label, trace));
        Ok(self.0.len() - 1)
    }

    /// Removes a run and decrements the index of all later runs.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn remove(&mut self, index: usize) -> Result<(), JsError> {
        self.get(index)?;
        self.0.remove(index);
        Ok(())
    }

    /// Returns the metrics that at least one run has data for, as JSON, most important
    /// first:
    ///
    /// ```json
    /// [{"name": "latency", "label": "Latency"}, {"name": "bytes", "label": "Held in queues"}]
    /// ```
    pub fn metrics(&self) -> String {
        let metrics = self.available_metrics().map(|metric| MetricInfo {
            name: metric.name(),
            label: metric.label(),
        });
        json(&metrics.collect::<Vec<_>>())
    }

    /// Returns a table with one row per figure and one column per run, as JSON:
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
    /// per second). Values are whole numbers. A cell is `null` if the run has no data
    /// for it. Rows in which every cell is `null` or 0 are omitted, except `failed`.
    pub fn table(&self) -> String {
        json(&Table::new(&self.0))
    }

    /// Returns the SHA-256 of all records of a run. For a simulation, it is the same in
    /// every browser and in the output of `highwater run --world virtual`.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn digest(&self, index: usize) -> Result<String, JsError> {
        Ok(self.get(index)?.digest().to_owned())
    }
}

impl Runs {
    /// Returns the metrics that at least one run has data for.
    pub(crate) fn available_metrics(&self) -> impl Iterator<Item = Metric> {
        let has = |metric: &Metric| self.0.iter().any(|run| run.metrics().contains(metric));
        Metric::ALL.into_iter().filter(has)
    }

    pub(crate) fn get(&self, index: usize) -> Result<&LabelledRun, JsError> {
        self.0.get(index).ok_or_else(no_such_run)
    }
}

/// Returns a trace with settings but without records.
fn empty_trace(scenario: String, pairs: &[String]) -> Trace {
    let mut trace = Trace {
        scenario,
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
    trace
}

#[derive(Serialize)]
struct MetricInfo {
    name: &'static str,
    label: &'static str,
}

fn no_such_run() -> JsError {
    JsError::new("no such run")
}

/// Serializes to JSON. This cannot fail, because keys are strings and numbers are
/// finite.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
