//! What happened in a run, as records.
//!
//! Every picture, table, plot, report and check reads the trace and nothing
//! else. A [`Recorder`] writes [`Event`]s into a bounded [`Ring`]; a reader
//! drains them as [`RecordBatch`]es and folds them into a [`Summary`], or keeps them
//! as a [`Trace`] to check and export.
//!
//! ```
//! use highwater::trace::{RecordKind, Recorder, Summary};
//! use std::{sync::Arc, time::Duration};
//!
//! let clock = Arc::new(|| Duration::from_millis(5));
//! let recorder = Recorder::new(clock, 1024);
//! let service = recorder.name("EmailService");
//! recorder.begin(RecordKind::Handle, service, 7).succeed();
//!
//! let mut summary = Summary::default();
//! for event in &recorder.drain().events {
//!     summary.apply(event);
//! }
//! assert_eq!(summary.counters(service).succeeded, 1);
//! ```

mod chrome;
mod event;
mod recorder;
mod ring;
mod summary;
mod wire;

pub use event::{Counters, Event, NameId, Phase, RecordKind, VERSION};
pub use recorder::{RecordBatch, Recorder, Span};
pub use ring::Ring;
pub use summary::{QueueTotals, Summary};
pub use wire::{MalformedBatch, PackedBatch};

use serde::{Deserialize, Serialize};

/// All that was recorded of one run, with what is needed to run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The schema's version: [`VERSION`] when it was recorded.
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The world it ran in: `virtual`, `tab` or `native`.
    pub world: String,
    /// The seed of every random draw.
    pub seed: u64,
    /// Every parameter and its value, in the order of the schema.
    pub params: Vec<(String, String)>,
    /// Names by [`NameId`].
    pub names: Vec<String>,
    /// The records, in the order they were made.
    pub events: Vec<Event>,
    /// Records lost because the ring was full.
    pub dropped: u64,
    /// Why the run ended early, if it did: what a bug said, a deadlock, a Worker
    /// that was lost.
    pub died: Option<String>,
}

/// Of nothing yet: everything but the schema's version is empty.
impl Default for Trace {
    fn default() -> Self {
        Trace {
            version: VERSION,
            scenario: String::new(),
            world: String::new(),
            seed: 0,
            params: Vec::new(),
            names: Vec::new(),
            events: Vec::new(),
            dropped: 0,
            died: None,
        }
    }
}

impl Trace {
    /// The name behind an id; `?` for an id of another trace.
    #[must_use]
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id.index()).map_or("?", String::as_str)
    }

    /// The id of a name, if anything was recorded under it.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<NameId> {
        self.names
            .iter()
            .position(|known| known == name)
            .map(NameId::from_index)
    }

    /// The value a parameter had, as text; empty for an unknown key.
    #[must_use]
    pub fn param(&self, key: &str) -> &str {
        self.params
            .iter()
            .find(|(known, _)| known == key)
            .map_or("", |(_, value)| value)
    }

    /// Appends what was drained from the recorder of this run.
    pub fn append(&mut self, batch: RecordBatch) {
        // Should a batch have been lost, its names are; those after it are not
        // to take their places.
        self.names.resize(batch.first_name, "?".to_owned());
        self.names.extend(batch.names);
        self.events.extend(batch.events);
        self.dropped = batch.dropped;
    }

    /// The whole trace folded into totals.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for event in &self.events {
            summary.apply(event);
        }
        summary
    }

    /// Writes the trace in the Chrome trace-event format, which Perfetto and
    /// `about:tracing` open.
    ///
    /// Each source is a named track; where its spans overlap, further tracks
    /// of the same name follow. The same trace always gives the same bytes.
    /// It writes in small pieces: hand it a [`BufWriter`](std::io::BufWriter)
    /// for a file.
    ///
    /// # Errors
    ///
    /// Whatever the writer answers.
    pub fn write_chrome(&self, writer: impl std::io::Write) -> std::io::Result<()> {
        chrome::write(self, writer)
    }
}
