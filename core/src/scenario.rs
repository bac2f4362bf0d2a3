//! Each pattern as an experiment: parameters, a run, a trace, checks.
//!
//! A scenario is written once, against the ports in
//! [`platform`](crate::platform), and runs in every world. A run records a
//! [`Trace`], and the scenario's [`Check`]s judge it. Exit codes, test results
//! and the page's verdicts come from these checks alone.
//!
//! ```
//! use highwater::scenario::{self, Outcome};
//!
//! let mut experiment = scenario::find("decoupling")?.experiment();
//! experiment.set("fail", "email")?;
//! let trace = experiment.simulate();
//!
//! let verdicts = experiment.scenario().judge(&trace);
//! assert!(verdicts.iter().all(|verdict| verdict.outcome != Outcome::Failed));
//! # Ok::<(), scenario::InputError>(())
//! ```
//!
//! Each chapter is a Cargo feature, so the page can download one without the
//! others. Only this file mentions these features.
//!
//! To add a scenario, write a file with a `pub(super) static SCENARIO`. Add its
//! module and its entry in [`ALL`] here, and its name in [`CHAPTERS`]. If it
//! starts processes, add its programs to `PROGRAMS`.

#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
mod arrivals;
mod change;
mod chapters;
mod checks;
mod experiment;
mod input_error;
mod params;

#[cfg(feature = "chapter-streams")]
mod backpressure;
#[cfg(feature = "chapter-scaling")]
mod blocking;
#[cfg(feature = "chapter-scaling")]
mod cluster;
#[cfg(feature = "chapter-events")]
mod decoupling;
#[cfg(any(
    feature = "chapter-events",
    feature = "chapter-streams",
    feature = "chapter-errors",
    feature = "chapter-scaling"
))]
mod format;
#[cfg(feature = "chapter-errors")]
mod handler;
#[cfg(feature = "chapter-events")]
mod leak_check;
#[cfg(feature = "chapter-events")]
mod observer;
#[cfg(feature = "chapter-streams")]
mod pipeline;
#[cfg(feature = "chapter-errors")]
mod railway;
#[cfg(feature = "chapter-scaling")]
mod scaling;
#[cfg(feature = "chapter-errors")]
mod taxonomy;
#[cfg(feature = "chapter-scaling")]
mod threads;
#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
mod worker_slot;
#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
mod workers;

pub use change::{Change, MAX_CHANGES};
pub use chapters::{CHAPTERS, Chapter};
pub use checks::{Check, CheckResult, Outcome, Verdict};
pub use experiment::{Deadlock, Experiment, TRACE_CAPACITY};
pub use input_error::InputError;
pub use params::{Param, ParamKind, ParamUnit, SEED, Value, Values};
#[cfg(feature = "chapter-errors")]
pub use railway::Tally;
#[cfg(feature = "chapter-scaling")]
pub use scaling::scaling_figures;
#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
pub use worker_slot::{Generation, WorkerSlot, WorkerSlots, WorkerState};

use crate::platform::Program;
use crate::{
    platform::{Platform, Seed},
    trace::{Event, RecordKind, Recorder, Trace},
};
use futures_util::future::LocalBoxFuture;

/// All scenarios in this build, in the order of [`CHAPTERS`].
pub static ALL: &[&Scenario] = &[
    #[cfg(feature = "chapter-events")]
    &observer::SCENARIO,
    #[cfg(feature = "chapter-events")]
    &decoupling::SCENARIO,
    #[cfg(feature = "chapter-streams")]
    &backpressure::SCENARIO,
    #[cfg(feature = "chapter-streams")]
    &pipeline::SCENARIO,
    #[cfg(feature = "chapter-errors")]
    &taxonomy::SCENARIO,
    #[cfg(feature = "chapter-errors")]
    &handler::SCENARIO,
    #[cfg(feature = "chapter-scaling")]
    &blocking::SCENARIO,
    #[cfg(feature = "chapter-scaling")]
    &threads::SCENARIO,
    #[cfg(feature = "chapter-scaling")]
    &cluster::SCENARIO,
];

/// All programs that scenarios in this build start as separate processes.
pub static PROGRAMS: &[&Program] = &[
    #[cfg(feature = "chapter-errors")]
    &handler::WORKER,
    #[cfg(feature = "chapter-scaling")]
    &cluster::WORKER,
];

/// Returns the program called `name`.
///
/// A new process receives only this name, and looks up its program by it.
#[must_use]
pub fn program(name: &str) -> Option<&'static Program> {
    PROGRAMS
        .iter()
        .copied()
        .find(|program| program.name == name)
}

/// Returns the scenario called `name`.
///
/// # Errors
///
/// - [`InputError::UnknownScenario`] lists all names and suggests the closest.
/// - [`InputError::NotInThisBuild`] means its chapter's feature is disabled.
pub fn find(name: &str) -> Result<&'static Scenario, InputError> {
    ALL.iter()
        .copied()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| InputError::unknown_scenario(name))
}

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
    /// Creates an experiment with default parameters and seed 1.
    #[must_use]
    pub fn experiment(&'static self) -> Experiment {
        Experiment::new(self)
    }

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

/// The inputs of a running scenario.
#[derive(Clone, Debug)]
pub struct Context {
    /// The ports of the world it runs in.
    pub platform: Platform,
    /// The recorder of its trace.
    pub trace: Recorder,
    /// The seed of its random streams.
    pub seed: Seed,
    /// The parameters. Read a [live](field@Param::live) parameter each time it is
    /// used, since it can change.
    pub params: Values,
}
