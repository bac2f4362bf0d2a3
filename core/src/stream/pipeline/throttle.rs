//! The stage that limits the rate of items.

use super::{Meter, PipelineError};
use crate::{stream::Weigh, sync::Arc};
use futures_util::{Stream, StreamExt};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

pub(super) struct Throttle<S, F, N> {
    stream: S,
    pause: Duration,
    sleep: F,
    sleeping: Option<Pin<Box<N>>>,
    meter: Arc<Meter>,
}

impl<S, F, N> Throttle<S, F, N> {
    pub(super) fn new(stream: S, pause: Duration, sleep: F, meter: Arc<Meter>) -> Self {
        Throttle {
            stream,
            pause,
            sleep,
            sleeping: None,
            meter,
        }
    }
}

impl<T, S, F, N> Stream for Throttle<S, F, N>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    F: FnMut(Duration) -> N,
    N: Future<Output = ()>,
{
    type Item = Result<T, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *self;
        if let Some(sleeping) = &mut own.sleeping {
            ready!(sleeping.as_mut().poll(context));
            own.sleeping = None;
        }
        let item = ready!(own.stream.poll_next_unpin(context)).transpose()?;
        Poll::Ready(item.map(|item| {
            let weight = item.weight();
            own.meter.record_input(weight);
            own.meter.record_held(weight);
            own.meter.record_output(weight);
            // Started now, so that the pause overlaps with processing the item.
            own.sleeping = Some(Box::pin((own.sleep)(own.pause)));
            Ok(item)
        }))
    }
}

// The sleep is pinned in its own `Box`.
impl<S: Unpin, F, N> Unpin for Throttle<S, F, N> {}
