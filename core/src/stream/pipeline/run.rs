//! A pipeline at work.

use super::{PipelineError, PipelineMonitor, PipelineReport};
use futures::future::{AbortHandle, Abortable, FusedFuture};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A complete pipeline: a future to be awaited on any task, that does all of
/// its work there.
///
/// - **Succeeded**, it has written and closed the destination, and answers the
///   [`PipelineReport`].
/// - **Failed**, the first error is what it answers. By then all stages, the
///   source and the destination are dropped: none goes on, or is asked again.
///   The destination was not closed, so that whoever owns what is half written
///   can tell, and discard it.
/// - **Cancelled**, by a [`CancelHandle`] or by dropping it, the same.
///
/// It is `Send` if its parts are. Polling it after it has completed panics.
///
/// ```
/// use futures::{executor::block_on, io::Cursor};
/// use highwater::stream::Pipeline;
/// use std::sync::mpsc;
///
/// let (discard, discarded) = mpsc::channel();
/// let run = Pipeline::from_reader("input", Cursor::new("never read"), 1024)
///     .into_writer("output", futures::io::sink())
///     .on_abort(move || discard.send("the temporary file").unwrap());
/// let (cancel, monitor) = (run.cancel_handle(), run.monitor());
/// cancel.cancel();
/// assert!(block_on(run).unwrap_err().is_cancelled());
/// assert_eq!(discarded.try_recv(), Ok("the temporary file"));
/// assert_eq!(monitor.report().stage("input").unwrap().output.items, 0);
/// ```
#[must_use = "a pipeline does nothing unless awaited"]
pub struct PipelineRun<F> {
    /// Until it is over.
    work: Option<Pin<Box<Abortable<F>>>>,
    handle: AbortHandle,
    monitor: PipelineMonitor,
    on_abort: Option<Box<dyn FnOnce() + Send>>,
}

/// Stops a run, from anywhere.
#[derive(Clone, Debug)]
pub struct CancelHandle(AbortHandle);

impl CancelHandle {
    /// The run answers [`PipelineError::Cancelled`] the next time it would go
    /// on. Nothing happens if it is over.
    pub fn cancel(&self) {
        self.0.abort();
    }

    /// Whether that was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_aborted()
    }
}

impl<F> PipelineRun<F> {
    pub(super) fn new(work: F, monitor: PipelineMonitor) -> Self {
        let (handle, registration) = AbortHandle::new_pair();
        PipelineRun {
            work: Some(Box::pin(Abortable::new(work, registration))),
            handle,
            monitor,
            on_abort: None,
        }
    }

    /// A handle that stops it.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(self.handle.clone())
    }

    /// A look at it while it goes on, and after.
    pub fn monitor(&self) -> PipelineMonitor {
        self.monitor.clone()
    }

    /// Has a function called if the run fails, is cancelled or is dropped
    /// before its end, when everything of it is dropped: to discard what is
    /// half written. A later one takes the place of an earlier.
    pub fn on_abort(mut self, discard: impl FnOnce() + Send + 'static) -> Self {
        self.on_abort = Some(Box::new(discard));
        self
    }
}

impl<F: Future<Output = Result<(), PipelineError>>> Future for PipelineRun<F> {
    type Output = Result<PipelineReport, PipelineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            panic!("`PipelineRun` polled after completion");
        };
        let result = match ready!(work.as_mut().poll(context)) {
            Ok(result) => result,
            Err(_aborted) => Err(PipelineError::Cancelled),
        };
        // Before anybody learns of it.
        self.work = None;
        let discard = self.on_abort.take();
        match result {
            Ok(()) => Poll::Ready(Ok(self.monitor.report())),
            Err(error) => {
                if let Some(discard) = discard {
                    discard();
                }
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F: Future<Output = Result<(), PipelineError>>> FusedFuture for PipelineRun<F> {
    fn is_terminated(&self) -> bool {
        self.work.is_none()
    }
}

impl<F> Drop for PipelineRun<F> {
    fn drop(&mut self) {
        self.work = None;
        if let Some(discard) = self.on_abort.take() {
            discard();
        }
    }
}

impl<F> fmt::Debug for PipelineRun<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineRun")
            .field("is_over", &self.work.is_none())
            .field("monitor", &self.monitor)
            .finish_non_exhaustive()
    }
}
