//! Whatever fails, wherever and whenever: the first error is answered, with its
//! stage, and nothing of the run goes on or is left.

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

/// Where a run can fail. Each is the name of a stage, except for the last two.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Source,
    Before,
    Job,
    After,
    Ready,
    Send,
    Close,
}

impl Place {
    fn stage(self) -> &'static str {
        match self {
            Place::Source => "source",
            Place::Before => "before",
            Place::Job => "job",
            Place::After => "after",
            Place::Ready | Place::Send | Place::Close => "sink",
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Source),
        Just(Place::Before),
        Just(Place::Job),
        Just(Place::After),
        Just(Place::Ready),
        Just(Place::Send),
        Just(Place::Close),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("told to fail at {0:?}")]
struct Told(Place);

/// What is seen of a run from outside.
#[derive(Default)]
struct Seen {
    polls: usize,
    written: Vec<u32>,
    is_closed: bool,
    /// The failures, and what there was of polls and writes then.
    failures: Vec<(Place, usize, usize)>,
}

/// How the run is to go; held by each of its parts and items, and so the proof
/// that they are gone.
struct Script {
    items: u32,
    failures: Vec<(Place, u32)>,
    /// In how many of four cases a part is not ready.
    delay: u32,
    seen: Mutex<Seen>,
    draws: Mutex<u32>,
}

impl Script {
    fn fail(&self, place: Place, item: u32) -> Result<(), Told> {
        if !self.failures.contains(&(place, item)) {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap();
        let failure = (place, seen.polls, seen.written.len());
        seen.failures.push(failure);
        Err(Told(place))
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
    type Item = Result<Item, Told>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.seen.lock().unwrap().polls += 1;
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        if self.1 == self.0.items {
            return Poll::Ready(None);
        }
        let number = self.1;
        self.1 += 1;
        let failed = self.0.fail(Place::Source, number);
        Poll::Ready(Some(failed.map(|()| Item {
            number,
            _live: Arc::clone(&self.0),
        })))
    }
}

struct Destination(Arc<Script>, u32);

impl Sink<Item> for Destination {
    type Error = Told;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Told>> {
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        Poll::Ready(self.0.fail(Place::Ready, self.1))
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), Told> {
        self.0.fail(Place::Send, item.number)?;
        self.1 += 1;
        self.0.seen.lock().unwrap().written.push(item.number);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Told>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Told>> {
        if !self.0.is_ready(context) {
            return Poll::Pending;
        }
        // It is closed once.
        self.0.fail(Place::Close, 0)?;
        self.0.seen.lock().unwrap().is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// Every kind of stage, each with a hold on the script.
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
            before.fail(Place::Before, item.number).map(|()| item)
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
                // Its turn may come later, so it is not among those seen.
                if script.failures.contains(&(Place::Job, item.number)) {
                    return Err(Told(Place::Job));
                }
                Ok(item)
            }
        })
        .buffer("second", Bound::items(high).unwrap())
        .batch("batch", window)
        .map("last", |mut batch: Vec<Item>| batch.pop())
        .filter_map("some", |item| item)
        .try_map("after", move |item: Item| {
            after.fail(Place::After, item.number).map(|()| item)
        })
        .tee("tee", Bound::items(high).unwrap(), Overflow::DropOldest);
    (
        pipeline.into_sink("sink", Destination(script.clone(), 0)),
        branch,
    )
}

/// The items that come through: the last of each batch.
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
    fn the_first_error_is_answered_and_nothing_is_left(
        items in 0..60_u32,
        failures in prop::collection::vec((place(), 0..60_u32), 0..4),
        delay in 0..4_u32,
        seed in any::<u32>(),
        high in 1..5_usize,
        window in 1..5_usize,
    ) {
        let script = Arc::new(Script {
            items,
            failures,
            delay,
            seen: Mutex::default(),
            draws: Mutex::new(seed),
        });
        let (run, branch) = run(&script, high, window);
        let result = block_on(run);
        // A clone of its last items may be with the branch.
        let branch: Result<Vec<_>, _> = block_on(branch.try_collect());
        prop_assert_eq!(branch.is_ok(), result.is_ok() || script.seen.lock().unwrap().failures.iter().any(|failure| failure.0 == Place::Close));
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "something is left");

        let seen = script.seen.lock().unwrap();
        let expected = expected(items, window);
        match result {
            Ok(report) => {
                prop_assert!(seen.is_closed);
                prop_assert!(seen.failures.is_empty());
                prop_assert_eq!(&seen.written, &expected);
                let written = report.stage("sink").unwrap().output.items;
                prop_assert_eq!(written, seen.written.len() as u64);
                prop_assert!(report.stage("first").unwrap().peak <= (high + 1) * 10);
                prop_assert!(report.stage("job").unwrap().peak <= window * 10);
            }
            Err(error) => {
                prop_assert!(!seen.is_closed);
                prop_assert!(expected.starts_with(&seen.written));
                let told = error.source().unwrap().downcast_ref::<Told>();
                let told = told.expect("the cause, not what follows from it");
                prop_assert_eq!(error.stage(), Some(told.0.stage()));
                if told.0 == Place::Job {
                    prop_assert!(seen.failures.is_empty(), "that one was first");
                } else {
                    let at_the_end = (told.0, seen.polls, seen.written.len());
                    prop_assert_eq!(&seen.failures, &[at_the_end], "it went on");
                }
            }
        }
    }

    #[test]
    fn nothing_is_left_of_a_run_that_is_given_up(
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
            seen: Mutex::default(),
            draws: Mutex::new(seed),
        });
        let (mut run, branch) = run(&script, high, window);
        let waker = noop_waker();
        let mut is_over = false;
        for _ in 0..steps {
            is_over = is_over || run.poll_unpin(&mut Context::from_waker(&waker)).is_ready();
        }
        let polls = script.seen.lock().unwrap().polls;
        if drops {
            drop(run);
        } else if !is_over {
            run.cancel_handle().cancel();
            prop_assert!(block_on(&mut run).unwrap_err().is_cancelled());
        }
        drop(branch);
        prop_assert_eq!(Arc::strong_count(&script), 1, "something is left");
        let seen = script.seen.lock().unwrap();
        prop_assert_eq!(seen.polls, polls);
        prop_assert_eq!(seen.is_closed, is_over);
    }
}
