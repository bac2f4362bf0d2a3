//! Runs of complete pipelines.

use super::{PipelineError, PipelineMonitor, PipelineReport};
use futures_util::future::{AbortHandle, Abortable, FusedFuture};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A future that runs a complete pipeline in the task that awaits it.
///
/// - **On success**, it has written everything and closed the destination, and returns
///   the [`PipelineReport`].
/// - **On failure**, it drops the source, all stages and the destination, then returns
///   the first error. The destination is not closed, so its owner can tell that the
///   output is incomplete and discard it.
/// - **On cancellation** by a [`CancelHandle`], or when the run is dropped, it cleans
///   up as on failure.
///
/// It is `Send` if its parts are.
///
/// # Panics
///
/// It panics if it is polled after completion.
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
    /// `None` after completion.
    work: Option<Pin<Box<Abortable<F>>>>,
    handle: AbortHandle,
    monitor: PipelineMonitor,
    on_abort: Option<Box<dyn FnOnce() + Send>>,
}

/// A handle that cancels a run from any thread.
///
/// ```
/// use futures::{executor::block_on, sink, stream};
/// use highwater::stream::Pipeline;
///
/// let run = Pipeline::from_stream("endless", stream::repeat(1_u8))
///     .into_sink("drain", sink::drain());
/// let cancel = run.cancel_handle();
/// std::thread::spawn(move || cancel.cancel());
/// assert!(block_on(run).unwrap_err().is_cancelled());
/// ```
#[derive(Clone, Debug)]
pub struct CancelHandle(AbortHandle);

impl CancelHandle {
    /// Cancels the run, which returns [`PipelineError::Cancelled`] on its next poll.
    /// Does nothing if the run has completed.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain());
    /// run.cancel_handle().cancel();
    /// assert!(block_on(run).unwrap_err().is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.0.abort();
    }

    /// Returns whether [`cancel`](Self::cancel) was called on this handle or a clone.
    ///
    /// ```
    /// use futures::{sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain());
    /// let cancel = run.cancel_handle();
    /// assert!(!cancel.is_cancelled());
    /// cancel.clone().cancel();
    /// assert!(cancel.is_cancelled());
    /// ```
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

    /// Returns a handle that cancels the run.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain());
    /// let cancel = run.cancel_handle();
    /// assert!(block_on(run).is_ok());
    /// cancel.cancel(); // too late: no effect
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(self.handle.clone())
    }

    /// Returns a handle to the run's counters. It can be used during the run and
    /// afterwards.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain());
    /// let monitor = run.monitor();
    /// assert_eq!(block_on(run)?, monitor.report());
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn monitor(&self) -> PipelineMonitor {
        self.monitor.clone()
    }

    /// Registers a function to call if the run fails, is cancelled or is dropped before
    /// completion, for instance to delete an incomplete file.
    ///
    /// All parts of the run are dropped before the function is called. A second
    /// `on_abort` replaces the first.
    ///
    /// ```
    /// use futures::{sink, stream};
    /// use highwater::stream::Pipeline;
    /// use std::sync::mpsc;
    ///
    /// let (discard, discarded) = mpsc::channel();
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("drain", sink::drain())
    ///     .on_abort(move || discard.send("deleted").unwrap());
    /// drop(run);
    /// assert_eq!(discarded.try_recv(), Ok("deleted"));
    /// ```
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
        // All parts are dropped before the caller sees the result.
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
