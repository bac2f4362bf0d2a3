//! Pipelines: stage output and memory use.

use crate::collect_sink::{CollectSink, poll};
use futures::{
    FutureExt, StreamExt, TryStreamExt, channel::oneshot, executor::block_on, future, io::Cursor,
    stream,
};
use highwater::{
    Clock,
    stream::{Bound, InvalidBound, LineTooLong, Overflow, Pipeline, StreamError, Weigh, channel},
};
use std::{
    convert::Infallible,
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn stages_transform_items() {
    let collected = CollectSink::default();
    let run = Pipeline::from_stream("numbers", stream::iter(0..10_u32))
        .map("double", |n| n * 2)
        .filter_map("no tens", |n| (n % 10 != 0).then_some(n))
        .try_map("bytes", u8::try_from)
        .batch("pairs", 3)
        .into_sink("collected", collected.clone());
    let report = block_on(run).unwrap();
    assert_eq!(
        collected.items(),
        [vec![2, 4, 6], vec![8, 12, 14], vec![16, 18]]
    );
    assert!(collected.is_closed());
    let names: Vec<_> = report.stages.iter().map(|stage| &*stage.name).collect();
    assert_eq!(
        names,
        [
            "numbers",
            "double",
            "no tens",
            "bytes",
            "pairs",
            "collected"
        ]
    );
    let filter = report.stage("no tens").unwrap();
    assert_eq!((filter.input.items, filter.output.items), (10, 8));
    assert_eq!((filter.input.weight, filter.peak), (40, 4));
    let pairs = report.stage("pairs").unwrap();
    assert_eq!(
        (pairs.input.items, pairs.output.items, pairs.peak),
        (8, 3, 3)
    );
    assert_eq!(pairs.stalled, None, "no stalled time without a clock");
    assert!(report.stage("none").is_none());
}

#[test]
fn chunks_and_lines_ignore_input_boundaries() {
    let text = "one\r\ntwo\n\nfour\rand\n\r\nlast";
    for size in 1..30 {
        let (chunks, lines) = (CollectSink::default(), CollectSink::default());
        let source = || Pipeline::from_reader("text", Cursor::new(text), size);
        block_on(
            source()
                .chunks("chunks", 4)
                .into_sink("collected", chunks.clone()),
        )
        .unwrap();
        let chunks = chunks.items();
        assert!(
            chunks[..chunks.len() - 1]
                .iter()
                .all(|chunk| chunk.len() == 4)
        );
        assert_eq!(chunks.concat(), text.as_bytes());
        block_on(
            source()
                .lines("lines", 8)
                .into_sink("collected", lines.clone()),
        )
        .unwrap();
        let expected = ["one", "two", "", "four\rand", "", "last"];
        assert_eq!(lines.items(), expected.map(|line| line.as_bytes().to_vec()));

        let run = source()
            .lines("lines", 7)
            .into_sink("collected", CollectSink::default());
        let error = block_on(run).unwrap_err();
        assert_eq!(error.stage(), Some("lines"));
        let source = error.source().unwrap().downcast_ref();
        assert_eq!(source, Some(&LineTooLong { max_len: 7 }));
    }
}

#[test]
fn endless_line_fails_in_bounded_memory() {
    let run = Pipeline::from_stream("zeros", stream::repeat(vec![0_u8; 1000]))
        .lines("lines", 10_000)
        .into_sink("collected", CollectSink::default());
    let monitor = run.monitor();
    assert_eq!(block_on(run).unwrap_err().stage(), Some("lines"));
    assert!(monitor.report().stage("lines").unwrap().peak <= 11_000);
}

#[test]
fn endless_line_fails_with_small_reads() {
    for size in 1..5 {
        let run = Pipeline::from_reader("zeros", Cursor::new(vec![b'0'; 1000]), size)
            .lines("lines", 10)
            .into_sink("collected", CollectSink::default());
        let monitor = run.monitor();
        assert_eq!(block_on(run).unwrap_err().stage(), Some("lines"));
        let peak = monitor.report().stage("lines").unwrap().peak;
        assert!(
            peak <= 11 + size,
            "peak of {peak} bytes with reads of {size} bytes"
        );
    }
}

#[test]
fn empty_items_count_towards_a_byte_bound() {
    let mut run = Pipeline::from_reader("newlines", Cursor::new(vec![b'\n'; 10_000]), 1000)
        .lines("lines", 10)
        .buffer("ahead", Bound::bytes(100).unwrap())
        .parallel_map("never", 1, |_| future::pending::<Result<(), Infallible>>())
        .into_sink("collected", CollectSink::default());
    let monitor = run.monitor();
    for _ in 0..200 {
        assert!(poll(&mut run).is_pending());
    }
    let input = monitor.report().stage("ahead").unwrap().input.items;
    assert!(input <= 101, "{input} lines");
}

#[test]
fn huge_weights_do_not_overflow() {
    #[derive(Clone)]
    struct Heavy;
    impl Weigh for Heavy {
        fn weight(&self) -> usize {
            usize::MAX
        }
    }
    assert_eq!(vec![Heavy, Heavy].weight(), usize::MAX);
    assert_eq!((Heavy, Heavy).weight(), usize::MAX);
    let (pipeline, _branch) = Pipeline::from_stream("source", stream::iter(vec![Heavy; 9]))
        .buffer("ahead", Bound::bytes(10).unwrap())
        .parallel_map("parallel", 3, |item| async { Ok::<_, Infallible>(item) })
        .tee("tee", Bound::bytes(10).unwrap(), Overflow::DropOldest);
    let run = pipeline
        .batch("batch", 3)
        .into_sink("collected", CollectSink::default());
    let report = block_on(run).unwrap();
    assert_eq!(report.stage("collected").unwrap().output.items, 3);
    assert_eq!(report.peak(), usize::MAX);
}

#[test]
fn invalid_size_fails_without_polling_the_source() {
    let polls = Arc::new(AtomicUsize::new(0));
    let poll_counter = Arc::clone(&polls);
    let source = move || {
        let poll_counter = Arc::clone(&poll_counter);
        Pipeline::from_stream(
            "source",
            stream::repeat_with(move || {
                poll_counter.fetch_add(1, Ordering::Relaxed);
                vec![1_u8]
            }),
        )
    };
    let start = |item| future::ok::<_, Infallible>(item);
    let errors = [
        block_on(
            source()
                .chunks("zero", 0)
                .into_sink("collected", CollectSink::default()),
        ),
        block_on(
            source()
                .lines("zero", 0)
                .into_sink("collected", CollectSink::default()),
        ),
        block_on(
            source()
                .batch("zero", 0)
                .into_sink("collected", CollectSink::default()),
        ),
        block_on(
            source()
                .parallel_map("zero", 0, start)
                .into_sink("collected", CollectSink::default()),
        ),
        block_on(
            Pipeline::from_reader("zero", Cursor::new("text"), 0)
                .into_sink("collected", CollectSink::default()),
        ),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "zero failed");
        let source = error.source().unwrap().downcast_ref();
        assert_eq!(source, Some(&InvalidBound::Zero));
    }
    assert_eq!(polls.load(Ordering::Relaxed), 0);

    let run = Pipeline::from_reader("absurd", Cursor::new("text"), usize::MAX)
        .into_sink("collected", CollectSink::default());
    assert_eq!(block_on(run).unwrap_err().stage(), Some("absurd"));
}

