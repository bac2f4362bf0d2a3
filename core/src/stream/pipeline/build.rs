//! The stages a pipeline can have.

use super::{
    Meter, Pipeline, PipelineError, Stream, parallel::Parallel, report::Stall, tee::Tee,
    throttle::Throttle,
};
use crate::{
    BoxError, Clock, Overflow,
    stream::{
        Bound, Receiver, Sender, Weigh,
        channel::connect,
        stage::{Batch, Chunks, Each, Lines, Stage, Staged},
    },
    sync::{Arc, Ordering},
};
use futures::{
    FutureExt, StreamExt, TryFutureExt,
    future::{poll_fn, try_join},
};
use std::{future::Future, time::Duration};

impl<T, S, P> Pipeline<S, P>
where
    T: Weigh,
    S: Stream<Item = Result<T, PipelineError>> + Unpin,
    P: Future<Output = Result<(), PipelineError>>,
{
    /// Measures the stages added from here on: how long each was stalled.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.plan.clock = Some(clock);
        self
    }

    /// Adds a [`Stage`] of your own.
    pub fn stage<G: Stage<T>>(
        mut self,
        name: impl Into<Arc<str>>,
        stage: G,
    ) -> Pipeline<impl Stream<Item = Result<G::Output, PipelineError>> + Unpin, P>
    where
        G::Output: Weigh,
    {
        let meter = self.plan.meter(name);
        self.then(|stream| Staged::new(stream, stage, meter))
    }

    /// Makes another item of each.
    pub fn map<U: Weigh>(
        self,
        name: impl Into<Arc<str>>,
        mut make: impl FnMut(T) -> U,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        self.stage(name, Each::new(move |item| Ok(Some(make(item)))))
    }

    /// Makes another item of each, or fails.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("words", stream::iter(["1", "two"]))
    ///     .try_map("parse", str::parse::<u32>)
    ///     .into_sink("nowhere", sink::drain());
    /// assert_eq!(block_on(run).unwrap_err().stage(), Some("parse"));
    /// ```
    pub fn try_map<U: Weigh, E: Into<BoxError>>(
        self,
        name: impl Into<Arc<str>>,
        mut make: impl FnMut(T) -> Result<U, E>,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        let make = move |item| make(item).map(Some).map_err(Into::into);
        self.stage(name, Each::new(make))
    }

    /// Makes another item of each, or none.
    pub fn filter_map<U: Weigh>(
        self,
        name: impl Into<Arc<str>>,
        mut make: impl FnMut(T) -> Option<U>,
    ) -> Pipeline<impl Stream<Item = Result<U, PipelineError>> + Unpin, P> {
        self.stage(name, Each::new(move |item| Ok(make(item))))
    }

    /// Cuts bytes into [`Chunks`] of `size`. A size of 0 fails the run.
    pub fn chunks(
        mut self,
        name: impl Into<Arc<str>>,
        size: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin, P>
    where
        T: AsRef<[u8]>,
    {
        let meter = self.plan.meter(name);
        let size = self.plan.size(size, &meter);
        self.then(|stream| Staged::new(stream, Chunks::with_size(size), meter))
    }

    /// Cuts bytes into [`Lines`] of at most `longest` bytes; a longer one, or a
    /// `longest` of 0, fails the run.
    pub fn lines(
        mut self,
        name: impl Into<Arc<str>>,
        longest: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<u8>, PipelineError>> + Unpin, P>
    where
        T: AsRef<[u8]>,
    {
        let meter = self.plan.meter(name);
        let longest = self.plan.size(longest, &meter);
        self.then(|stream| Staged::new(stream, Lines::with_longest(longest), meter))
    }

    /// Makes a `Vec` of every `size` items: a [`Batch`]. A size of 0 fails the
    /// run.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::Pipeline;
    ///
    /// let run = Pipeline::from_stream("numbers", stream::iter(0..10))
    ///     .batch("threes", 3)
    ///     .into_sink("nowhere", sink::drain());
    /// assert_eq!(block_on(run)?.stage("threes").unwrap().output.items, 4);
    /// # Ok::<(), highwater::stream::PipelineError>(())
    /// ```
    pub fn batch(
        mut self,
        name: impl Into<Arc<str>>,
        size: usize,
    ) -> Pipeline<impl Stream<Item = Result<Vec<T>, PipelineError>> + Unpin, P> {
        let meter = self.plan.meter(name);
        let size = self.plan.size(size, &meter);
        self.then(|stream| Staged::new(stream, Batch::with_size(size), meter))
    }

    /// Lets one item pass, then none until `sleep(pause)` is over. The time
    /// that the item takes in later stages counts.
    ///
    /// How to sleep depends on the world: hand in a timer's `sleep`.
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
    ///     .into_sink("nowhere", sink::drain());
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
        let meter = self.plan.meter(name);
        self.then(|stream| Throttle::new(stream, pause, sleep, meter))
    }

    /// Works on up to `window` items at a time; their order is kept. A window of
    /// 0 fails the run.
    ///
    /// An error of a stage before it stops the run at once; the items in work
    /// then are not written, although they came first.
    ///
    /// What `start` answers decides where the work is done: a plain future is
    /// polled by the run's task, one that stands for a job of a thread pool
    /// waits for that. An item that fails does so when its turn comes. Those in
    /// work are then dropped: whether a job elsewhere stops or is waited for
    /// when its future is dropped is the future's business.
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
        let meter = self.plan.meter(name);
        let window = self.plan.size(window, &meter);
        let start = move |item, weight| start(item).map(move |result| (weight, result));
        self.then(|stream| Parallel::new(stream, window, start, meter))
    }

    /// Sends a clone of each item into a channel, for somebody else to read: a
    /// slow branch costs at most its bound and one item, and then what the
    /// policy says.
    ///
    /// With [`Overflow::Wait`] the run waits for the branch, so somebody has to
    /// read it meanwhile; with [`Overflow::Fail`] a full branch fails the run.
    /// A branch that is dropped is no longer served. If the run ends early, the
    /// branch [fails](Sender::fail).
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, sink, stream};
    /// use highwater::{Overflow, stream::{Bound, Pipeline}};
    ///
    /// let (pipeline, latest) = Pipeline::from_stream("readings", stream::iter(0..100))
    ///     .tee("latest", Bound::items(1)?, Overflow::Latest);
    /// let report = block_on(pipeline.into_sink("nowhere", sink::drain()))?;
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
        let meter = self.plan.meter(name);
        let (branch, receiver) = connect(bound, overflow, self.plan.clock.clone());
        let pipeline = self.then(|stream| Tee::new(stream, branch, meter));
        (pipeline, receiver)
    }

    /// Lets the stages before it run ahead, up to a bound, while those behind it
    /// wait: reading overlaps with writing.
    ///
    /// ```
    /// use futures::{executor::block_on, sink, stream};
    /// use highwater::stream::{Bound, Pipeline};
    ///
    /// let run = Pipeline::from_stream("zeros", stream::iter(vec![[0_u8; 100]; 1000]))
    ///     .buffer("ahead", Bound::bytes(1000)?)
    ///     .into_sink("nowhere", sink::drain());
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
        let meter = self.plan.meter(name);
        self.plan.is_watched.store(false, Ordering::Relaxed);
        let (sender, receiver) = connect(bound, Overflow::Wait, None);
        let pump = pump(self.stream, sender, Arc::clone(&meter));
        let stream = receiver.map(move |item| match item {
            Ok(item) => {
                meter.give(item.weight());
                Ok(item)
            }
            Err(error) => Err(meter.fail(error)),
        });
        Pipeline {
            stream,
            pumps: try_join(self.pumps, pump).map_ok(|_| ()),
            plan: self.plan,
        }
    }

    fn then<R>(self, add: impl FnOnce(S) -> R) -> Pipeline<R, P> {
        Pipeline {
            stream: add(self.stream),
            pumps: self.pumps,
            plan: self.plan,
        }
    }
}

/// Fills a buffer. It waits for room before it takes an item, so that it has
/// none of its own in hand meanwhile.
async fn pump<T: Weigh>(
    mut stream: impl Stream<Item = Result<T, PipelineError>> + Unpin,
    sender: Sender<T>,
    meter: Arc<Meter>,
) -> Result<(), PipelineError> {
    let mut stall = Stall::new(Arc::clone(&meter));
    loop {
        let mut ready = sender.ready();
        let is_ready = poll_fn(|context| stall.note(ready.poll_unpin(context))).await;
        if is_ready.is_err() {
            return Ok(());
        }
        match stream.next().await {
            Some(Ok(item)) => {
                meter.take(item.weight());
                meter.hold_difference();
                let _nobody_reads_it = sender.force_send(item);
            }
            Some(Err(error)) => {
                // Nobody is to take what there is for the whole.
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
