//! Reference lines: the latencies that queueing theory predicts.

use super::PlotRun;
use crate::{
    analysis::{MeasureUnit::Nanoseconds, SteadyState, Theory},
    latency::nanos,
};

/// More predictions than this would hide the runs.
const MAX_PREDICTIONS: usize = 2;

/// A level line with a label.
pub(super) struct Reference {
    /// The latency in nanoseconds.
    pub(super) value: u64,
    pub(super) label: String,
    /// The first run that it predicts, if others have another prediction.
    pub(super) run: Option<usize>,
    pub(super) is_label_on_right: bool,
}

impl Reference {
    /// Returns the lines for the settings of the runs: p99 and p50, or the mean where
    /// no formula for percentiles is known.
    pub(super) fn of(runs: &[PlotRun<'_>]) -> Vec<Self> {
        let mut predictions: Vec<(usize, SteadyState)> = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            let theory = Theory::of_settings(run.trace);
            let state = theory.steady_state().cloned();
            // A failure during the run is not in the settings.
            let state = state.filter(|_| Theory::of(run.trace).steady_state().is_some());
            let is_new = |state: &SteadyState| predictions.iter().all(|known| known.1 != *state);
            if let Some(state) = state.filter(is_new) {
                predictions.push((index, state));
            }
        }
        let mut lines = Vec::new();
        if predictions.len() > MAX_PREDICTIONS {
            return lines;
        }
        for (index, state) in &predictions {
            let figures = match (state.p99, state.p50) {
                (Some(p99), Some(p50)) => vec![("p99", p99), ("p50", p50)],
                _ => vec![("mean", state.mean_latency)],
            };
            for (place, (name, time)) in figures.into_iter().enumerate() {
                let value = nanos(time);
                let text = Nanoseconds.text(value);
                lines.push(Reference {
                    value,
                    label: ["theory ", name, ", ", &state.model, ": ", &text].concat(),
                    run: (predictions.len() > 1).then_some(*index),
                    is_label_on_right: place == 0,
                });
            }
        }
        lines
    }
}
