//! Pipelines: failures during waits, and pipelines as streams.

use crate::{
    collect_sink::{CollectSink, poll},
    support::WakeCounter,
};
use futures::{
    FutureExt, Sink, SinkExt, StreamExt, TryStreamExt, channel::oneshot, executor::block_on,
    future, sink, stream, stream::FusedStream, task::waker,
};
use highwater::stream::{Bound, InvalidBound, Overflow, Pipeline, PipelineRun, channel};
use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A destination that is never ready. It holds a reference until dropped.
struct NeverReady(#[expect(dead_code, reason = "only its reference count is read")] Arc<()>);

impl<T> Sink<T> for NeverReady {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, _: T) -> Result<(), Infallible> {
        unreachable!("the sink is never ready")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }
}

#[test]
fn source_failure_ends_a_stalled_run() {
    let token = Arc::new(());
    for with_stages in [false, true] {
        let (fail, failed) = oneshot::channel::<()>();
        let (destination, source) = (NeverReady(Arc::clone(&token)), Arc::clone(&token));
        let source = failed.into_stream().map(move |received| {
            let _ = &source;
            received.map(|()| 0_u32)
        });
        let source = Pipeline::from_try_stream("source", source);
        let mut run: Pin<Box<dyn Future<Output = _>>> = if with_stages {
            let stages = source.map("map", |n| n).batch("batch", 2);
            Box::pin(stages.into_sink("never", destination))
        } else {
            Box::pin(source.into_sink("never", destination))
        };
        let woken = Arc::new(WakeCounter::default());
        let waker = waker(Arc::clone(&woken));
        assert!(
            run.poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(fail);
        assert_eq!(woken.count(), 1);
        let error = run.as_mut().now_or_never().unwrap().unwrap_err();
        assert_eq!(error.stage(), Some("source"));
        assert!(error.source().unwrap().is::<oneshot::Canceled>());
        assert_eq!(
            Arc::strong_count(&token),
            1,
            "all parts of the pipeline are dropped"
        );
    }
}

#[test]
fn source_failure_after_writes_ends_the_run() {
    for written in 1..=4_u32 {
        let (sender, mut receiver) = channel(Bound::items(3).unwrap(), Overflow::Wait);
        let items = stream::iter((1..=written).map(Ok)).chain(stream::iter([Err("source broke")]));
        let run = Pipeline::from_try_stream("source", items).into_sink("full", sender.into_sink());
        // Three items fit into the channel, and the sink holds the fourth.
        let error = run.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.stage(), Some("source"), "{written}");
        for item in 1..=written.min(3) {
            assert_eq!(receiver.try_recv().unwrap(), item);
        }
        let end = receiver.next().now_or_never().unwrap().unwrap();
        assert!(
            end.unwrap_err().is_failed(),
            "the destination channel fails"
        );
    }
}

#[test]
fn aborted_source_channel_ends_the_run() {
    let (sender, receiver) = channel::<u32>(Bound::items(3).unwrap(), Overflow::Wait);
    sender.try_send(1).unwrap();
    let (to, destination) = channel(Bound::items(1).unwrap(), Overflow::Wait);
    to.try_send(0).unwrap();
    let mut run = Pipeline::from_try_stream("channel", receiver)
        .map("map", |n| n)
        .into_sink("full", to.clone().into_sink());
    assert!(poll(&mut run).is_pending(), "the run waits for the sink");
    sender.abort();
    let error = run.now_or_never().map(Result::unwrap_err);
    assert_eq!(error.unwrap().stage(), Some("channel"));
    drop(destination);
}

#[test]
fn stalled_run_reads_at_most_one_item() {
    let polls = std::cell::Cell::new(0);
    let source = stream::repeat_with(|| polls.set(polls.get() + 1));
    let mut run = Pipeline::from_stream("source", source)
        .map("map", |()| 1_u8)
        .into_sink("never", NeverReady(Arc::default()));
    let monitor = run.monitor();
    for _ in 0..5 {
        assert!(poll(&mut run).is_pending());
    }
    drop(run);
    assert_eq!(polls.get(), 1);
    let source = monitor.report();
    assert_eq!(source.stage("source").unwrap().output.items, 0);
}

#[test]
fn closed_destination_ends_an_idle_run() {
    for sent in 0..3 {
        let (sender, receiver) = channel(Bound::items(9).unwrap(), Overflow::Wait);
        let source = stream::iter(0..sent).chain(stream::pending());
        let mut run = Pipeline::from_stream("source", source)
            .map("map", |n: u32| n)
            .into_sink("channel", sender.into_sink());
        let woken = Arc::new(WakeCounter::default());
        let waker = waker(Arc::clone(&woken));
        assert!(
            run.poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(receiver);
        assert_eq!(woken.count(), 1, "after {sent}");
        let error = run.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.stage(), Some("channel"));
    }
}

