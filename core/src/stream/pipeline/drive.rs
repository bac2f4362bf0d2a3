//! The part of a run that pulls items into the destination.

use super::{Meter, PipelineError, report::StallTimer};
use crate::{BoxError, stream::Weigh, sync::Arc};
use futures_util::{Sink, Stream, StreamExt};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Pulls an item through the stages whenever the destination is ready.
pub(super) struct Drive<S, K> {
    stream: S,
    sink: Pin<Box<K>>,
    has_ended: bool,
    /// Set if the destination has accepted items since its last flush, or was never
    /// flushed. Some destinations register on a flush to be woken when they close.
    needs_flush: bool,
    meter: Arc<Meter>,
    stall: StallTimer,
}

impl<S, K> Drive<S, K> {
    pub(super) fn new(stream: S, sink: K, meter: Arc<Meter>) -> Self {
        Drive {
            stream,
            sink: Box::pin(sink),
            has_ended: false,
            needs_flush: true,
            stall: StallTimer::new(Arc::clone(&meter)),
            meter,
        }
    }
}

impl<T, S, K> Future for Drive<S, K>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    K: Sink<T>,
    K::Error: Into<BoxError>,
{
    type Output = Result<(), PipelineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = &mut *self;
        let fail = |error| own.meter.fail(error);
        while !own.has_ended {
            // Checked first, so that no item is read before it can be written.
            let is_ready = own.stall.observe(own.sink.as_mut().poll_ready(context));
            ready!(is_ready).map_err(fail)?;
            match own.stream.poll_next_unpin(context)? {
                Poll::Ready(Some(item)) => {
                    let weight = item.weight();
                    own.meter.record_input(weight);
                    own.meter.record_held(weight);
                    own.sink.as_mut().start_send(item).map_err(fail)?;
                    own.meter.record_output(weight);
                    own.needs_flush = true;
                }
                Poll::Ready(None) => own.has_ended = true,
                Poll::Pending => {
                    // Flushes, since the next item may not arrive soon.
                    if own.needs_flush {
                        let flushed = own.sink.as_mut().poll_flush(context);
                        own.needs_flush = flushed.map_err(fail)?.is_pending();
                    }
                    return Poll::Pending;
                }
            }
        }
        let closed = own.stall.observe(own.sink.as_mut().poll_close(context));
        closed.map_err(fail)
    }
}

// The destination is pinned in its own box.
impl<S: Unpin, K> Unpin for Drive<S, K> {}
