//! A pipeline that is read as a stream.

use super::{PipelineError, PipelineMonitor, Plan};
use crate::sync::Ordering;
use futures::{Stream, StreamExt, stream::FusedStream};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The items of a pipeline, as a [`Stream`]: what
/// [`Pipeline::into_stream`](super::Pipeline::into_stream) makes.
///
/// Nobody needs to name `S` and `P`.
#[must_use = "a pipeline does nothing unless it is read"]
pub struct PipelineStream<S, P> {
    /// Until it has ended.
    work: Option<Work<S, P>>,
    invalid: Option<PipelineError>,
    /// Set if the pumps are polled after the stages.
    is_watched: bool,
    monitor: PipelineMonitor,
}

struct Work<S, P> {
    stream: S,
    /// Until they have nothing more to do.
    pumps: Option<Pin<Box<P>>>,
}

impl<S, P> PipelineStream<S, P> {
    pub(super) fn new(stream: S, pumps: P, plan: Plan) -> Self {
        PipelineStream {
            work: Some(Work {
                stream,
                pumps: Some(Box::pin(pumps)),
            }),
            invalid: plan.invalid,
            is_watched: plan.is_watched.load(Ordering::Relaxed),
            monitor: PipelineMonitor(plan.meters.into()),
        }
    }

    /// Returns a handle on the figures of the pipeline, while it is read and after.
    pub fn monitor(&self) -> PipelineMonitor {
        self.monitor.clone()
    }
}

impl<T, S, P> Stream for PipelineStream<S, P>
where
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *self;
        let next = match own.invalid.take() {
            Some(invalid) => Some(Err(invalid)),
            None => match &mut own.work {
                Some(work) => ready!(work.poll(own.is_watched, context)),
                None => None,
            },
        };
        if !matches!(next, Some(Ok(_))) {
            // Before anybody learns of it.
            own.work = None;
        }
        Poll::Ready(next)
    }
}

impl<T, S, P> Work<S, P>
where
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    fn poll(
        &mut self,
        is_watched: bool,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, PipelineError>>> {
        if !is_watched && let Err(error) = self.pump(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let next = self.stream.poll_next_unpin(context);
        if is_watched
            && next.is_pending()
            && let Err(error) = self.pump(context)
        {
            return Poll::Ready(Some(Err(error)));
        }
        next
    }

    fn pump(&mut self, context: &mut Context<'_>) -> Result<(), PipelineError> {
        let Some(pumps) = &mut self.pumps else {
            return Ok(());
        };
        if let Poll::Ready(pumped) = pumps.as_mut().poll(context) {
            self.pumps = None;
            return pumped;
        }
        Ok(())
    }
}

impl<T, S, P> FusedStream for PipelineStream<S, P>
where
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    fn is_terminated(&self) -> bool {
        self.work.is_none()
    }
}

/// The pumps are pinned on their own.
impl<S: Unpin, P> Unpin for PipelineStream<S, P> {}

impl<S, P> fmt::Debug for PipelineStream<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineStream")
            .field("is_over", &self.work.is_none())
            .field("monitor", &self.monitor)
            .finish_non_exhaustive()
    }
}
