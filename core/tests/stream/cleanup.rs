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

/// A point at which a run can fail. All but the last three are named after their stage;
/// those three fail in the sink.
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

/// The observed behaviour of a run.
#[derive(Default)]
struct Observations {
    polls: usize,
    written: Vec<u32>,
    is_closed: bool,
    /// Failures, each with the number of polls and writes before it.
    failures: Vec<(FailurePoint, usize, usize)>,
}

/// The script of a run. Every part and item of the run holds a reference to it, so that
/// the reference count shows whether all of them were dropped.
struct Script {
    items: u32,
    failures: Vec<(FailurePoint, u32)>,
    /// Average number of polls in four that return `Pending`.
    pending_quarters: u32,
    observations: Mutex<Observations>,
    random_state: Mutex<u32>,
}

impl Script {
    fn fail(&self, point: FailurePoint, item: u32) -> Result<(), InjectedFailure> {
        if !self.failures.contains(&(point, item)) {
            return Ok(());
        }
        let mut observations = self.observations.lock().unwrap();
        let failure = (point, observations.polls, observations.written.len());
        observations.failures.push(failure);
        Err(InjectedFailure(point))
    }

    fn is_ready(&self, context: &mut Context<'_>) -> bool {
        let mut random_state = self.random_state.lock().unwrap();
        *random_state = random_state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let is_ready = *random_state >> 30 >= self.pending_quarters;
        if !is_ready {
            context.waker().wake_by_ref();
        }
        is_ready
    }
}

#[derive(Clone)]
struct Item {
    number: u32,
    _script: Arc<Script>,
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
        self.0.observations.lock().unwrap().polls += 1;
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
            _script: Arc::clone(&self.0),
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
        self.0
            .observations
            .lock()
            .unwrap()
            .written
            .push(item.number);
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
        self.0.observations.lock().unwrap().is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// Builds a run with every kind of stage, each with a reference to the script.
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
                // Not recorded: an earlier item may fail the run first.
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

/// Returns the items that reach the sink: the last one of each batch.
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
    fn first_error_is_returned_after_dropping_all_parts(
        items in 0..60_u32,
        failures in prop::collection::vec((failure_point(), 0..60_u32), 0..4),
        pending_quarters in 0..4_u32,
        seed in any::<u32>(),
        high in 1..5_usize,
        window in 1..5_usize,
    ) {
        let script = Arc::new(Script {
            items,
            failures,
            pending_quarters,
            observations: Mutex::default(),
            random_state: Mutex::new(seed),
        });
        let (run, branch) = run(&script, high, window);
        let result = block_on(run);
        // The branch may still hold clones of the last items.
        let branch: Result<Vec<_>, _> = block_on(branch.try_collect());
        prop_assert_eq!(branch.is_ok(), result.is_ok() || script.observations.lock().unwrap().failures.iter().any(|failure| failure.0 == FailurePoint::Close));
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "a part of the run was not dropped");

        let observations = script.observations.lock().unwrap();
        let expected = expected(items, window);
        match result {
            Ok(report) => {
                prop_assert!(observations.is_closed);
                prop_assert!(observations.failures.is_empty());
                prop_assert_eq!(&observations.written, &expected);
                let written = report.stage("sink").unwrap().output.items;
                prop_assert_eq!(written, observations.written.len() as u64);
                prop_assert!(report.stage("first").unwrap().peak <= (high + 1) * 10);
                prop_assert!(report.stage("job").unwrap().peak <= window * 10);
            }
            Err(error) => {
                prop_assert!(!observations.is_closed);
                prop_assert!(expected.starts_with(&observations.written));
                let injected = error.source().unwrap().downcast_ref::<InjectedFailure>();
                let injected = injected.expect("the error is the injected failure");
                prop_assert_eq!(error.stage(), Some(injected.0.stage()));
                if injected.0 == FailurePoint::Job {
                    prop_assert!(observations.failures.is_empty(), "no other failure precedes the job's");
                } else {
                    let first_failure = (injected.0, observations.polls, observations.written.len());
                    prop_assert_eq!(&observations.failures, &[first_failure], "the run continued after the failure");
                }
            }
        }
    }

    #[test]
    fn cancelled_run_drops_all_parts(
        poll_count in 0..30_usize,
        pending_quarters in 0..4_u32,
        seed in any::<u32>(),
        high in 1..5_usize,
        window in 1..5_usize,
        drops_run in any::<bool>(),
    ) {
        let script = Arc::new(Script {
            items: 1000,
            failures: Vec::new(),
            pending_quarters,
            observations: Mutex::default(),
            random_state: Mutex::new(seed),
        });
        let (mut run, branch) = run(&script, high, window);
        let waker = noop_waker();
        let mut has_completed = false;
        for _ in 0..poll_count {
            has_completed = has_completed || run.poll_unpin(&mut Context::from_waker(&waker)).is_ready();
        }
        let polls = script.observations.lock().unwrap().polls;
        if drops_run {
            drop(run);
        } else if !has_completed {
            run.cancel_handle().cancel();
            prop_assert!(block_on(&mut run).unwrap_err().is_cancelled());
        }
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "a part of the run was not dropped");
        let observations = script.observations.lock().unwrap();
        prop_assert_eq!(observations.polls, polls);
        prop_assert_eq!(observations.is_closed, has_completed);
    }
}
