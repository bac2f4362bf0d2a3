//! The stage that processes several items at a time, in order.

use super::{Meter, PipelineError};
use crate::{BoxError, stream::Weigh, sync::Arc};
use futures_util::{Stream, StreamExt, stream::FuturesOrdered};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pub(super) struct Parallel<S, F, J: Future> {
    stream: S,
    start: F,
    jobs: FuturesOrdered<J>,
    window: usize,
    /// Total weight of the items in progress.
    weight_in_progress: usize,
    has_ended: bool,
    meter: Arc<Meter>,
}

impl<S, F, J: Future> Parallel<S, F, J> {
    /// `start` takes an item and its weight. Its future returns the weight too.
    pub(super) fn new(stream: S, window: usize, start: F, meter: Arc<Meter>) -> Self {
        Parallel {
            stream,
            start,
            jobs: FuturesOrdered::new(),
            window,
            weight_in_progress: 0,
            has_ended: false,
            meter,
        }
    }
}

impl<T, U, E, S, F, J> Stream for Parallel<S, F, J>
where
    T: Weigh,
    U: Weigh,
    E: Into<BoxError>,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    F: FnMut(T, usize) -> J,
    J: Future<Output = (usize, Result<U, E>)>,
{
    type Item = Result<U, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let own = &mut *self;
        while !own.has_ended && own.jobs.len() < own.window {
            match own.stream.poll_next_unpin(context)? {
                Poll::Ready(Some(item)) => {
                    let weight = item.weight();
                    own.weight_in_progress = own.weight_in_progress.saturating_add(weight);
                    own.meter.record_input(weight);
                    own.meter.record_held(own.weight_in_progress);
                    own.jobs.push_back((own.start)(item, weight));
                }
                Poll::Ready(None) => own.has_ended = true,
                Poll::Pending => break,
            }
        }
        if own.jobs.is_empty() && !own.has_ended {
            return Poll::Pending;
        }
        own.jobs.poll_next_unpin(context).map(|done| {
            let (weight, result) = done?;
            own.weight_in_progress = own.weight_in_progress.saturating_sub(weight);
            Some(match result {
                Ok(output) => {
                    own.meter.record_output(output.weight());
                    Ok(output)
                }
                Err(error) => Err(own.meter.fail(error)),
            })
        })
    }
}

// Only the jobs are pinned, each in its own `Box`.
impl<S: Unpin, F, J: Future> Unpin for Parallel<S, F, J> {}
