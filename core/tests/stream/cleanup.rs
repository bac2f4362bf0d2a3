//! Property tests of failing pipelines: the first error is returned with the name of
//! its stage, and every part of the run is dropped.

use futures::{FutureExt, Sink, Stream, TryStreamExt, executor::block_on, task::noop_waker};
use highwater::stream::{
    Bound, Overflow, Pipeline, PipelineError, PipelineRun, StreamError, Weigh,
};
use proptest::prelude::*;
use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

/// A point at which a run can fail. Each but the last three is named after its stage.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FailurePoint {
    Source,
    Before,
    Job,
    After,
    Ready,
    Send,
    Close,
}

impl FailurePoint {
    fn stage(self) -> &'static str {
        match self {
            FailurePoint::Source => "source",
            FailurePoint::Before => "before",
            FailurePoint::Job => "job",
            FailurePoint::After => "after",
            FailurePoint::Ready | FailurePoint::Send | FailurePoint::Close => "sink",
        }
    }
}

fn failure_point() -> impl Strategy<Value = FailurePoint> {
    prop_oneof![
        Just(FailurePoint::Source),
        Just(FailurePoint::Before),
        Just(FailurePoint::Job),
        Just(FailurePoint::After),
        Just(FailurePoint::Ready),
        Just(FailurePoint::Send),
        Just(FailurePoint::Close),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("injected failure at {0:?}")]
struct InjectedFailure(FailurePoint);

/// Observations of a run from outside.
#[derive(Default)]
struct Observed {
    polls: usize,
    written: Vec<u32>,
    is_closed: bool,
    /// The failures, each with the number of polls and writes up to then.
    failures: Vec<(FailurePoint, usize, usize)>,
}

/// The course of a run. Every part and item of the run holds a reference, so that the
/// reference count shows whether all of them were dropped.
struct Script {
    items: u32,
    failures: Vec<(FailurePoint, u32)>,
    /// The number of polls out of four on which a part is not ready.
    delay: u32,
    observed: Mutex<Observed>,
    draws: Mutex<u32>,
}

impl Script {
    fn fail(&self, point: FailurePoint, item: u32) -> Result<(), InjectedFailure> {
        if !self.failures.contains(&(point, item)) {
            return Ok(());
        }
        let mut observed = self.observed.lock().unwrap();
        let failure = (point, observed.polls, observed.written.len());
        observed.failures.push(failure);
        Err(InjectedFailure(point))
    }

    fn is_ready(&self, context: &mut Context<'_>) -> bool {
        let mut draws = self.draws.lock().unwrap();
        *draws = draws.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let is_ready = *draws >> 30 >= self.delay;
        if !is_ready {
            context.waker().wake_by_ref();
        }
        is_ready
    }
}

#[derive(Clone)]
struct Item {
    number: u32,
    _live: Arc<Script>,
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        10
    }
}

struct Source(Arc<Script>, u32);

impl Stream for Source {
    type Item = Result<Item, InjectedFailure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.observed.lock().unwrap().polls += 1;
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        if self.1 == self.0.items {
            return Poll::Ready(None);
        }
        let number = self.1;
        self.1 += 1;
        let failed = self.0.fail(FailurePoint::Source, number);
        Poll::Ready(Some(failed.map(|()| Item {
            number,
            _live: Arc::clone(&self.0),
        })))
    }
}

struct Destination(Arc<Script>, u32);

