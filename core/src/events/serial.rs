//! An emit that awaits one listener after the other.

use super::{
    EmitError, Emitter,
    deliver::Progress,
    listener::{Running, Started},
    lists::Lists,
    monitor::{Tell, Told},
};
use futures::future::BoxFuture;
use std::{
    borrow::Borrow,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Most awaited emits have nothing to wait for: an inbox with room, listeners
/// that are plain. So this is a reference and the event, and becomes a future
/// with a state of its own only where a listener has to be awaited.
pub(super) struct Serial<E: ?Sized, T> {
    emit: Option<Emit<E, T>>,
    awaiting: Option<BoxFuture<'static, Result<usize, EmitError>>>,
}

/// The event is shared, for listeners that may outlast their call, when the
/// first of them is reached.
struct Emit<E: ?Sized, T> {
    emitter: Emitter<E>,
    event: T,
}

impl<E: ?Sized, T> Serial<E, T> {
    pub(super) fn new(emitter: Emitter<E>, event: T) -> Self {
        Serial {
            emit: Some(Emit { emitter, event }),
            awaiting: None,
        }
    }
}

impl<E, T> Future for Serial<E, T>
where
    E: ?Sized + Send + Sync + 'static,
    T: Borrow<E> + Into<Arc<E>> + Send + Sync + 'static,
{
    type Output = Result<usize, EmitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(emit) = self.emit.take() {
            let mut progress = Progress::default();
            let waiting = emit.begin(&mut progress);
            let Some(waiting) = waiting else {
                return Poll::Ready(progress.conclude());
            };
            self.awaiting = Some(Box::pin(emit.finish(waiting, progress)));
        }
        match &mut self.awaiting {
            Some(awaiting) => awaiting.as_mut().poll(context),
            // Polled again after its end: there is nothing to wait for.
            None => Poll::Pending,
        }
    }
}

/// Nothing in it is ever pinned.
impl<E: ?Sized, T> Unpin for Serial<E, T> {}

/// An emit that has come to a listener which has to be awaited.
struct Waiting<E: ?Sized> {
    lists: Arc<Lists<E>>,
    /// Which of them.
    index: usize,
    begun: Begun,
}

/// How far a listener has come.
enum Begun {
    Not,
    /// It may be called, and needs the event to be shared.
    Admitted,
    Running(Running),
}

impl<E, T> Emit<E, T>
where
    E: ?Sized + Send + Sync + 'static,
    T: Borrow<E> + Into<Arc<E>> + Send + Sync + 'static,
{
    /// Goes as far as it can without waiting: to the end, most often.
    fn begin(&self, progress: &mut Progress) -> Option<Waiting<E>> {
        self.emitter.shared.lists.with(|lists| {
            self.emitter.note_if_unhandled(lists);
            let (index, begun) = if lists.monitors().is_empty() {
                self.run_to_first_wait(lists, progress)?
            } else {
                (0, Begun::Not)
            };
            Some(Waiting {
                lists: Arc::clone(lists),
                index,
                begun,
            })
        })
    }

    fn run_to_first_wait(
        &self,
        lists: &Lists<E>,
        progress: &mut Progress,
    ) -> Option<(usize, Begun)> {
        for (index, entry) in lists.listeners().iter().enumerate() {
            if !self.emitter.admits(entry) {
                continue;
            }
            progress.delivered += 1;
            match entry.listen.start(self.event.borrow()) {
                Started::Running(running) => return Some((index, Begun::Running(running))),
                Started::Outlives => return Some((index, Begun::Admitted)),
                Started::Done(Ok(())) => {}
                Started::Done(Err(error)) => {
                    let settled = self.emitter.settle(entry, error, &mut progress.failures);
                    if settled.is_break() {
                        break;
                    }
                }
            }
        }
        None
    }

    async fn finish(self, waiting: Waiting<E>, mut progress: Progress) -> Result<usize, EmitError> {
        let Emit { emitter, event } = self;
        let Waiting {
            lists,
            index: from,
            mut begun,
        } = waiting;
        let event: Arc<E> = event.into();
        let (listeners, monitors) = (lists.listeners(), lists.monitors());
        let mut told = Told::begin_if_any(&*event, monitors, listeners.len());
        for entry in &listeners[from..] {
            let begun = std::mem::replace(&mut begun, Begun::Not);
            if matches!(begun, Begun::Not) {
                if !emitter.admits(entry) {
                    continue;
                }
                progress.delivered += 1;
                told.delivering(entry.registration());
            }
            let started = match begun {
                Begun::Running(running) => Started::Running(running),
                Begun::Admitted => Started::Outlives,
                Begun::Not => entry.listen.start(&event),
            };
            let result = match started {
                Started::Done(result) => result,
                Started::Running(running) => running.await,
                Started::Outlives => entry.listen.start_shared(&event).await,
            };
            told.ended(entry.registration(), &result);
            if let Err(error) = result
                && emitter
                    .settle(entry, error, &mut progress.failures)
                    .is_break()
            {
                break;
            }
        }
        progress.conclude()
    }
}
