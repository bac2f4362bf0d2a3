//! Streams of pipeline items.

use super::{PipelineError, PipelineMonitor, setup::PipelineSetup};
use crate::sync::Ordering;
use futures_util::{Stream, StreamExt, stream::FusedStream};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A [`Stream`] of a pipeline's items, as `Result`s. Created by
/// [`Pipeline::into_stream`](super::Pipeline::into_stream).
///
/// - **On failure**, it yields the first error, drops all parts of the pipeline and
///   ends.
/// - **Dropping** it cancels the pipeline.
///
/// `S` and `P` are inferred.
///
/// ```
/// use futures::{StreamExt, executor::block_on, stream};
/// use highwater::stream::Pipeline;
///
/// let mut items = Pipeline::from_stream("words", stream::iter(["1", "two", "3"]))
///     .try_map("parse", str::parse::<u32>)
///     .into_stream();
/// assert_eq!(block_on(items.next()).unwrap()?, 1);
/// assert!(block_on(items.next()).unwrap().is_err());
/// assert!(block_on(items.next()).is_none());
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
#[must_use = "a pipeline does nothing unless it is read"]
pub struct PipelineStream<S, P> {
    /// `None` after the end.
    work: Option<PipelineWork<S, P>>,
    size_error: Option<PipelineError>,
    /// Set if the pumps only watch the source and must be polled after the stages.
    needs_watch: bool,
    monitor: PipelineMonitor,
}

struct PipelineWork<S, P> {
    stream: S,
    /// `None` once they have completed.
    pumps: Option<Pin<Box<P>>>,
}

impl<S, P> PipelineStream<S, P> {
    pub(super) fn new(stream: S, pumps: P, setup: PipelineSetup) -> Self {
        PipelineStream {
            work: Some(PipelineWork {
                stream,
                pumps: Some(Box::pin(pumps)),
            }),
            size_error: setup.size_error,
            needs_watch: setup.needs_watch.load(Ordering::Relaxed),
            monitor: PipelineMonitor(setup.meters.into()),
        }
    }

    /// Returns a handle to the pipeline's counters. It can be used during the run and
    /// afterwards.
    ///
    /// ```
    /// use futures::{StreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let mut items = Pipeline::from_stream("numbers", stream::iter(0..5)).into_stream();
    /// let monitor = items.monitor();
    /// block_on(items.next());
    /// assert_eq!(monitor.report().stage("numbers").unwrap().output.items, 1);
    /// ```
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
        let next = match own.size_error.take() {
            Some(size_error) => Some(Err(size_error)),
            None => match &mut own.work {
                Some(work) => ready!(work.poll(own.needs_watch, context)),
                None => None,
            },
        };
        if !matches!(next, Some(Ok(_))) {
            // All parts are dropped before the caller sees the end.
            own.work = None;
        }
        Poll::Ready(next)
    }
}

impl<T, S, P> PipelineWork<S, P>
where
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    fn poll(
        &mut self,
        needs_watch: bool,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, PipelineError>>> {
        if !needs_watch && let Err(error) = self.pump(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let next = self.stream.poll_next_unpin(context);
        if needs_watch
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

// The pumps are pinned in their own box.
impl<S: Unpin, P> Unpin for PipelineStream<S, P> {}

impl<S, P> fmt::Debug for PipelineStream<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineStream")
            .field("is_over", &self.work.is_none())
            .field("monitor", &self.monitor)
            .finish_non_exhaustive()
    }
}