impl Sink<Item> for Destination {
    type Error = InjectedFailure;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), InjectedFailure>> {
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        Poll::Ready(self.0.fail(FailurePoint::Ready, self.1))
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), InjectedFailure> {
        self.0.fail(FailurePoint::Send, item.number)?;
        self.1 += 1;
        self.0.observed.lock().unwrap().written.push(item.number);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), InjectedFailure>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), InjectedFailure>> {
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        self.0.fail(FailurePoint::Close, 0)?;
        self.0.observed.lock().unwrap().is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// Builds a run with every kind of stage. Each stage holds a reference to the script.
fn run(
    script: &Arc<Script>,
    high: usize,
    window: usize,
) -> (
    PipelineRun<impl Future<Output = Result<(), PipelineError>>>,
    impl Stream<Item = Result<Item, StreamError>>,
) {
    let (before, after, jobs) = (script.clone(), script.clone(), script.clone());
    let (pipeline, branch) = Pipeline::from_try_stream("source", Source(script.clone(), 0))
        .try_map("before", move |item: Item| {
            before
                .fail(FailurePoint::Before, item.number)
                .map(|()| item)
        })
        .buffer("first", Bound::bytes(high * 10).unwrap())
        .parallel_map("job", window, move |item: Item| {
            let script = Arc::clone(&jobs);
            async move {
                std::future::poll_fn(|context| {
                    if script.is_ready(context) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                // Not recorded: the run may fail at an earlier item before this one is due.
                if script.failures.contains(&(FailurePoint::Job, item.number)) {
                    return Err(InjectedFailure(FailurePoint::Job));
                }
                Ok(item)
            }
        })
        .buffer("second", Bound::items(high).unwrap())
        .batch("batch", window)
        .map("last", |mut batch: Vec<Item>| batch.pop())
        .filter_map("some", |item| item)
        .try_map("after", move |item: Item| {
            after.fail(FailurePoint::After, item.number).map(|()| item)
        })
        .tee("tee", Bound::items(high).unwrap(), Overflow::DropOldest);
    (
        pipeline.into_sink("sink", Destination(script.clone(), 0)),
        branch,
    )
}

/// Returns the items that reach the sink: the last of each batch.
fn expected(items: u32, window: usize) -> Vec<u32> {
    let all: Vec<_> = (0..items).collect();
    all.chunks(window)
        .filter_map(|batch| batch.last().copied())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 500,
        ..ProptestConfig::default()
    })]

    #[test]
    fn first_error_is_returned_and_everything_dropped(
        items in 0..60_u32,
        failures in prop::collection::vec((failure_point(), 0..60_u32), 0..4),
        delay in 0..4_u32,
        seed in any::<u32>(),
        high in 1..5_usize,
        window in 1..5_usize,
    ) {
        let script = Arc::new(Script {
            items,
            failures,
            delay,
            observed: Mutex::default(),
            draws: Mutex::new(seed),
        });
        let (run, branch) = run(&script, high, window);
        let result = block_on(run);
        // The branch may still hold clones of the last items.
        let branch: Result<Vec<_>, _> = block_on(branch.try_collect());
        prop_assert_eq!(branch.is_ok(), result.is_ok() || script.observed.lock().unwrap().failures.iter().any(|failure| failure.0 == FailurePoint::Close));
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "a part of the run was not dropped");

        let observed = script.observed.lock().unwrap();
        let expected = expected(items, window);
        match result {
            Ok(report) => {
                prop_assert!(observed.is_closed);
                prop_assert!(observed.failures.is_empty());
                prop_assert_eq!(&observed.written, &expected);
                let written = report.stage("sink").unwrap().output.items;
                prop_assert_eq!(written, observed.written.len() as u64);
                prop_assert!(report.stage("first").unwrap().peak <= (high + 1) * 10);
                prop_assert!(report.stage("job").unwrap().peak <= window * 10);
            }
            Err(error) => {
                prop_assert!(!observed.is_closed);
                prop_assert!(expected.starts_with(&observed.written));
                let injected = error.source().unwrap().downcast_ref::<InjectedFailure>();
                let injected = injected.expect("the cause and not a consequence");
                prop_assert_eq!(error.stage(), Some(injected.0.stage()));
                if injected.0 == FailurePoint::Job {
                    prop_assert!(observed.failures.is_empty(), "the job failed first");
                } else {
                    let at_the_end = (injected.0, observed.polls, observed.written.len());
                    prop_assert_eq!(&observed.failures, &[at_the_end], "the run continued after the failure");
                }
            }
        }
    }

    #[test]
    fn cancelled_run_drops_everything(
        steps in 0..30_usize,
        delay in 0..4_u32,
        seed in any::<u32>(),
        high in 1..5_usize,
        window in 1..5_usize,
        drops in any::<bool>(),
    ) {
        let script = Arc::new(Script {
            items: 1000,
            failures: Vec::new(),
            delay,
            observed: Mutex::default(),
            draws: Mutex::new(seed),
        });
        let (mut run, branch) = run(&script, high, window);
        let waker = noop_waker();
        let mut is_over = false;
        for _ in 0..steps {
            is_over = is_over || run.poll_unpin(&mut Context::from_waker(&waker)).is_ready();
        }
        let polls = script.observed.lock().unwrap().polls;
        if drops {
            drop(run);
        } else if !is_over {
            run.cancel_handle().cancel();
            prop_assert!(block_on(&mut run).unwrap_err().is_cancelled());
        }
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "a part of the run was not dropped");
        let observed = script.observed.lock().unwrap();
        prop_assert_eq!(observed.polls, polls);
        prop_assert_eq!(observed.is_closed, is_over);
    }
}
