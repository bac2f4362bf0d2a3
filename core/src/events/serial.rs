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
/// that are plain. So this is three references, and becomes a future with a
/// state of its own only where a listener has to be awaited.
pub(super) struct Serial<E: ?Sized, T> {
    emit: Option<Emit<E, T>>,
    awaiting: Option<BoxFuture<'static, Result<usize, EmitError>>>,
}

/// The event is shared, for listeners that may outlast their call, when the
/// first of them is reached.
struct Emit<E: ?Sized, T> {
    emitter: Emitter<E>,
    lists: Arc<Lists<E>>,
    event: T,
}

impl<E, T> Serial<E, T>
where
    E: ?Sized + Send + Sync + 'static,
{
    pub(super) fn new(emitter: Emitter<E>, event: T) -> Self {
        let lists = emitter.shared.lists.get();
        Serial {
            emit: Some(Emit {
                emitter,
                lists,
                event,
            }),
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
            let reached = if emit.lists.monitors().is_empty() {
                emit.run_to_first_wait(&mut progress)
            } else {
                Reached::Waiting(0, Begun::Not)
            };
            match reached {
                Reached::End => return Poll::Ready(progress.conclude()),
                Reached::Waiting(index, begun) => {
                    self.awaiting = Some(Box::pin(emit.finish(index, begun, progress)));
                }
            }
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

/// How far an emit came without waiting.
enum Reached {
    End,
    /// The listener of this index has to be awaited.
    Waiting(usize, Begun),
}

/// How far its listener has come.
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
    fn run_to_first_wait(&self, progress: &mut Progress) -> Reached {
        for (index, entry) in self.lists.listeners().iter().enumerate() {
            if !self.emitter.admits(entry) {
                continue;
            }
            progress.delivered += 1;
            match entry.listen.start(self.event.borrow()) {
                Started::Running(running) => {
                    return Reached::Waiting(index, Begun::Running(running));
                }
                Started::Outlives => return Reached::Waiting(index, Begun::Admitted),
                Started::Done(Ok(())) => {}
                Started::Done(Err(error)) => {
                    let settled = self.emitter.settle(entry, error, &mut progress.failures);
                    if settled.is_break() {
                        break;
                    }
                }
            }
        }
        Reached::End
    }

    async fn finish(
        self,
        from: usize,
        mut begun: Begun,
        mut progress: Progress,
    ) -> Result<usize, EmitError> {
        let Emit {
            emitter,
            lists,
            event,
        } = self;
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
                told.delivering(&entry.registration);
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
            told.ended(&entry.registration, &result);
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
