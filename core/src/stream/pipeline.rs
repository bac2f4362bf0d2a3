//! Pipelines of a source, stages and a destination.

mod drive;
mod error;
mod parallel;
mod report;
mod run;
mod setup;
mod source;
mod stream;
mod tee;
mod throttle;
mod yield_budget;

pub use error::PipelineError;
pub(super) use report::Meter;
pub use report::{PipelineMonitor, PipelineReport, StageReport};
pub use run::{CancelHandle, PipelineRun};
pub use stream::PipelineStream;
pub(super) use yield_budget::YieldBudget;

use super::{
    Bound, Receiver, Sender, Weigh,
    channel::new_channel,
    stage::{Batch, Chunks, FilterMap, Lines, Stage, StageStream},
};
use crate::{
    BoxError, Clock, Overflow,
    sync::{Arc, Ordering},
};
use drive::Drive;
use futures_util::{
    AsyncRead, AsyncWrite, AsyncWriteExt, FutureExt, Sink, Stream, StreamExt,
    future::{BoxFuture, TryFutureExt, poll_fn, try_join},
    stream::BoxStream,
};
use parallel::Parallel;
use report::StallTimer;
use setup::PipelineSetup;
use source::{ReadChunks, SourceStream};
use std::{convert::Infallible, fmt, future::Future, time::Duration};
use tee::Tee;
use throttle::Throttle;

/// A source and its stages. A destination completes the pipeline.
///
/// Pipelines are pull-based. When the destination is ready for an item, it polls the
/// stage before it, which polls the stage before that one, up to the source. The
/// slowest part sets the pace, and no item is read before it can be processed. Only a
/// [`buffer`](Self::buffer), a [`parallel_map`](Self::parallel_map) and the branch of a
/// [`tee`](Self::tee) run ahead. While the destination is not ready, the source is
/// polled for one item, so that a source failure fails the run immediately; that item
/// waits until the destination is ready.
///
/// **Memory** does not depend on the amount of data. It is at most the sum of the
/// high-water marks of the buffers and branches, the windows, and one item in flight
/// per stage. If you implement [`Stage`], bound its state yourself.
///
/// **The first error wins**, see [`PipelineRun`]. An error before a buffer stops the
/// run immediately, and the buffered items are not written.
///
/// `S` and `P` are inferred. They are the types of the stages so far.
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
    /// Fills the buffers or watches the source.
    pumps: P,
    setup: PipelineSetup,
}

/// A pipeline of items of type `T` with any stages, see [`Pipeline::boxed`].
pub type BoxedPipeline<'a, T> =
    Pipeline<BoxStream<'a, Result<T, PipelineError>>, BoxFuture<'a, Result<(), PipelineError>>>;

/// Sources.
impl Pipeline<(), ()> {
    /// Starts a pipeline with a stream that cannot fail.
    ///
    /// The stream is not polled again after its end.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let numbers = Pipeline::from_stream("numbers", stream::iter([1, 2, 3])).into_stream();
    /// assert_eq!(block_on(numbers.try_collect::<Vec<_>>())?, [1, 2, 3]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn from_stream<T: Weigh, S: Stream<Item = T>>(
        name: impl Into<Arc<str>>,
        stream: S,
    ) -> Pipeline<
        impl Stream<Item = Result<T, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    > {
        Self::from_try_stream(name, stream.map(Ok::<T, Infallible>))
    }

    /// Starts a pipeline with a stream of `Result`s, such as a
    /// [`Receiver`](super::Receiver).
    ///
    /// The first error fails the run. The stream is not polled again after its end or
    /// after an error.
    ///
    /// ```
    /// use futures::{executor::block_on, sink};
    /// use highwater::{Overflow, stream::{Bound, Pipeline, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(4)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// sender.fail("the disk is gone");
    /// let run = Pipeline::from_try_stream("channel", receiver).into_sink("drain", sink::drain());
    /// assert_eq!(block_on(run).unwrap_err().stage(), Some("channel"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let mut setup = PipelineSetup::new();
        let meter = setup.meter(name);
        let (stream, watch) = SourceStream::new(stream, meter, Arc::clone(&setup.needs_watch));
        Pipeline {
            stream,
            pumps: watch,
            setup,
        }
    }

    /// Starts a pipeline with the bytes of a reader, in chunks of at most `size` bytes.
    ///
    /// Each read yields one chunk. A read error fails the run, and so does a size of 0,
    /// with [`InvalidBound::Zero`](super::InvalidBound::Zero).
    ///
    /// ```
    /// use futures::{executor::block_on, io::Cursor, sink};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_reader("input", Cursor::new("0123456789"), 4)
    ///     .into_sink("drain", sink::drain());
    /// let report = block_on(run)?;
    /// let input = &report.stages[0].output;
    /// assert_eq!((input.items, input.weight), (3, 10));
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn from_reader<R: AsyncRead>(
        name: impl Into<Arc<str>>,
        reader: R,
        size: usize,
    ) -> Pipeline<
        impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    > {
        let mut pipeline = Self::from_try_stream(name, ReadChunks::new(reader, size.max(1)));
        let meter = pipeline.setup.meters.first().cloned();
        if let Some(meter) = meter {
            pipeline.setup.checked_size(size, &meter);
        }
        pipeline
    }
}

