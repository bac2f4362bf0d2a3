//! A destination for pipeline tests.

use futures::{FutureExt, Sink, task::noop_waker};
use highwater::stream::{PipelineError, PipelineRun};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

/// A destination that collects its items and records whether it was closed.
#[derive(Clone, Default)]
pub(crate) struct CollectSink<T> {
    items: Arc<Mutex<Vec<T>>>,
    is_closed: Arc<AtomicBool>,
    /// Returns `Pending` on every other poll and wakes the task immediately.
    is_slow: bool,
    was_pending: bool,
}

impl<T> CollectSink<T> {
    pub(crate) fn slow() -> Self {
        CollectSink {
            items: Arc::default(),
            is_closed: Arc::default(),
            is_slow: true,
            was_pending: false,
        }
    }
}

impl<T: Clone> CollectSink<T> {
    pub(crate) fn items(&self) -> Vec<T> {
        self.items.lock().unwrap().clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

impl<T> Unpin for CollectSink<T> {}

impl<T> Sink<T> for CollectSink<T> {
    type Error = Infallible;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Infallible>> {
        if self.is_slow {
            self.was_pending = !self.was_pending;
            if self.was_pending {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Infallible> {
        self.items.lock().unwrap().push(item);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_closed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// Polls a run once.
pub(crate) fn poll<F>(run: &mut PipelineRun<F>) -> Poll<()>
where
    F: Future<Output = Result<(), PipelineError>>,
{
    let waker = noop_waker();
    run.poll_unpin(&mut Context::from_waker(&waker)).map(drop)
}
