//! Where a pipeline's items come from.

use super::{Meter, PipelineError, Turn};
use crate::{
    BoxError,
    stream::Weigh,
    sync::{Arc, AtomicBool, Mutex, Ordering, lock},
};
use futures::{AsyncRead, Stream};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A source, which is not asked again once it has ended or failed.
pub(super) struct Source<S, T>(Arc<Mutex<Shared<S, T>>>);

/// Asks the source of a run while what is behind it waits, so that the run ends if
/// the source fails. An item that comes instead is kept for later.
///
/// A pipeline with a buffer needs none: the buffer asks.
pub(super) struct Watch<S, T>(Arc<Mutex<Shared<S, T>>>);

struct Shared<S, T> {
    /// Until it has ended.
    stream: Option<Pin<Box<S>>>,
    /// Read before it was asked for.
    ahead: Option<T>,
    /// Set if the stages have asked in vain in this turn of the run, so that the
    /// stream is going to wake it.
    is_awaited: bool,
    is_watched: Arc<AtomicBool>,
    meter: Arc<Meter>,
    turn: Turn,
}

impl<S, T> Source<S, T> {
    pub(super) fn new(
        stream: S,
        meter: Arc<Meter>,
        is_watched: Arc<AtomicBool>,
    ) -> (Self, Watch<S, T>) {
        let shared = Arc::new(Mutex::new(Shared {
            stream: Some(Box::pin(stream)),
            ahead: None,
            is_awaited: false,
            is_watched,
            meter,
            turn: Turn::of_source(),
        }));
        (Source(Arc::clone(&shared)), Watch(shared))
    }
}

impl<T, E, S> Shared<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    /// Asks the stream, unless it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, PipelineError>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let next = ready!(stream.as_mut().poll_next(context));
        if !matches!(next, Some(Ok(_))) {
            self.stream = None;
        }
        Poll::Ready(next.map(|item| match item {
            Ok(item) => {
                self.meter.hold(item.weight());
                Ok(item)
            }
            Err(error) => Err(self.meter.fail(error)),
        }))
    }
}

impl<T, E, S> Stream for Source<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *lock(&self.0);
        own.is_awaited = true;
        if own.turn.is_over(context) {
            return Poll::Pending;
        }
        let next = match own.ahead.take() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None => own.poll(context),
        };
        own.is_awaited = next.is_pending();
        match &next {
            Poll::Pending => own.turn.end(),
            Poll::Ready(Some(Ok(item))) => {
                own.turn.count();
                own.meter.give(item.weight());
            }
            Poll::Ready(_) => {}
        }
        next
    }
}

/// It ends with the source, or if it is not wanted.
impl<T, E, S> Future for Watch<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    type Output = Result<(), PipelineError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = &mut *lock(&self.0);
        if !own.is_watched.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let is_awaited = std::mem::take(&mut own.is_awaited);
        if is_awaited || own.ahead.is_some() {
            let has_ended = own.stream.is_none() && own.ahead.is_none();
            return if has_ended {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        match ready!(own.poll(context)).transpose()? {
            None => Poll::Ready(Ok(())),
            ahead => {
                own.ahead = ahead;
                Poll::Pending
            }
        }
    }
}

/// Reads chunks of bytes.
pub(super) struct Reading<R> {
    reader: Pin<Box<R>>,
    /// What is read into. Chunks are copied out of it, so that one of a few
    /// bytes takes no more than these.
    scratch: Vec<u8>,
    size: usize,
}

impl<R> Reading<R> {
    pub(super) fn new(reader: R, size: usize) -> Self {
        Reading {
            reader: Box::pin(reader),
            scratch: Vec::new(),
            size,
        }
    }
}

impl<R: AsyncRead> Stream for Reading<R> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Reading {
            reader,
            scratch,
            size,
        } = &mut *self;
        if scratch.is_empty() {
            if scratch.try_reserve_exact(*size).is_err() {
                return Poll::Ready(Some(Err(io::ErrorKind::OutOfMemory.into())));
            }
            scratch.resize(*size, 0);
        }
        let len = ready!(reader.as_mut().poll_read(context, scratch))?;
        Poll::Ready((len > 0).then(|| Ok(scratch[..len].to_vec())))
    }
}
