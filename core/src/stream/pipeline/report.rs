//! The counters of a pipeline.

use super::PipelineError;
use crate::{BoxError, Clock, latency::nanos, stream::Amount, sync::Arc};
use std::{
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

/// The counters of each stage of a pipeline.
///
/// ```
/// use futures::{executor::block_on, sink, stream};
/// use highwater::stream::Pipeline;
///
/// let run = Pipeline::from_stream("numbers", stream::iter(0..10_u32))
///     .filter_map("even", |n| (n % 2 == 0).then_some(n))
///     .into_sink("drain", sink::drain());
/// let report = block_on(run)?;
/// let names: Vec<_> = report.stages.iter().map(|stage| &*stage.name).collect();
/// assert_eq!(names, ["numbers", "even", "drain"]);
/// assert_eq!(report.stage("even").unwrap().output.items, 5);
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PipelineReport {
    /// The stages, from the source to the destination.
    pub stages: Vec<StageReport>,
}

/// The counters of one stage. Weights are in bytes, as reported by [`Weigh`].
///
/// [`Weigh`]: crate::stream::Weigh
///
/// ```
/// use futures::{executor::block_on, io::Cursor, sink};
/// use highwater::stream::Pipeline;
///
/// let run = Pipeline::from_reader("input", Cursor::new("one\ntwo\n"), 3)
///     .lines("lines", 80)
///     .into_sink("drain", sink::drain());
/// let report = block_on(run)?;
/// let lines = report.stage("lines").unwrap();
/// assert_eq!((lines.input.items, lines.input.weight), (3, 8));
/// assert_eq!((lines.output.items, lines.output.weight), (2, 6));
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageReport {
    /// The stage's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub name: Arc<str>,
    /// Items taken from the previous stage. Zero for the source.
    pub input: Amount,
    /// Items passed on or, for the destination, accepted.
    pub output: Amount,
    /// Items dropped because the branch of a tee was full.
    pub dropped: Amount,
    /// The highest total weight held at once, in bytes.
    pub peak: usize,
    /// Total time during which a buffer was full or a destination was not ready. `None`
    /// without a [`Clock`].
    pub stalled: Option<Duration>,
}

impl PipelineReport {
    /// Returns the first stage with this name.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..10))
    ///     .into_sink("drain", sink::drain());
    /// let report = block_on(run)?;
    /// assert_eq!(report.stage("drain").unwrap().input.items, 10);
    /// assert!(report.stage("other").is_none());
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }

    /// Returns the sum of the stages' peaks, in bytes: an upper bound on the weight in
    /// flight at any time.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::{Bound, Pipeline};
    ///
    /// let run = Pipeline::from_stream("zeros", stream::iter(vec![[0_u8; 10]; 1000]))
    ///     .buffer("ahead", Bound::bytes(100)?)
    ///     .into_sink("drain", sink::drain());
    /// assert_eq!(block_on(run)?.peak(), 10 + 100 + 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peak(&self) -> usize {
        let peaks = self.stages.iter().map(|stage| stage.peak);
        peaks.fold(0, usize::saturating_add)
    }
}

/// A handle to the counters of a run. It can be used from any thread, during the run
/// and afterwards.
///
/// ```
/// use futures::{executor::block_on, sink, stream};
/// use highwater::stream::Pipeline;
///
/// let run = Pipeline::from_stream("numbers", stream::iter(0..10))
///     .into_sink("drain", sink::drain());
/// let monitor = run.monitor();
/// assert_eq!(monitor.report().stage("drain").unwrap().output.items, 0);
/// block_on(run)?;
/// assert_eq!(monitor.report().stage("drain").unwrap().output.items, 10);
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
#[derive(Clone)]
pub struct PipelineMonitor(pub(super) Arc<[Arc<Meter>]>);

impl PipelineMonitor {
    /// Returns a snapshot of the counters.
    ///
    /// ```
    /// use futures::{sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..10))
    ///     .into_sink("drain", sink::drain());
    /// assert_eq!(run.monitor().report().stages.len(), 2);
    /// ```
    pub fn report(&self) -> PipelineReport {
        PipelineReport {
            stages: self.0.iter().map(|meter| meter.report()).collect(),
        }
    }
}

