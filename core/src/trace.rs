//! The trace of a run: everything that happened, as records.
//!
//! A [`Recorder`] writes [`Event`]s into a bounded [`Ring`]. A reader drains them as
//! [`RecordBatch`]es and folds them into a [`Summary`], or keeps them as a [`Trace`]
//! to check and export. Every picture, table, plot, report and check reads the trace
//! and nothing else.
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

#[cfg(feature = "serde")]
mod chrome;
mod event;
mod recorder;
mod ring;
mod summary;
mod wire;

pub use event::{Counters, Event, NameId, Phase, RecordKind, TOTAL_SERVICE_TIME, VERSION};
pub use recorder::{RecordBatch, Recorder, Span};
pub use ring::Ring;
pub use summary::{QueueTotals, Summary};
pub use wire::{MalformedBatch, PackedBatch};

/// The records of one run, with the settings needed to repeat it.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder, Trace};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// recorder.instant(RecordKind::Start, recorder.name("Api"), 0);
///
/// let mut trace = Trace { scenario: "demo".to_owned(), seed: 7, ..Trace::default() };
/// trace.append(recorder.drain());
/// assert_eq!(trace.name(trace.events[0].source), "Api");
/// assert_eq!(trace.dropped, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trace {
    /// The version of the schema: [`VERSION`] at the time of recording.
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The world it ran in: `virtual`, `tab` or `native`.
    pub world: String,
    /// The seed of every random draw.
    pub seed: u64,
    /// All parameters and their values, in the order of the schema.
    pub params: Vec<(String, String)>,
    /// Names, indexed by [`NameId`].
    pub names: Vec<String>,
    /// The records, in the order they were made.
    pub events: Vec<Event>,
    /// Records lost because the ring was full.
    pub dropped: u64,
    /// The reason the run ended early, if it did: a panic message, a deadlock, a lost
    /// Worker.
    pub died: Option<String>,
}

/// Creates an empty trace of the current schema version.
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
    /// Returns the name of an id, or `?` for an id of another trace.
    ///
    /// ```
    /// use highwater::trace::Trace;
    ///
    /// let trace = Trace { names: vec!["Api".to_owned()], ..Trace::default() };
    /// let id = trace.id("Api").unwrap();
    /// assert_eq!(trace.name(id), "Api");
    /// assert_eq!(Trace::default().name(id), "?");
    /// ```
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id.index()).map_or("?", String::as_str)
    }

    /// Returns the id of a name, if the trace contains it.
    ///
    /// ```
    /// use highwater::trace::Trace;
    ///
    /// let trace = Trace { names: vec!["Api".to_owned(), "Mail".to_owned()], ..Trace::default() };
    /// assert_eq!(trace.id("Mail").map(|id| id.index()), Some(1));
    /// assert_eq!(trace.id("Stock"), None);
    /// ```
    pub fn id(&self, name: &str) -> Option<NameId> {
        self.names
            .iter()
            .position(|known| known == name)
            .map(NameId::from_index)
    }

    /// Returns the value of a parameter as text; empty for an unknown key.
    ///
    /// ```
    /// use highwater::trace::Trace;
    ///
    /// let params = vec![("users".to_owned(), "40".to_owned())];
    /// let trace = Trace { params, ..Trace::default() };
    /// assert_eq!((trace.param("users"), trace.param("interval")), ("40", ""));
    /// ```
    pub fn param(&self, key: &str) -> &str {
        self.params
            .iter()
            .find(|(known, _)| known == key)
            .map_or("", |(_, value)| value)
    }

    /// Appends a batch drained from the recorder of this run.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let api = recorder.name("Api");
    /// let mut trace = Trace::default();
    /// for subject in 1..=2 {
    ///     recorder.instant(RecordKind::Start, api, subject);
    ///     trace.append(recorder.drain());
    /// }
    /// assert_eq!((trace.names.len(), trace.events.len()), (1, 2));
    /// ```
    pub fn append(&mut self, batch: RecordBatch) {
        // If a batch was lost, its names are unknown; later names must keep their
        // indices.
        self.names.resize(batch.first_name, "?".to_owned());
        self.names.extend(batch.names);
        self.events.extend(batch.events);
        self.dropped = batch.dropped;
    }

    /// Folds the trace into totals.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let api = recorder.name("Api");
    /// recorder.begin(RecordKind::Request, api, 1).succeed();
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// assert_eq!(trace.summary().counters(api).succeeded, 1);
    /// ```
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for event in &self.events {
            summary.apply(event);
        }
        summary
    }
}
