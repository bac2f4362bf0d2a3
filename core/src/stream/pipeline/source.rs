//! Where a pipeline's items come from.

use super::{Meter, PipelineError, Turn};
use crate::{
    stream::{BoxError, Weigh},
    sync::Arc,
};
use futures::{AsyncRead, Stream};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A source, which is not asked again once it has ended or failed.
pub(super) struct Source<S> {
    stream: Option<Pin<Box<S>>>,
    meter: Arc<Meter>,
    turn: Turn,
}

impl<S> Source<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Source {
            stream: Some(Box::pin(stream)),
            meter,
            turn: Turn::of_source(),
        }
    }
}

impl<T, E, S> Stream for Source<S>
where
    T: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, E>>,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.turn.is_over(context) {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let Poll::Ready(item) = stream.as_mut().poll_next(context) else {
            self.turn.end();
            return Poll::Pending;
        };
        self.turn.count();
        match item {
            Some(Ok(item)) => {
                let weight = item.weight();
                self.meter.hold(weight);
                self.meter.give(weight);
                Poll::Ready(Some(Ok(item)))
            }
            Some(Err(error)) => {
                self.stream = None;
                Poll::Ready(Some(Err(self.meter.fail(error))))
            }
            None => {
                self.stream = None;
                Poll::Ready(None)
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
