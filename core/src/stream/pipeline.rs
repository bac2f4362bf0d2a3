//! From a source through stages to a destination.

mod build;
mod drive;
mod error;
mod items;
mod parallel;
mod report;
mod run;
mod source;
mod tee;
mod throttle;
mod turn;

pub use error::PipelineError;
pub use items::PipelineStream;
pub(super) use report::Meter;
pub use report::{PipelineMonitor, PipelineReport, StageReport};
pub use run::{CancelHandle, PipelineRun};
pub(super) use turn::Turn;

use super::{InvalidBound, Weigh};
use crate::{
    BoxError, Clock,
    sync::{Arc, AtomicBool, Ordering},
};
use drive::Drive;
use futures::{
    AsyncRead, AsyncWrite, AsyncWriteExt, Sink, Stream, StreamExt,
    future::{TryFutureExt, try_join},
};
use source::{Reading, Source};
use std::{convert::Infallible, fmt, future::Future};

/// A source and stages, to be given a destination.
///
/// The destination pulls: when it is ready for an item, it asks the stage before
/// it, and that the one before, up to the source. So the slowest sets the pace
/// and nothing is read before it can be worked on. Only what is told to runs
/// ahead: a [`buffer`](Self::buffer), a
/// [`parallel_map`](Self::parallel_map), the branch of a [`tee`](Self::tee). And
/// while the destination is not ready, the source is asked once, so that the run
/// ends at once if it fails; an item that it gives waits there until it is wanted.
///
/// **Memory** does not depend on how much goes through: it is at most the high
/// marks of the buffers and branches, the windows, and one item in flight for
/// each stage. What a [`Stage`](super::Stage) of your own keeps is yours to
/// bound.
///
/// **The first error wins**: see [`PipelineRun`]. With a buffer, an error before it
/// stops the run at once, and what is in the buffer is not written.
///
/// `S` and `P` are the stages so far; nobody needs to name them.
///
/// ```
/// use futures::{executor::block_on, io::Cursor};
/// use highwater::stream::Pipeline;
///
/// let mut upper = Vec::new();
/// let run = Pipeline::from_reader("input", Cursor::new("some text"), 64 * 1024)
///     .map("upper", |chunk| chunk.to_ascii_uppercase())
///     .into_writer("output", &mut upper);
/// let report = block_on(run)?;
/// assert_eq!(report.stage("output").unwrap().output.weight, 9);
/// assert_eq!(upper, b"SOME TEXT");
/// # Ok::<(), highwater::stream::PipelineError>(())
/// ```
#[must_use = "a pipeline needs a destination"]
pub struct Pipeline<S, P> {
    stream: S,
    /// The futures that fill the buffers, or watch the source.
    pumps: P,
    plan: Plan,
}

struct Plan {
    clock: Option<Arc<dyn Clock>>,
    meters: Vec<Arc<Meter>>,
    /// The first size that made no sense.
    invalid: Option<PipelineError>,
    /// Set while nothing but the destination asks the source.
    is_watched: Arc<AtomicBool>,
}

impl Plan {
    /// Adds a stage.
    fn meter(&mut self, name: impl Into<Arc<str>>) -> Arc<Meter> {
        let meter = Arc::new(Meter::new(name.into(), self.clock.clone()));
        self.meters.push(Arc::clone(&meter));
        meter
    }

    /// Where a size makes no sense, the run is going to say so; any other will
    /// do until then.
    fn size(&mut self, size: usize, meter: &Meter) -> usize {
        if size == 0 && self.invalid.is_none() {
            self.invalid = Some(meter.fail(InvalidBound::Zero));
        }
        size.max(1)
    }
}

impl Pipeline<(), ()> {
    /// Items from a stream that cannot fail.
    ///
    /// It is not polled again once it has ended.
    pub fn from_stream<T: Weigh, S: Stream<Item = T>>(
        name: impl Into<Arc<str>>,
        stream: S,
    ) -> Pipeline<
        impl Stream<Item = Result<T, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    > {
        Self::from_try_stream(name, stream.map(Ok::<T, Infallible>))
    }

