//! The setup that the stages of a pipeline share until it runs.

use super::{Meter, PipelineError};
use crate::{
    Clock,
    stream::InvalidBound,
    sync::{Arc, AtomicBool},
};

pub(super) struct PipelineSetup {
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) meters: Vec<Arc<Meter>>,
    /// The error of the first invalid size.
    pub(super) size_error: Option<PipelineError>,
    /// Set while no buffer polls the source.
    pub(super) needs_watch: Arc<AtomicBool>,
}

impl PipelineSetup {
    pub(super) fn new() -> Self {
        PipelineSetup {
            clock: None,
            meters: Vec::new(),
            size_error: None,
            needs_watch: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Adds the meter of a new stage.
    pub(super) fn meter(&mut self, name: impl Into<Arc<str>>) -> Arc<Meter> {
        let meter = Arc::new(Meter::new(name.into(), self.clock.clone()));
        self.meters.push(Arc::clone(&meter));
        meter
    }

    /// Validates a size. If it is 0, records an error for the run to return, and
    /// substitutes 1.
    pub(super) fn checked_size(&mut self, size: usize, meter: &Meter) -> usize {
        if size == 0 && self.size_error.is_none() {
            self.size_error = Some(meter.fail(InvalidBound::Zero));
        }
        size.max(1)
    }
}
