//! What went through each stage.

use super::PipelineError;
use crate::{BoxError, Clock, stream::Amount, sync::Arc};
use std::{
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

/// What went through a pipeline, stage by stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PipelineReport {
    /// The stages, from the source to the destination.
    pub stages: Vec<StageReport>,
}

/// What went through one stage. Weights are in bytes, as [`Weigh`] tells.
///
/// [`Weigh`]: crate::stream::Weigh
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageReport {
    /// The stage's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::as_text"))]
    pub name: Arc<str>,
    /// What it took: nothing, for the source.
    pub input: Amount,
    /// What it handed on; for the destination, what that accepted.
    pub output: Amount,
    /// What a slow branch of a tee gave up.
    pub dropped: Amount,
    /// The most it held at once, as weight.
    pub peak: usize,
    /// How long a buffer was full, or a destination not ready. `None` without a
    /// [`Clock`].
    pub stalled: Option<Duration>,
}

impl PipelineReport {
    /// What went through the first stage of this name.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }

    /// The peaks of all stages together: no less than the most that was in
    /// flight at once.
    pub fn peak(&self) -> usize {
        let peaks = self.stages.iter().map(|stage| stage.peak);
        peaks.fold(0, usize::saturating_add)
    }
}

/// Looks at a run while it goes on, from any thread.
#[derive(Clone)]
pub struct PipelineMonitor(pub(super) Arc<[Arc<Meter>]>);

impl PipelineMonitor {
    /// What went through so far.
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

/// Counts for one stage. Only the run writes, so that plain reads and writes
/// are enough; others may read meanwhile.
pub(in crate::stream) struct Meter {
    name: Arc<str>,
    clock: Option<Arc<dyn Clock>>,
    input: Counter,
    output: Counter,
    dropped: Counter,
    peak: AtomicUsize,
    stalled_nanos: AtomicU64,
}

#[derive(Default)]
struct Counter {
    items: AtomicU64,
    weight: AtomicU64,
}

impl Meter {
    pub(super) fn new(name: Arc<str>, clock: Option<Arc<dyn Clock>>) -> Self {
        Meter {
            name,
            clock,
            input: Counter::default(),
            output: Counter::default(),
            dropped: Counter::default(),
            peak: AtomicUsize::new(0),
            stalled_nanos: AtomicU64::new(0),
        }
    }

    /// The stage was handed an item.
    pub(in crate::stream) fn take(&self, weight: usize) {
        self.input.add(weight);
    }

    /// The stage hands an item on.
    pub(in crate::stream) fn give(&self, weight: usize) {
        self.output.add(weight);
    }

    /// The stage has this much at once.
    pub(in crate::stream) fn hold(&self, weight: usize) {
        if weight > self.peak.load(Ordering::Relaxed) {
            self.peak.store(weight, Ordering::Relaxed);
        }
    }

    /// The stage has all that it took and has not handed on.
    pub(super) fn hold_difference(&self) {
        let difference = self.input.get().minus(self.output.get());
        self.hold(usize::try_from(difference.weight).unwrap_or(usize::MAX));
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

impl Counter {
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

/// Measures how long a stage waits.
pub(super) struct Stall {
    meter: Arc<Meter>,
    since: Option<Duration>,
}

impl Stall {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Stall { meter, since: None }
    }

    /// Begins or ends a wait, as the answer says.
    pub(super) fn note<R>(&mut self, answer: Poll<R>) -> Poll<R> {
        if answer.is_pending() != self.since.is_some() {
            let now = self.meter.clock.as_ref().map(|clock| clock.now());
            match (self.since.take(), now) {
                (Some(since), Some(now)) => {
                    let waited = now.saturating_sub(since).as_nanos();
                    let waited = u64::try_from(waited).unwrap_or(u64::MAX);
                    let before = self.meter.stalled_nanos.load(Ordering::Relaxed);
                    let after = before.saturating_add(waited);
                    self.meter.stalled_nanos.store(after, Ordering::Relaxed);
                }
                (_, now) => self.since = now,
            }
        }
        answer
    }
}
