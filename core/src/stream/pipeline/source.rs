//! The source of a pipeline.

use super::{Meter, PipelineError, YieldBudget};
use crate::{
    BoxError,
    stream::Weigh,
    sync::{Arc, AtomicBool, Mutex, Ordering, lock},
};
use futures_util::{AsyncRead, Stream};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The source of a pipeline. It is not polled again after its end or after an error.
pub(super) struct SourceStream<S, T>(Arc<Mutex<SharedSource<S, T>>>);

/// Polls the source while the stages after it wait, so that a source failure fails the
/// run immediately. If an item arrives, it is kept for the next read.
///
/// A pipeline with a buffer needs no watch, since the buffer polls the source.
pub(super) struct SourceWatch<S, T>(Arc<Mutex<SharedSource<S, T>>>);

struct SharedSource<S, T> {
    /// `None` after the end.
    stream: Option<Pin<Box<S>>>,
    /// An item fetched by the watch.
    prefetched: Option<T>,
    /// Set if the stages polled the stream in this turn and got `Pending`. Their waker
    /// is then registered.
    is_awaited: bool,
    needs_watch: Arc<AtomicBool>,
    meter: Arc<Meter>,
    budget: YieldBudget,
}

impl<S, T> SourceStream<S, T> {
    pub(super) fn new(
        stream: S,
        meter: Arc<Meter>,
        needs_watch: Arc<AtomicBool>,
    ) -> (Self, SourceWatch<S, T>) {
        let shared = Arc::new(Mutex::new(SharedSource {
            stream: Some(Box::pin(stream)),
            prefetched: None,
            is_awaited: false,
            needs_watch,
            meter,
            budget: YieldBudget::for_source(),
        }));
        (SourceStream(Arc::clone(&shared)), SourceWatch(shared))
    }
}

impl<T, E, S> SharedSource<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    /// Polls the stream, unless it has ended.
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
                self.meter.record_held(item.weight());
                Ok(item)
            }
            Err(error) => Err(self.meter.fail(error)),
        }))
    }
}

impl<T, E, S> Stream for SourceStream<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *lock(&self.0);
        own.is_awaited = true;
        if own.budget.is_exhausted(context) {
            return Poll::Pending;
        }
        let next = match own.prefetched.take() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None => own.poll(context),
        };
        own.is_awaited = next.is_pending();
        match &next {
            Poll::Pending => own.budget.reset(),
            Poll::Ready(Some(Ok(item))) => {
                own.budget.count();
                own.meter.record_output(item.weight());
            }
            Poll::Ready(_) => {}
        }
        next
    }
}

/// Completes when the source ends, or immediately if no watch is needed.
impl<T, E, S> Future for SourceWatch<S, T>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    type Output = Result<(), PipelineError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = &mut *lock(&self.0);
        if !own.needs_watch.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let is_awaited = std::mem::take(&mut own.is_awaited);
        if is_awaited || own.prefetched.is_some() {
            let has_ended = own.stream.is_none() && own.prefetched.is_none();
            return if has_ended {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        match ready!(own.poll(context)).transpose()? {
            None => Poll::Ready(Ok(())),
            prefetched => {
                own.prefetched = prefetched;
                Poll::Pending
            }
        }
    }
}

/// A stream of chunks read from a reader.
pub(super) struct ReadChunks<R> {
    reader: Pin<Box<R>>,
    /// The read buffer. Chunks are copied out of it, so that a short read does not
    /// allocate a full-size chunk.
    scratch: Vec<u8>,
    size: usize,
}

impl<R> ReadChunks<R> {
    pub(super) fn new(reader: R, size: usize) -> Self {
        ReadChunks {
            reader: Box::pin(reader),
            scratch: Vec::new(),
            size,
        }
    }
}

impl<R: AsyncRead> Stream for ReadChunks<R> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let ReadChunks {
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
