//! The inputs of a running scenario.

use super::Values;
use crate::{
    platform::{Platform, Seed},
    trace::{NameId, RecordKind, Recorder},
};

/// The inputs of a running scenario.
#[derive(Clone, Debug)]
pub struct Context {
    /// The ports of the world it runs in.
    pub platform: Platform,
    /// The recorder of its trace.
    pub trace: Recorder,
    /// The seed of its random streams.
    pub seed: Seed,
    /// The parameters. Read a [live](field@super::Param::live) parameter each time it is
    /// used, since it can change.
    pub params: Values,
}

impl Context {
    /// Adds a source to the trace, records its start and returns its id.
    pub fn start_source(&self, name: &str) -> NameId {
        let id = self.trace.name(name);
        self.trace.instant(RecordKind::Start, id, 0);
        id
    }
}
