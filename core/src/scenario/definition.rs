//! The definition of a scenario.

use super::{Check, Context, Param, Verdict};
use crate::trace::{Event, RecordKind, Trace};
use futures_util::future::LocalBoxFuture;

/// A pattern as a runnable experiment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The name used in commands and addresses.
    pub name: &'static str,
    /// The name of its chapter.
    pub chapter: &'static str,
    /// A one-line description.
    pub summary: &'static str,
    /// The parameters.
    pub params: &'static [Param],
    /// Recommended settings, the most instructive first.
    pub presets: &'static [Preset],
    /// Runs the scenario to completion.
    pub run: fn(Context) -> LocalBoxFuture<'static, ()>,
    /// The claims that its trace must prove.
    pub checks: &'static [Check],
    /// Describes one of its records. [`sentence`](Self::sentence) also handles the
    /// records common to all scenarios.
    pub narrate: fn(&Trace, &Event) -> String,
}

impl Scenario {
    /// Judges a trace with every check.
    ///
    /// An incomplete trace proves nothing: if the run died or records were
    /// dropped, every check fails.
    #[must_use]
    pub fn judge(&self, trace: &Trace) -> Vec<Verdict> {
        self.checks.iter().map(|check| check.judge(trace)).collect()
    }

    /// Describes a record of its trace in one sentence.
    #[must_use]
    pub fn sentence(&self, trace: &Trace, event: &Event) -> String {
        match (event.kind, event.target) {
            (RecordKind::Change, Some(what)) => {
                format!("Changed: {}.", trace.name(what))
            }
            _ => (self.narrate)(trace, event),
        }
    }
}

/// A named choice of parameters.
#[derive(Debug)]
pub struct Preset {
    /// A short description.
    pub title: &'static str,
    /// The parameters that differ from their defaults.
    pub set: &'static [(&'static str, &'static str)],
}
