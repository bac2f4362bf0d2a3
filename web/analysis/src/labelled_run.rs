//! One of the runs to compare.

use highwater::{
    analysis::{self, Measures, Metric, PlotRun, Theory},
    trace::{RecordBatch, Trace},
};
use std::cell::OnceCell;

/// Maximum number of records kept per run, more than any scenario writes.
const MAX_RECORDS: usize = 1 << 19;

/// A run with its label and cached results.
pub(crate) struct LabelledRun {
    pub(crate) label: String,
    pub(crate) trace: Trace,
    /// Page address of the run; empty if it has none.
    pub(crate) address: String,
    /// Number of records beyond the limit.
    truncated: u64,
    /// Cached, because computing it for a long run takes a while.
    measures: OnceCell<Measures>,
    metrics: OnceCell<Vec<Metric>>,
    digest: OnceCell<String>,
    theory: OnceCell<String>,
}

impl LabelledRun {
    /// Creates a run without an address.
    pub(crate) fn new(label: String, trace: Trace) -> Self {
        LabelledRun {
            label,
            trace,
            address: String::new(),
            truncated: 0,
            measures: OnceCell::new(),
            metrics: OnceCell::new(),
            digest: OnceCell::new(),
            theory: OnceCell::new(),
        }
    }

    /// Adds records. Those beyond the limit count as dropped.
    pub(crate) fn append(&mut self, mut batch: RecordBatch) {
        self.measures.take();
        self.metrics.take();
        self.digest.take();
        self.theory.take();
        let room = MAX_RECORDS.saturating_sub(self.trace.events.len());
        self.truncated += batch.events.len().saturating_sub(room) as u64;
        batch.events.truncate(room);
        self.trace.append(batch);
        self.trace.dropped += self.truncated;
    }

    pub(crate) fn measures(&self) -> &Measures {
        self.measures.get_or_init(|| Measures::of(&self.trace))
    }

    /// Returns the formula that predicts the run, or the reason that there is none, and
    /// the notes on the comparison.
    pub(crate) fn theory(&self) -> &str {
        self.theory.get_or_init(|| {
            let theory = Theory::of(&self.trace);
            let mut text = theory.summary();
            for note in &theory.notes {
                text.extend([". ", note]);
            }
            text
        })
    }

    pub(crate) fn metrics(&self) -> &[Metric] {
        self.metrics.get_or_init(|| Metric::available(&self.trace))
    }

    pub(crate) fn digest(&self) -> &str {
        self.digest.get_or_init(|| analysis::digest(&self.trace))
    }

    pub(crate) fn run(&self) -> PlotRun<'_> {
        PlotRun {
            label: &self.label,
            trace: &self.trace,
        }
    }
}