#[test]
fn source_waits_for_the_destination() {
    let (sender, mut receiver) = channel(Bound::items(2).unwrap(), Overflow::Wait);
    let mut run = Pipeline::from_stream("numbers", stream::iter(0..100_u32))
        .map("map", |n| n)
        .into_sink("channel", sender.into_sink());
    let monitor = run.monitor();
    assert!(poll(&mut run).is_pending());
    let read = monitor.report().stage("numbers").unwrap().output.items;
    assert_eq!(read, 3, "two items in the channel and one in the sink");
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 0);
    assert!(poll(&mut run).is_pending());
    assert_eq!(monitor.report().stage("numbers").unwrap().output.items, 4);
    let rest = future::join(run, receiver.try_collect::<Vec<_>>());
    let (report, rest) = block_on(rest);
    assert_eq!(report.unwrap().stage("channel").unwrap().output.items, 100);
    assert!(rest.unwrap().into_iter().eq(1..100));
}

#[test]
fn peak_does_not_depend_on_the_item_count() {
    let peaks = |count: usize| {
        let chunk = 1000;
        let collected = CollectSink::slow();
        let live_bytes = Arc::new(AtomicUsize::new(0));
        let peak_bytes = Arc::new(AtomicUsize::new(0));
        let source = {
            let (live_bytes, peak_bytes) = (Arc::clone(&live_bytes), Arc::clone(&peak_bytes));
            stream::repeat_with(move || {
                peak_bytes.fetch_max(
                    live_bytes.fetch_add(chunk, Ordering::Relaxed) + chunk,
                    Ordering::Relaxed,
                );
                vec![b'a'; chunk]
            })
        };
        let live_in_sink = Arc::clone(&live_bytes);
        let run = Pipeline::from_stream("source", source.take(count))
            .buffer("first", Bound::bytes(3000).unwrap())
            .map("map", |chunk| chunk)
            .parallel_map("parallel", 4, |chunk| async { Ok::<_, Infallible>(chunk) })
            .buffer("second", Bound::items(5).unwrap())
            .map("count", move |chunk: Vec<u8>| {
                live_in_sink.fetch_sub(chunk.len(), Ordering::Relaxed);
            })
            .into_sink("collected", collected);
        let report = block_on(run).unwrap();
        assert_eq!(
            report.stage("collected").unwrap().output.items,
            count as u64
        );
        assert!(report.stage("first").unwrap().peak <= 3000 + chunk);
        assert!(report.stage("parallel").unwrap().peak <= 4 * chunk);
        assert!(report.stage("second").unwrap().peak <= (5 + 1) * chunk);
        // The bounds, plus one item in flight per stage.
        let peak_bytes = peak_bytes.load(Ordering::Relaxed);
        assert!(
            peak_bytes <= 3000 + 4 * chunk + 5 * chunk + 6 * chunk,
            "{peak_bytes}"
        );
        assert!(peak_bytes <= report.peak());
        (peak_bytes, report.peak())
    };
    assert_eq!(peaks(100), peaks(10_000));
}