    /// Items from a stream of `Result`s, the first error of which fails the
    /// run: also a [`Receiver`](super::Receiver).
    ///
    /// It is not polled again once it has ended or failed.
    pub fn from_try_stream<T, E, S>(
        name: impl Into<Arc<str>>,
        stream: S,
    ) -> Pipeline<
        impl Stream<Item = Result<T, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    >
    where
        T: Weigh,
        E: Into<BoxError>,
        S: Stream<Item = Result<T, E>>,
    {
        let mut plan = Plan {
            clock: None,
            meters: Vec::new(),
            invalid: None,
            is_watched: Arc::new(AtomicBool::new(true)),
        };
        let meter = plan.meter(name);
        let (stream, watch) = Source::new(stream, meter, Arc::clone(&plan.is_watched));
        Pipeline {
            stream,
            pumps: watch,
            plan,
        }
    }

    /// Bytes from a reader, in chunks of at most `size` bytes: as many as each
    /// read gives. A size of 0 fails the run, with [`InvalidBound::Zero`].
    pub fn from_reader<R: AsyncRead>(
        name: impl Into<Arc<str>>,
        reader: R,
        size: usize,
    ) -> Pipeline<
        impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    > {
        let mut pipeline = Self::from_try_stream(name, Reading::new(reader, size.max(1)));
        let meter = pipeline.plan.meters.first().cloned();
        if let Some(meter) = meter {
            pipeline.plan.size(size, &meter);
        }
        pipeline
    }
}

impl<T, S, P> Pipeline<S, P>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    /// Items go into a sink, which is closed on success only.
    pub fn into_sink<K>(
        mut self,
        name: impl Into<Arc<str>>,
        sink: K,
    ) -> PipelineRun<impl Future<Output = Result<(), PipelineError>>>
    where
        K: Sink<T>,
        K::Error: Into<BoxError>,
    {
        let meter = self.plan.meter(name);
        let drive = Drive::new(self.stream, sink, meter);
        let pumps = self.pumps;
        let invalid = self.plan.invalid;
        let is_watched = self.plan.is_watched.load(Ordering::Relaxed);
        let work = async move {
            if let Some(invalid) = invalid {
                return Err(invalid);
            }
            // Whoever fails, nobody is polled after it.
            if is_watched {
                // Only now is it known whether the source was asked.
                return try_join(drive, pumps).map_ok(|_| ()).await;
            }
            // The pumps go first, so that what they fetch is written in the same
            // turn.
            try_join(pumps, drive).map_ok(|_| ()).await
        };
        PipelineRun::new(work, PipelineMonitor(self.plan.meters.into()))
    }

    /// The items themselves are the output, for a handler that answers with a
    /// stream or a loop that reads it.
    ///
    /// Whoever reads is the destination and sets the pace: nothing happens while
    /// nobody polls. After the first error, or at the end, everything of the
    /// pipeline is dropped, and the stream has ended. Dropping it cancels the
    /// pipeline.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let items = Pipeline::from_stream("words", stream::iter(["1", "2", "three"]))
    ///     .try_map("parse", str::parse::<u32>)
    ///     .into_stream();
    /// let monitor = items.monitor();
    /// let error = block_on(items.try_collect::<Vec<_>>()).unwrap_err();
    /// assert_eq!(error.stage(), Some("parse"));
    /// assert_eq!(monitor.report().stage("parse").unwrap().output.items, 2);
    /// ```
    pub fn into_stream(self) -> PipelineStream<S, P> {
        PipelineStream::new(self.stream, self.pumps, self.plan)
    }

    /// Bytes go into a writer, which is flushed whenever there is nothing to
    /// write, and closed on success only.
    pub fn into_writer<W: AsyncWrite>(
        self,
        name: impl Into<Arc<str>>,
        writer: W,
    ) -> PipelineRun<impl Future<Output = Result<(), PipelineError>>>
    where
        T: AsRef<[u8]>,
    {
        self.into_sink(name, writer.into_sink())
    }
}

impl<S, P> fmt::Debug for Pipeline<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("stages", &self.plan.meters.len())
            .finish_non_exhaustive()
    }
}