#[test]
fn stage_failure_ends_the_run() {
    let collected = CollectSink::default();
    let source = stream::iter([1_u32, 2, 0]).chain(stream::pending());
    let run = Pipeline::from_stream("source", source)
        .try_map("positive", |n| if n > 0 { Ok(n) } else { Err("zero") })
        .into_sink("collected", collected.clone());
    let error = run.now_or_never().unwrap().unwrap_err();
    assert_eq!(error.stage(), Some("positive"));
    assert_eq!(
        (collected.items(), collected.is_closed()),
        (vec![1, 2], false)
    );
}

#[test]
fn completed_run_panics_when_polled() {
    use futures::future::FusedFuture;
    let mut run: PipelineRun<_> =
        Pipeline::from_stream("none", stream::empty::<u8>()).into_sink("drain", sink::drain());
    assert!(!run.is_terminated());
    block_on(&mut run).unwrap();
    assert!(run.is_terminated());
    let second_poll = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut run)));
    assert!(second_poll.is_err());
}

#[test]
fn pipeline_stream_is_lazy() {
    let polls = std::cell::Cell::new(0_u32);
    let source = stream::repeat_with(|| {
        polls.set(polls.get() + 1);
        polls.get()
    });
    let items = Pipeline::from_stream("source", source.take(10))
        .parallel_map("double", 3, |n| future::ready(Ok::<_, Infallible>(n * 2)))
        .filter_map("no tens", |n| (n % 10 != 0).then_some(n))
        .buffer("ahead", Bound::items(2).unwrap())
        .into_stream();
    let monitor = items.monitor();
    assert_eq!(polls.get(), 0);
    let all: Vec<_> = block_on(items.try_collect()).unwrap();
    assert_eq!(all, [2, 4, 6, 8, 12, 14, 16, 18]);
    let report = monitor.report();
    assert_eq!(report.stages.len(), 4);
    assert_eq!(report.stage("ahead").unwrap().output.items, 8);
}

#[test]
fn pipeline_stream_ends_after_the_first_error() {
    for buffered in [false, true] {
        let token = Arc::new(());
        let stage_token = Arc::clone(&token);
        let pipeline =
            Pipeline::from_stream("source", stream::iter(0..100_u8)).try_map("few", move |n| {
                let _ = &stage_token;
                if n < 3 { Ok(n) } else { Err("too many") }
            });
        let mut items: Pin<Box<dyn FusedStream<Item = _>>> = if buffered {
            let buffered = pipeline.buffer("ahead", Bound::items(1).unwrap());
            Box::pin(buffered.into_stream())
        } else {
            Box::pin(pipeline.into_stream())
        };
        let mut received = 0;
        let error = loop {
            match block_on(items.next()).unwrap() {
                Ok(item) => assert_eq!(item, received),
                Err(error) => break error,
            }
            received += 1;
        };
        assert_eq!(error.stage(), Some("few"));
        // The error drops the buffered items.
        assert!(received == 3 || buffered);
        assert_eq!(
            Arc::strong_count(&token),
            1,
            "all parts of the pipeline are dropped"
        );
        assert!(items.is_terminated());
        assert!(block_on(items.next()).is_none());
    }
}

#[test]
fn dropping_a_pipeline_stream_cancels_it() {
    let token = Arc::new(());
    let stage_token = Arc::clone(&token);
    let mut items = Pipeline::from_stream("source", stream::repeat(1_u8))
        .map("map", move |n| {
            let _ = &stage_token;
            n
        })
        .buffer("ahead", Bound::items(4).unwrap())
        .into_stream();
    assert!(block_on(items.next()).unwrap().is_ok());
    drop(items);
    assert_eq!(Arc::strong_count(&token), 1);

    let mut items = Pipeline::from_stream("source", stream::iter([1_u8]))
        .batch("none", 0)
        .into_stream();
    let error = block_on(items.next()).unwrap().unwrap_err();
    let source = error.source().unwrap().downcast_ref();
    assert_eq!(source, Some(&InvalidBound::Zero));
    assert!(block_on(items.next()).is_none());
}

#[test]
fn pipeline_stream_feeds_another_pipeline() {
    fn assert_send<T: Send>(items: T) -> T {
        items
    }
    let first = Pipeline::from_stream("numbers", stream::iter(0..10_u32));
    let first = assert_send(first.map("double", |n| n * 2).into_stream());
    let collected = CollectSink::default();
    let run = Pipeline::from_try_stream("first", first).into_sink("collected", collected.clone());
    block_on(run).unwrap();
    assert!(collected.items().into_iter().eq((0..10).map(|n| n * 2)));

    let (mut sender, receiver) = futures::channel::mpsc::channel(1);
    let items = Pipeline::from_stream("channel", receiver).into_stream();
    let sent = async move {
        sender.send(1_u8).await.unwrap();
        sender.send(2).await.unwrap();
    };
    let (all, ()) = block_on(future::join(items.try_collect::<Vec<_>>(), sent));
    assert_eq!(all.unwrap(), [1, 2]);
}
