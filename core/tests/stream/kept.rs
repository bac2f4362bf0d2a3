//! Where tests of pipelines lead to.

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

/// A destination that keeps what it is given, and whether it was closed.
#[derive(Clone, Default)]
pub(crate) struct Kept<T> {
    items: Arc<Mutex<Vec<T>>>,
    is_closed: Arc<AtomicBool>,
    /// Answers "not ready" for every other item, waking at once.
    is_slow: bool,
    was_asked: bool,
}

impl<T> Kept<T> {
    pub(crate) fn slow() -> Self {
        Kept {
            items: Arc::default(),
            is_closed: Arc::default(),
            is_slow: true,
            was_asked: false,
        }
    }
}

impl<T: Clone> Kept<T> {
    pub(crate) fn items(&self) -> Vec<T> {
        self.items.lock().unwrap().clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

impl<T> Unpin for Kept<T> {}

impl<T> Sink<T> for Kept<T> {
    type Error = Infallible;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Infallible>> {
        if self.is_slow {
            self.was_asked = !self.was_asked;
            if self.was_asked {
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

/// Lets a run go on, once.
pub(crate) fn poll<F>(run: &mut PipelineRun<F>) -> Poll<()>
where
    F: Future<Output = Result<(), PipelineError>>,
{
    let waker = noop_waker();
    run.poll_unpin(&mut Context::from_waker(&waker)).map(drop)
}
