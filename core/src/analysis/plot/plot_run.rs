//! The runs of a plot.

use crate::trace::Trace;

/// A run and its label in a plot.
#[derive(Clone, Copy, Debug)]
pub struct PlotRun<'a> {
    /// The label in the legend, which should distinguish it from the others.
    pub label: &'a str,
    /// The trace of the run.
    pub trace: &'a Trace,
}

impl PlotRun<'_> {
    /// Returns the world and seed, and whether the run is incomplete.
    pub(super) fn description(&self) -> String {
        let trace = self.trace;
        let world = match trace.world.as_str() {
            "virtual" => "simulated",
            "tab" => "in a tab, real time",
            "native" => "native, real time",
            other => other,
        };
        let died = match (&trace.died, trace.dropped) {
            (Some(_), _) => ", ended early",
            (None, 0) => "",
            (None, _) => ", records lost",
        };
        format!("{world}, seed {}{died}", trace.seed)
    }
}