#[test]
fn buffer_fills_while_later_stages_wait() {
    let (release, released) = oneshot::channel::<()>();
    let mut released = Some(released);
    let collected = CollectSink::default();
    let mut run = Pipeline::from_stream("numbers", stream::iter(0..50_u32))
        .buffer("ahead", Bound::items(10).unwrap())
        .parallel_map("wait", 1, move |n| {
            let released = released.take();
            async move {
                if let Some(released) = released {
                    released.await.unwrap();
                }
                Ok::<_, Infallible>(n)
            }
        })
        .into_sink("collected", collected.clone());
    let monitor = run.monitor();
    assert!(poll(&mut run).is_pending());
    assert!(poll(&mut run).is_pending());
    let buffer_report = monitor.report();
    let buffer_report = buffer_report.stage("ahead").unwrap();
    assert_eq!(
        (
            buffer_report.input.items - buffer_report.output.items,
            collected.items().len()
        ),
        (9, 0)
    );
    release.send(()).unwrap();
    block_on(run).unwrap();
    assert!(collected.items().into_iter().eq(0..50));
}

#[test]
fn tee_applies_its_policy_to_a_slow_branch() {
    let run = |overflow| {
        let collected = CollectSink::default();
        let (pipeline, branch) = Pipeline::from_stream("numbers", stream::iter(0..10_u32)).tee(
            "tee",
            Bound::items(3).unwrap(),
            overflow,
        );
        (
            pipeline.into_sink("collected", collected.clone()),
            branch,
            collected,
        )
    };
    for (overflow, expected) in [
        (Overflow::DropNewest, &[0, 1, 2][..]),
        (Overflow::DropOldest, &[7, 8, 9]),
        (Overflow::Latest, &[9]),
    ] {
        let (run, branch, collected) = run(overflow);
        let report = block_on(run).unwrap();
        assert_eq!(collected.items().len(), 10);
        let branch: Vec<_> = block_on(branch.try_collect()).unwrap();
        assert_eq!(branch, expected, "{overflow:?}");
        let dropped = report.stage("tee").unwrap().dropped.items;
        assert_eq!(dropped, 10 - expected.len() as u64);
    }

    let (waiting_run, branch, collected) = run(Overflow::Wait);
    let (report, branch) = block_on(future::join(waiting_run, branch.try_collect::<Vec<_>>()));
    report.unwrap();
    assert_eq!(branch.unwrap(), collected.items());

    let (mut waiting_run, branch, collected) = run(Overflow::Wait);
    assert!(poll(&mut waiting_run).is_pending());
    assert_eq!(
        collected.items(),
        [0, 1, 2, 3],
        "the branch holds its bound plus one item"
    );
    drop(branch);
    block_on(waiting_run).unwrap();
    assert_eq!(
        collected.items().len(),
        10,
        "a dropped branch does not stop the run"
    );

    let (failing_run, mut branch, collected) = run(Overflow::Fail);
    assert_eq!(block_on(failing_run).unwrap_err().stage(), Some("tee"));
    assert_eq!(collected.items(), [0, 1, 2]);
    assert_eq!(
        block_on(branch.by_ref().take(3).try_collect::<Vec<_>>()).unwrap(),
        [0, 1, 2]
    );
    let end = block_on(branch.next()).unwrap().unwrap_err();
    assert!(
        matches!(end, StreamError::Failed(_)),
        "the branch fails with the run"
    );
}

