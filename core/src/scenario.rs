//! Each pattern as an experiment: parameters, a run, a trace, checks.
//!
//! A scenario is written once, against the ports in
//! [`platform`](crate::platform), and runs in every world. A run records a
//! [`Trace`](crate::trace::Trace), and the scenario's [`Check`]s judge it. Exit codes,
//! test results and the page's verdicts come from these checks alone.
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

#[cfg(any(
    feature = "chapter-events",
    feature = "chapter-errors",
    feature = "chapter-scaling"
))]
mod arrivals;
mod change;
mod chapters;
mod checks;
mod context;
mod decimal;
mod definition;
mod experiment;
mod input;
#[cfg(any(
    feature = "chapter-events",
    feature = "chapter-streams",
    feature = "chapter-errors",
    feature = "chapter-scaling"
))]
mod load;
mod params;
mod values;

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
#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
mod supervised_cluster;
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
pub use context::Context;
pub use decimal::Decimal;
pub use definition::{Preset, Scenario};
pub use experiment::{Deadlock, Experiment, TRACE_CAPACITY};
pub use input::InputError;
pub use params::{Param, ParamKind, ParamUnit, SEED, Value};
#[cfg(feature = "chapter-errors")]
pub use railway::Tally;
#[cfg(feature = "chapter-scaling")]
pub use scaling::scaling_figures;
pub use values::Values;
#[cfg(any(feature = "chapter-errors", feature = "chapter-scaling"))]
pub use worker_slot::{Generation, WorkerSlot, WorkerSlots, WorkerState};

use crate::platform::Program;

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
