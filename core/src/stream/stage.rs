//! The stages of a pipeline.

mod batch;
mod bytes;

pub use batch::Batch;
pub use bytes::{Chunks, LineTooLong, Lines};

use super::{
    Weigh,
    pipeline::{Meter, PipelineError, YieldBudget},
};
use crate::{BoxError, sync::Arc};
use futures_util::{Stream, StreamExt};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A step of a pipeline that turns inputs into any number of outputs.
///
/// The pipeline calls [`pull`](Self::pull) until it returns `None`, then
/// [`push`](Self::push) with the next input. After the last input it calls
/// [`finish`](Self::finish) and pulls again. The state that a stage keeps between calls
/// must not grow with the number of items.
///
/// An error of any method fails the run.
///
/// ```
/// use futures::{TryStreamExt, executor::block_on, stream};
/// use highwater::stream::{Pipeline, Stage};
/// use std::convert::Infallible;
///
/// /// Yields the running total after each number.
/// #[derive(Default)]
/// struct RunningTotal {
///     sum: u32,
///     output: Option<u32>,
/// }
///
/// impl Stage<u32> for RunningTotal {
///     type Output = u32;
///     type Error = Infallible;
///
///     fn push(&mut self, item: u32) -> Result<(), Infallible> {
///         self.sum += item;
///         self.output = Some(self.sum);
///         Ok(())
///     }
///
///     fn pull(&mut self) -> Result<Option<u32>, Infallible> {
///         Ok(self.output.take())
///     }
/// }
///
/// let totals = Pipeline::from_stream("numbers", stream::iter([1, 2, 3]))
///     .stage("total", RunningTotal::default())
///     .into_stream();
/// assert_eq!(block_on(totals.try_collect::<Vec<_>>())?, [1, 3, 6]);
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
pub trait Stage<T> {
    /// The items that the stage yields.
    type Output;
    /// The error that fails the run.
    type Error: Into<BoxError>;

    /// Accepts an input. Only called after [`pull`](Self::pull) has returned `None`.
    ///
    /// # Errors
    ///
    /// If the item is invalid. The error fails the run.
    ///
    /// ```
    /// use highwater::stream::{Lines, Stage};
    ///
    /// let mut lines = Lines::new(4)?;
    /// lines.push("one\ntwo\n")?;
    /// assert_eq!(lines.pull()?, Some(b"one".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn push(&mut self, item: T) -> Result<(), Self::Error>;

    /// Returns the next output, or `None` if the stage needs another input first.
    ///
    /// # Errors
    ///
    /// If the output cannot be produced. The error fails the run.
    ///
    /// ```
    /// use highwater::stream::{Batch, Stage};
    ///
    /// let mut pairs = Batch::new(2)?;
    /// pairs.push(1)?;
    /// assert_eq!(pairs.pull()?, None);
    /// pairs.push(2)?;
    /// assert_eq!(pairs.pull()?, Some(vec![1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn pull(&mut self) -> Result<Option<Self::Output>, Self::Error>;

    /// Signals the end of the input. Later pulls return the remaining output.
    ///
    /// # Errors
    ///
    /// If the input is incomplete. The error fails the run.
    ///
    /// ```
    /// use highwater::stream::{Batch, Stage};
    ///
    /// let mut pairs = Batch::new(2)?;
    /// pairs.push(1)?;
    /// assert_eq!(pairs.pull()?, None);
    /// pairs.finish()?;
    /// assert_eq!(pairs.pull()?, Some(vec![1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn finish(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Returns the weight of the stage's state, for the statistics.
    ///
    /// ```
    /// use highwater::stream::{Lines, Stage};
    ///
    /// let mut lines = Lines::new(80)?;
    /// lines.push("incomplete")?;
    /// assert_eq!(lines.pull()?, None);
    /// assert_eq!(Stage::<&str>::held_weight(&lines), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn held_weight(&self) -> usize {
        0
    }
}

/// The outputs of a stage, as a stream.
pub(super) struct StageStream<S, G> {
    stream: S,
    stage: G,
    meter: Arc<Meter>,
    budget: YieldBudget,
    is_finished: bool,
}

impl<S, G> StageStream<S, G> {
    pub(super) fn new(stream: S, stage: G, meter: Arc<Meter>) -> Self {
        StageStream {
            stream,
            stage,
            meter,
            budget: YieldBudget::for_stage(),
            is_finished: false,
        }
    }
}

impl<T, S, G> Stream for StageStream<S, G>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    G: Stage<T>,
    G::Output: Weigh,
{
    type Item = Result<G::Output, PipelineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let StageStream {
            stream,
            stage,
            meter,
            budget,
            is_finished,
        } = &mut *self;
        if budget.is_exhausted(context) {
            return Poll::Pending;
        }
        loop {
            match stage.pull() {
                Ok(Some(output)) => {
                    meter.record_output(output.weight());
                    budget.count();
                    return Poll::Ready(Some(Ok(output)));
                }
                Ok(None) if *is_finished => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(meter.fail(error)))),
            }
            let next = ready!(stream.poll_next_unpin(context)).transpose()?;
            // A stage with few outputs per input relies on the budget of the source.
            budget.reset();
            let done = if let Some(item) = next {
                let weight = item.weight();
                meter.record_input(weight);
                meter.record_held(stage.held_weight().saturating_add(weight));
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

// The stage is not pinned.
impl<S: Unpin, G> Unpin for StageStream<S, G> {}

/// The stage used by `map`, `try_map` and `filter_map`. It yields at most one output
/// per input.
pub(super) struct FilterMap<F, O> {
    map: F,
    output: Option<O>,
}

impl<F, O> FilterMap<F, O> {
    pub(super) fn new(map: F) -> Self {
        FilterMap { map, output: None }
    }
}

impl<T, O, F: FnMut(T) -> Result<Option<O>, BoxError>> Stage<T> for FilterMap<F, O> {
    type Output = O;
    type Error = BoxError;

    fn push(&mut self, item: T) -> Result<(), BoxError> {
        self.output = (self.map)(item)?;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<O>, BoxError> {
        Ok(self.output.take())
    }
}