/// Returns a clock that advances by a millisecond on every read.
fn ticking_clock() -> impl Clock {
    let ticks = AtomicU64::new(0);
    move || Duration::from_millis(ticks.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn report_contains_stalled_time() {
    let collected = CollectSink::slow();
    let run = Pipeline::from_stream("numbers", stream::iter(0..9_u32))
        .clock(Arc::new(ticking_clock()))
        .map("map", |n| n)
        .into_sink("collected", collected);
    let report = block_on(run).unwrap();
    let stalled = |name| report.stage(name).unwrap().stalled;
    assert_eq!(
        stalled("numbers"),
        None,
        "the stage was added before the clock"
    );
    assert_eq!(stalled("map"), Some(Duration::ZERO));
    // Pending ten times: once per item, and once before closing.
    assert_eq!(stalled("collected"), Some(Duration::from_millis(10)));
}

#[test]
fn throttle_sleeps_between_items() {
    let sleeps = Arc::new(Mutex::new(Vec::new()));
    let collected = CollectSink::default();
    let started_sleeps = Arc::clone(&sleeps);
    let mut run = Pipeline::from_stream("numbers", stream::iter(0..4_u32))
        .throttle("pace", Duration::from_millis(20), move |pause| {
            let (wake, sleep) = oneshot::channel();
            started_sleeps.lock().unwrap().push((pause, wake));
            sleep.map(|_| ())
        })
        .into_sink("collected", collected.clone());
    for passed in 1..=4 {
        assert!(poll(&mut run).is_pending());
        assert!(poll(&mut run).is_pending(), "the stage is still sleeping");
        assert_eq!(collected.items().len(), passed);
        let (pause, wake) = sleeps.lock().unwrap().pop().unwrap();
        assert_eq!(pause, Duration::from_millis(20));
        wake.send(()).unwrap();
    }
    block_on(run).unwrap();
}