/// Destinations.
impl<T, S, P> Pipeline<S, P>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    /// Completes the pipeline with a sink.
    ///
    /// The run waits until the sink is ready, fails if the sink fails, and closes the
    /// sink only on success.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, future, stream};
    /// use highwater::{Overflow, stream::{Bound, Pipeline, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .into_sink("channel", sender.into_sink());
    /// let (report, received) = block_on(future::join(run, receiver.try_collect::<Vec<_>>()));
    /// assert_eq!(report?.stage("channel").unwrap().output.items, 5);
    /// assert_eq!(received?, [0, 1, 2, 3, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_sink<K>(
        mut self,
        name: impl Into<Arc<str>>,
        sink: K,
    ) -> PipelineRun<impl Future<Output = Result<(), PipelineError>>>
    where
        K: Sink<T>,
        K::Error: Into<BoxError>,
    {
        let meter = self.setup.meter(name);
        let drive = Drive::new(self.stream, sink, meter);
        let pumps = self.pumps;
        let size_error = self.setup.size_error;
        let needs_watch = self.setup.needs_watch.load(Ordering::Relaxed);
        let work = async move {
            if let Some(size_error) = size_error {
                return Err(size_error);
            }
            // `try_join` stops polling once either part has failed.
            if needs_watch {
                // The watch checks whether the stages have polled the source in this
                // turn.
                return try_join(drive, pumps).map_ok(|_| ()).await;
            }
            // The pumps are polled first, so that the items they fetch are written in
            // the same turn.
            try_join(pumps, drive).map_ok(|_| ()).await
        };
        PipelineRun::new(work, PipelineMonitor(self.setup.meters.into()))
    }

    /// Completes the pipeline with a writer.
    ///
    /// The writer is flushed whenever no item is ready, and closed only on success. A
    /// write error fails the run.
    ///
    /// ```
    /// use futures::{executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let mut output = Vec::new();
    /// let run = Pipeline::from_stream("words", stream::iter(["high", "water"]))
    ///     .into_writer("output", &mut output);
    /// block_on(run)?;
    /// assert_eq!(output, b"highwater");
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
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

    /// Turns the pipeline into a stream of its items, for instance for a response body.
    ///
    /// The stream's consumer is the destination: the pipeline does nothing unless the
    /// stream is polled. At the end, or after the first error, all parts of the
    /// pipeline are dropped and the stream ends. Dropping the stream cancels the
    /// pipeline.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let numbers = Pipeline::from_stream("words", stream::iter(["1", "2", "three"]))
    ///     .try_map("parse", str::parse::<u32>)
    ///     .into_stream();
    /// let monitor = numbers.monitor();
    /// let error = block_on(numbers.try_collect::<Vec<_>>()).unwrap_err();
    /// assert_eq!(error.stage(), Some("parse"));
    /// assert_eq!(monitor.report().stage("parse").unwrap().output.items, 2);
    /// ```
    pub fn into_stream(self) -> PipelineStream<S, P> {
        PipelineStream::new(self.stream, self.pumps, self.setup)
    }
}

