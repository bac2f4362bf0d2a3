//! The figures of a run, by name.

use highwater::{scenario::scaling_figures, trace::Trace};

/// What the table of a run of the scaling chapter has under that name.
pub(crate) fn figure(trace: &Trace, name: &str) -> String {
    let figures = scaling_figures(trace);
    let found = figures.iter().find(|(it, _)| it == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {figures:?}"))
        .1
        .clone()
}