impl fmt::Debug for PipelineMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipelineMonitor")
            .field(&self.report())
            .finish()
    }
}

/// The live counters of one stage.
///
/// Only the run writes them, so relaxed loads and stores suffice for concurrent
/// readers.
pub(in crate::stream) struct Meter {
    name: Arc<str>,
    clock: Option<Arc<dyn Clock>>,
    input: AmountCounter,
    output: AmountCounter,
    dropped: AmountCounter,
    peak: AtomicUsize,
    stalled_nanos: AtomicU64,
}

#[derive(Default)]
struct AmountCounter {
    items: AtomicU64,
    weight: AtomicU64,
}

impl Meter {
    pub(super) fn new(name: Arc<str>, clock: Option<Arc<dyn Clock>>) -> Self {
        Meter {
            name,
            clock,
            input: AmountCounter::default(),
            output: AmountCounter::default(),
            dropped: AmountCounter::default(),
            peak: AtomicUsize::new(0),
            stalled_nanos: AtomicU64::new(0),
        }
    }

    /// Counts an item taken by the stage.
    pub(in crate::stream) fn record_input(&self, weight: usize) {
        self.input.add(weight);
    }

    /// Counts an item passed on by the stage.
    pub(in crate::stream) fn record_output(&self, weight: usize) {
        self.output.add(weight);
    }

    /// Updates the peak with the weight that the stage holds.
    pub(in crate::stream) fn record_held(&self, weight: usize) {
        if weight > self.peak.load(Ordering::Relaxed) {
            self.peak.store(weight, Ordering::Relaxed);
        }
    }

    /// Updates the peak with the weight of all items taken and not yet passed on.
    pub(super) fn record_in_flight(&self) {
        let in_flight = self.input.get().minus(self.output.get());
        self.record_held(usize::try_from(in_flight.weight).unwrap_or(usize::MAX));
    }

    pub(super) fn set_dropped(&self, dropped: Amount) {
        self.dropped.items.store(dropped.items, Ordering::Relaxed);
        self.dropped.weight.store(dropped.weight, Ordering::Relaxed);
    }

    pub(in crate::stream) fn fail(&self, error: impl Into<BoxError>) -> PipelineError {
        PipelineError::Failed {
            stage: Arc::clone(&self.name),
            source: error.into(),
        }
    }

    fn report(&self) -> StageReport {
        let stalled = Duration::from_nanos(self.stalled_nanos.load(Ordering::Relaxed));
        StageReport {
            name: Arc::clone(&self.name),
            input: self.input.get(),
            output: self.output.get(),
            dropped: self.dropped.get(),
            peak: self.peak.load(Ordering::Relaxed),
            stalled: self.clock.is_some().then_some(stalled),
        }
    }
}

impl AmountCounter {
    fn add(&self, weight: usize) {
        let items = self.items.load(Ordering::Relaxed);
        self.items.store(items + 1, Ordering::Relaxed);
        let before = self.weight.load(Ordering::Relaxed);
        let after = before.saturating_add(weight as u64);
        self.weight.store(after, Ordering::Relaxed);
    }

    fn get(&self) -> Amount {
        Amount {
            items: self.items.load(Ordering::Relaxed),
            weight: self.weight.load(Ordering::Relaxed),
        }
    }
}

/// Measures how long a stage is stalled.
pub(super) struct StallTimer {
    meter: Arc<Meter>,
    since: Option<Duration>,
}

impl StallTimer {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        StallTimer { meter, since: None }
    }

    /// Starts the timer on `Pending` and stops it on `Ready`. Returns its argument.
    pub(super) fn observe<R>(&mut self, polled: Poll<R>) -> Poll<R> {
        if polled.is_pending() != self.since.is_some() {
            let now = self.meter.clock.as_ref().map(|clock| clock.now());
            match (self.since.take(), now) {
                (Some(since), Some(now)) => {
                    let waited = nanos(now.saturating_sub(since));
                    let before = self.meter.stalled_nanos.load(Ordering::Relaxed);
                    let after = before.saturating_add(waited);
                    self.meter.stalled_nanos.store(after, Ordering::Relaxed);
                }
                (_, now) => self.since = now,
            }
        }
        polled
    }
}
