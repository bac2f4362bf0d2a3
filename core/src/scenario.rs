//! Each pattern as an experiment: parameters, a run, a trace, checks.
//!
//! A scenario is written once, against the ports in
//! [`platform`](crate::platform), and runs in every world. What it did is its
//! [`Trace`]; what that proves is decided by its [`Check`]s alone: exit codes,
//! test results and the page's verdicts are theirs.
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
//! Each chapter is a feature, so that a page can download it by itself: what is
//! of one chapter only is named here, with its feature, and nowhere else.
//!
//! To add a scenario: a file here with a `pub(super) static SCENARIO`, its
//! module and its line in [`ALL`], and its name in [`CHAPTERS`]; if it starts
//! processes, its programs in `PROGRAMS`.

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

#[cfg(feature = "processes")]
use crate::platform::Program;
use crate::{
    platform::{Platform, Seed},
    trace::{Event, RecordKind, Recorder, Trace},
};
use futures::future::LocalBoxFuture;

/// Every scenario of this build's chapters, in the order of [`CHAPTERS`].
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

/// Every program that a scenario of this build starts in a process of its own.
#[cfg(feature = "processes")]
pub static PROGRAMS: &[&Program] = &[
    #[cfg(feature = "chapter-errors")]
    &handler::WORKER,
    #[cfg(feature = "chapter-scaling")]
    &cluster::WORKER,
];

/// The program of that name: what a new process asks for, which is told no
/// more than a name.
#[cfg(feature = "processes")]
#[must_use]
pub fn program(name: &str) -> Option<&'static Program> {
    PROGRAMS
        .iter()
        .copied()
        .find(|program| program.name == name)
}

/// The scenario of that name.
///
/// # Errors
///
/// [`InputError::UnknownScenario`] names the known ones and the nearest.
/// [`InputError::NotInThisBuild`]: there is one, in a chapter that is not here.
pub fn find(name: &str) -> Result<&'static Scenario, InputError> {
    ALL.iter()
        .copied()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| InputError::unknown_scenario(name))
}

/// An experiment somebody can run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name in commands and addresses.
    pub name: &'static str,
    /// The name of the chapter it belongs to.
    pub chapter: &'static str,
    /// What it shows, in one line.
    pub summary: &'static str,
    /// What can be set.
    pub params: &'static [Param],
    /// Settings worth a look, the most telling first.
    pub presets: &'static [Preset],
    /// Runs it to its end.
    pub run: fn(Context) -> LocalBoxFuture<'static, ()>,
    /// What its trace must prove.
    pub checks: &'static [Check],
    /// One record that is its own as a sentence: see [`sentence`](Self::sentence).
    pub narrate: fn(&Trace, &Event) -> String,
}

impl Scenario {
    /// An experiment with every parameter at its default, seed 1.
    #[must_use]
    pub fn experiment(&'static self) -> Experiment {
        Experiment::new(self)
    }

    /// What the trace proves, check by check.
    ///
    /// A trace that is not whole, because the run died or records were
    /// dropped, proves nothing: every check has failed then.
    #[must_use]
    pub fn judge(&self, trace: &Trace) -> Vec<Verdict> {
        self.checks.iter().map(|check| check.judge(trace)).collect()
    }

    /// A record of its trace as a sentence.
    #[must_use]
    pub fn sentence(&self, trace: &Trace, event: &Event) -> String {
        match (event.kind, event.target) {
            (RecordKind::Change, Some(what)) => {
                format!("From now on {}.", trace.name(what))
            }
            _ => (self.narrate)(trace, event),
        }
    }
}

/// A named choice of parameters.
#[derive(Debug)]
pub struct Preset {
    /// What it shows, in a few words.
    pub title: &'static str,
    /// The parameters that differ from their defaults.
    pub set: &'static [(&'static str, &'static str)],
}

/// What a running scenario is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The ports of the world it runs in.
    pub platform: Platform,
    /// Where it records what happens.
    pub trace: Recorder,
    /// Its random draws.
    pub seed: Seed,
    /// Its parameters. One that is [live](field@Param::live) is to be read whenever it is
    /// used.
    pub params: Values,
}
