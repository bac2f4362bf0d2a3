//! What is done to each item on its way.

mod batch;
mod bytes;
mod each;

pub use batch::Batch;
pub use bytes::{Chunks, LineTooLong, Lines};
pub(super) use each::Each;

use super::{
    Weigh,
    pipeline::{Meter, PipelineError, Turn},
};
use crate::{BoxError, sync::Arc};
use futures::{Stream, StreamExt};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A step that makes items of one kind from items of another: fewer, more, or
/// other ones.
///
/// It is asked for outputs until it has none, then handed the next input. What
/// it keeps meanwhile is its own, and should not depend on how much has gone
/// through it.
///
/// ```
/// use futures::{executor::block_on, sink, stream};
/// use highwater::stream::{Pipeline, Stage};
/// use std::convert::Infallible;
///
/// /// The running total, and at the end nothing more.
/// struct Total(u32, Option<u32>);
///
/// impl Stage<u32> for Total {
///     type Output = u32;
///     type Error = Infallible;
///
///     fn push(&mut self, item: u32) -> Result<(), Infallible> {
///         self.0 += item;
///         self.1 = Some(self.0);
///         Ok(())
///     }
///
///     fn pull(&mut self) -> Result<Option<u32>, Infallible> {
///         Ok(self.1.take())
///     }
/// }
///
/// let mut totals = Vec::new();
/// let run = Pipeline::from_stream("numbers", stream::iter([1, 2, 3]))
///     .stage("total", Total(0, None))
///     .into_sink("totals", sink::unfold(&mut totals, async |totals, total| {
///         totals.push(total);
///         Ok::<_, Infallible>(totals)
///     }));
/// block_on(run).unwrap();
/// assert_eq!(totals, [1, 3, 6]);
/// ```
pub trait Stage<T> {
    /// What it makes.
    type Output;
    /// What it fails with.
    type Error: Into<BoxError>;

    /// Takes one more item. Only called when [`pull`](Self::pull) had nothing.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the item: the run fails.
    fn push(&mut self, item: T) -> Result<(), Self::Error>;

    /// The next output, if there is one without another item.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being made: the run fails.
    fn pull(&mut self) -> Result<Option<Self::Output>, Self::Error>;

    /// There are no more items: what is kept becomes output.
    ///
    /// # Errors
    ///
    /// Whatever is missing: the run fails.
    fn finish(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The weight of what it keeps, for the statistics.
    fn held(&self) -> usize {
        0
    }
}

/// A stage at work on the stream before it.
pub(super) struct Staged<S, G> {
    stream: S,
    stage: G,
    meter: Arc<Meter>,
    turn: Turn,
    is_finished: bool,
}

impl<S, G> Staged<S, G> {
    pub(super) fn new(stream: S, stage: G, meter: Arc<Meter>) -> Self {
        Staged {
            stream,
            stage,
            meter,
            turn: Turn::of_stage(),
            is_finished: false,
        }
    }
}

impl<T, S, G> Stream for Staged<S, G>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    G: Stage<T>,
    G::Output: Weigh,
{
    type Item = Result<G::Output, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Staged {
            stream,
            stage,
            meter,
            turn,
            is_finished,
        } = &mut *self;
        if turn.is_over(context) {
            return Poll::Pending;
        }
        loop {
            match stage.pull() {
                Ok(Some(output)) => {
                    meter.give(output.weight());
                    turn.count();
                    return Poll::Ready(Some(Ok(output)));
                }
                Ok(None) if *is_finished => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(meter.fail(error)))),
            }
            let next = ready!(stream.poll_next_unpin(context)).transpose()?;
            // What is made of few at a time leaves it to the source.
            turn.end();
            let done = if let Some(item) = next {
                let weight = item.weight();
                meter.take(weight);
                meter.hold(stage.held().saturating_add(weight));
                stage.push(item)
            } else {
                *is_finished = true;
                stage.finish()
            };
            if let Err(error) = done {
                return Poll::Ready(Some(Err(meter.fail(error))));
            }
        }
    }
}

/// Nothing of the stage is ever pinned.
impl<S: Unpin, G> Unpin for Staged<S, G> {}