/// Stages.
impl<T, S, P> Pipeline<S, P>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    /// Measures how long each stage added after this call is stalled.
    ///
    /// The time is reported in [`StageReport::stalled`]. It is `None` for stages added
    /// earlier.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    /// use std::{sync::Arc, time::Instant};
    ///
    /// let start = Instant::now();
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .clock(Arc::new(move || start.elapsed()))
    ///     .into_sink("drain", sink::drain());
    /// let report = block_on(run)?;
    /// assert!(report.stage("numbers").unwrap().stalled.is_none());
    /// assert!(report.stage("drain").unwrap().stalled.is_some());
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.setup.clock = Some(clock);
        self
    }

    /// Adds a [`Stage`], such as [`Lines`] or a custom one. Its errors fail the run.
    ///
    /// ```
    /// use futures::{executor::block_on, io::Cursor, sink};
    /// use highwater::stream::{Lines, Pipeline};
    ///
    /// let run = Pipeline::from_reader("input", Cursor::new("one\ntwo\n"), 64)
    ///     .stage("lines", Lines::new(80)?)
    ///     .into_sink("drain", sink::drain());
    /// assert_eq!(block_on(run)?.stage("lines").unwrap().output.items, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stage<G: Stage<T>>(
        mut self,
        name: impl Into<Arc<str>>,
        stage: G,
    ) -> Pipeline<impl Stream<Item = Result<G::Output, PipelineError>> + Unpin, P>
    where
        G::Output: Weigh,
    {
        let meter = self.setup.meter(name);
        self.map_stream(|stream| StageStream::new(stream, stage, meter))
    }

    /// Adds a stage that maps each item.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let doubled = Pipeline::from_stream("numbers", stream::iter([1, 2, 3]))
    ///     .map("double", |n| n * 2)
    ///     .into_stream();
    /// assert_eq!(block_on(doubled.try_collect::<Vec<_>>())?, [2, 4, 6]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn map<U: Weigh>(
        self,
        name: impl Into<Arc<str>>,
        mut map: impl FnMut(T) -> U,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        self.stage(name, FilterMap::new(move |item| Ok(Some(map(item)))))
    }

    /// Adds a stage that maps each item or fails the run.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("words", stream::iter(["1", "two"]))
    ///     .try_map("parse", str::parse::<u32>)
    ///     .into_sink("drain", sink::drain());
    /// assert_eq!(block_on(run).unwrap_err().stage(), Some("parse"));
    /// ```
    pub fn try_map<U: Weigh, E: Into<BoxError>>(
        self,
        name: impl Into<Arc<str>>,
        mut map: impl FnMut(T) -> Result<U, E>,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        let map = move |item| map(item).map(Some).map_err(Into::into);
        self.stage(name, FilterMap::new(map))
    }

    /// Adds a stage that maps each item or skips it.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let even = Pipeline::from_stream("numbers", stream::iter(1..=4))
    ///     .filter_map("even", |n| (n % 2 == 0).then_some(n))
    ///     .into_stream();
    /// assert_eq!(block_on(even.try_collect::<Vec<_>>())?, [2, 4]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn filter_map<U: Weigh>(
        self,
        name: impl Into<Arc<str>>,
        mut map: impl FnMut(T) -> Option<U>,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        self.stage(name, FilterMap::new(move |item| Ok(map(item))))
    }

    /// Adds a stage that splits bytes into [`Chunks`] of `size` bytes. A size of 0
    /// fails the run.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, io::Cursor};
    /// use highwater::stream::Pipeline;
    ///
    /// let chunks = Pipeline::from_reader("input", Cursor::new("01234567"), 5)
    ///     .chunks("threes", 3)
    ///     .into_stream();
    /// let chunks: Vec<_> = block_on(chunks.try_collect())?;
    /// assert_eq!(chunks, [&b"012"[..], b"345", b"67"]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn chunks(
        mut self,
        name: impl Into<Arc<str>>,
        size: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin, P>
    where
        T: AsRef<[u8]>,
    {
        let meter = self.setup.meter(name);
        let size = self.setup.checked_size(size, &meter);
        self.map_stream(|stream| StageStream::new(stream, Chunks::with_size(size), meter))
    }

    /// Adds a stage that splits bytes into [`Lines`] of at most `max_len` bytes.
    ///
    /// A longer line fails the run with [`LineTooLong`](super::LineTooLong). A
    /// `max_len` of 0 fails it with [`InvalidBound::Zero`](super::InvalidBound::Zero).
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, io::Cursor};
    /// use highwater::stream::Pipeline;
    ///
    /// let lines = Pipeline::from_reader("input", Cursor::new("one\r\ntwo"), 2)
    ///     .lines("lines", 80)
    ///     .into_stream();
    /// let lines: Vec<_> = block_on(lines.try_collect())?;
    /// assert_eq!(lines, [b"one", b"two"]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn lines(
        mut self,
        name: impl Into<Arc<str>>,
        max_len: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin, P>
    where
        T: AsRef<[u8]>,
    {
        let meter = self.setup.meter(name);
        let max_len = self.setup.checked_size(max_len, &meter);
        self.map_stream(|stream| StageStream::new(stream, Lines::with_max_len(max_len), meter))
    }

    /// Adds a [`Batch`] stage that collects every `size` items into a `Vec`. A size of
    /// 0 fails the run.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..10))
    ///     .batch("threes", 3)
    ///     .into_sink("drain", sink::drain());
    /// assert_eq!(block_on(run)?.stage("threes").unwrap().output.items, 4);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn batch(
        mut self,
        name: impl Into<Arc<str>>,
        size: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<T>, PipelineError>> + Unpin, P> {
        let meter = self.setup.meter(name);
        let size = self.setup.checked_size(size, &meter);
        self.map_stream(|stream| StageStream::new(stream, Batch::with_size(size), meter))
    }

    /// Adds a stage that passes on one item and then waits for `sleep(pause)` before
    /// the next. The pause overlaps with later stages processing the item.
    ///
    /// `sleep` is the timer of your runtime, for instance `tokio::time::sleep`.
    ///
    /// ```
    /// use futures::{executor::block_on, future, sink, stream};
    /// use highwater::stream::Pipeline;
    /// use std::time::Duration;
    ///
    /// let mut slept = Duration::ZERO;
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..5))
    ///     .throttle("pace", Duration::from_millis(20), |pause| {
    ///         slept += pause;
    ///         future::ready(())
    ///     })
    ///     .into_sink("drain", sink::drain());
    /// block_on(run)?;
    /// assert_eq!(slept, Duration::from_millis(100));
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn throttle<N: Future<Output = ()>>(
        mut self,
        name: impl Into<Arc<str>>,
        pause: Duration,
        sleep: impl FnMut(Duration) -> N,
    ) -> Pipeline<impl Stream<Item = Result<T, PipelineError>> + Unpin, P> {
        let meter = self.setup.meter(name);
        self.map_stream(|stream| Throttle::new(stream, pause, sleep, meter))
    }

    /// Adds a stage that processes up to `window` items at a time and keeps their order.
    ///
    /// `start` returns the future that processes an item. The run's task polls that
    /// future; to move the work to a thread pool, return a future that waits for a pool
    /// job.
    ///
    /// - **Full**: with `window` items in progress, the stage starts no more.
    /// - **Failed**: a failed item fails the run when all earlier items have been
    ///   passed on, and the other futures are dropped. Whether dropping a future stops
    ///   its pool job depends on the future.
    /// - **An earlier stage fails**: the run stops immediately. The items in progress
    ///   are not written, although they precede the error.
    /// - **A window of 0** fails the run.
    ///
    /// ```
    /// use futures::{channel::oneshot, executor::block_on, io::Cursor};
    /// use highwater::stream::Pipeline;
    /// use std::thread;
    ///
    /// let mut output = Vec::new();
    /// let run = Pipeline::from_reader("input", Cursor::new("in order"), 3)
    ///     .parallel_map("upper", 2, |chunk| {
    ///         let (done, job) = oneshot::channel();
    ///         thread::spawn(move || done.send(chunk.to_ascii_uppercase()));
    ///         job
    ///     })
    ///     .into_writer("output", &mut output);
    /// block_on(run)?;
    /// assert_eq!(output, b"IN ORDER");
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn parallel_map<U, E, J>(
        mut self,
        name: impl Into<Arc<str>>,
        window: usize,
        mut start: impl FnMut(T) -> J,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P>
    where
        U: Weigh,
        E: Into<BoxError>,
        J: Future<Output = Result<U, E>>,
    {
        let meter = self.setup.meter(name);
        let window = self.setup.checked_size(window, &meter);
        let start = move |item, weight| start(item).map(move |result| (weight, result));
        self.map_stream(|stream| Parallel::new(stream, window, start, meter))
    }

    /// Adds a stage that sends a clone of each item into a channel, and returns its
    /// receiver.
    ///
    /// - **Full**: the branch holds at most its bound plus one item. Then the policy
    ///   decides: with [`Overflow::Wait`], the run waits for the branch, so another
    ///   task must read it; with [`Overflow::Fail`], the run fails.
    /// - **Receiver dropped**: the run continues without the branch.
    /// - **Run failed or cancelled**: the branch [fails](Sender::fail) too.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, sink, stream};
    /// use highwater::{Overflow, stream::{Bound, Pipeline}};
    ///
    /// let (pipeline, latest) = Pipeline::from_stream("readings", stream::iter(0..100))
    ///     .tee("latest", Bound::items(1)?, Overflow::Latest);
    /// let report = block_on(pipeline.into_sink("drain", sink::drain()))?;
    /// assert_eq!(block_on(latest.try_collect::<Vec<_>>())?, [99]);
    /// assert_eq!(report.stage("latest").unwrap().dropped.items, 99);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tee(
        mut self,
        name: impl Into<Arc<str>>,
        bound: Bound<T>,
        overflow: Overflow,
    ) -> (
        Pipeline<impl Stream<Item = Result<T, PipelineError>> + Unpin, P>,
        Receiver<T>,
    )
    where
        T: Clone,
    {
        let meter = self.setup.meter(name);
        let (branch, receiver) = new_channel(bound, overflow, self.setup.clock.clone());
        let pipeline = self.map_stream(|stream| Tee::new(stream, branch, meter));
        (pipeline, receiver)
    }

    /// Adds a buffer: the stages before it run ahead, up to a bound, while the stages
    /// after it wait. Reading then overlaps with writing.
    ///
    /// A full buffer stops the stages before it until it has drained to its low-water
    /// mark.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::{Bound, Pipeline};
    ///
    /// let run = Pipeline::from_stream("zeros", stream::iter(vec![[0_u8; 100]; 1000]))
    ///     .buffer("ahead", Bound::bytes(1000)?)
    ///     .into_sink("drain", sink::drain());
    /// let report = block_on(run)?;
    /// let ahead = report.stage("ahead").unwrap();
    /// assert_eq!((ahead.output.weight, ahead.peak), (100_000, 1000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer(
        mut self,
        name: impl Into<Arc<str>>,
        bound: Bound<T>,
    ) -> Pipeline<
        impl Stream<Item = Result<T, PipelineError>> + Unpin,
        impl Future<Output = Result<(), PipelineError>>,
    > {
        let meter = self.setup.meter(name);
        self.setup.needs_watch.store(false, Ordering::Relaxed);
        let (sender, receiver) = new_channel(bound, Overflow::Wait, None);
        let pump = pump(self.stream, sender, Arc::clone(&meter));
        let stream = receiver.map(move |item| match item {
            Ok(item) => {
                meter.record_output(item.weight());
                Ok(item)
            }
            Err(error) => Err(meter.fail(error)),
        });
        Pipeline {
            stream,
            pumps: try_join(self.pumps, pump).map_ok(|_| ()),
            setup: self.setup,
        }
    }

    /// Hides the types of the stages, so that stages can be added in a loop or only under
    /// a condition.
    ///
    /// Costs two allocations, and a virtual call per item.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let mut numbers = Pipeline::from_stream("numbers", stream::iter([1, 2, 3])).boxed();
    /// for factor in [2, 5] {
    ///     numbers = numbers.map("multiply", move |number| number * factor).boxed();
    /// }
    /// assert_eq!(block_on(numbers.into_stream().try_collect::<Vec<_>>())?, [10, 20, 30]);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn boxed<'a>(self) -> BoxedPipeline<'a, T>
    where
        S: Send + 'a,
        P: Send + 'a,
    {
        Pipeline {
            stream: self.stream.boxed(),
            pumps: self.pumps.boxed(),
            setup: self.setup,
        }
    }

    fn map_stream<R>(self, add: impl FnOnce(S) -> R) -> Pipeline<R, P> {
        Pipeline {
            stream: add(self.stream),
            pumps: self.pumps,
            setup: self.setup,
        }
    }
}

impl<S, P> fmt::Debug for Pipeline<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("stages", &self.setup.meters.len())
            .finish_non_exhaustive()
    }
}

/// Fills a buffer. Waits for room before fetching an item, so that no item is held
/// outside the buffer.
async fn pump<T: Weigh>(
    mut stream: impl Stream<Item = Result<T, PipelineError>> + Unpin,
    sender: Sender<T>,
    meter: Arc<Meter>,
) -> Result<(), PipelineError> {
    let mut stall = StallTimer::new(Arc::clone(&meter));
    loop {
        let mut ready = sender.ready();
        let is_ready = poll_fn(|context| stall.observe(ready.poll_unpin(context))).await;
        if is_ready.is_err() {
            return Ok(());
        }
        match stream.next().await {
            Some(Ok(item)) => {
                meter.record_input(item.weight());
                meter.record_in_flight();
                // Fails only if the stages after the buffer were dropped.
                let _closed = sender.force_send(item);
            }
            Some(Err(error)) => {
                // Drops the buffered items, so that incomplete data is not written.
                sender.abort();
                return Err(error);
            }
            None => {
                sender.close();
                return Ok(());
            }
        }
    }
}
