//! Pipeline runs: completion, failure, cancellation and `Send`.

use crate::collect_sink::{CollectSink, poll};
use futures::{
    StreamExt,
    executor::block_on,
    future,
    io::{AllowStdIo, Cursor},
    sink, stream,
};
use highwater::stream::{Bound, CancelHandle, Overflow, Pipeline, channel};
use std::{
    convert::Infallible,
    error::Error,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A writer that fails after some writes, or on flush and close.
struct FailingWriter {
    writes_left: usize,
    fails_on_flush: bool,
}

impl io::Write for FailingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes_left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.writes_left -= 1;
        Ok(bytes.len().div_ceil(2))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.fails_on_flush {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn on_abort_runs_only_for_an_unfinished_run() {
    for polls in [0, 1] {
        let abort_count = Arc::new(AtomicUsize::new(0));
        let run = |items: usize| {
            let abort_count = Arc::clone(&abort_count);
            let source = stream::iter(vec![1_u8; items]).chain(stream::pending());
            Pipeline::from_stream("source", source.take(5))
                .buffer("buffer", Bound::items(2).unwrap())
                .into_sink("collected", CollectSink::default())
                .on_abort(move || {
                    abort_count.fetch_add(1, Ordering::Relaxed);
                })
        };
        let mut unfinished_run = run(3);
        for _ in 0..polls {
            assert!(poll(&mut unfinished_run).is_pending());
        }
        drop(unfinished_run);
        assert_eq!(abort_count.load(Ordering::Relaxed), 1);
        block_on(run(5)).unwrap();
        assert_eq!(
            abort_count.load(Ordering::Relaxed),
            1,
            "a successful run does not call `on_abort`"
        );
    }
}

#[test]
fn writer_failure_reports_the_writer_stage() {
    for (writes_left, fails_on_flush) in [(0, false), (3, false), (usize::MAX, true)] {
        let writer = AllowStdIo::new(FailingWriter {
            writes_left,
            fails_on_flush,
        });
        let run = Pipeline::from_reader("input", Cursor::new([7; 100]), 10)
            .buffer("buffer", Bound::bytes(20).unwrap())
            .into_writer("disk", writer);
        let error = block_on(run).unwrap_err();
        assert_eq!(error.stage(), Some("disk"));
        let source = error.source().unwrap().downcast_ref::<io::Error>();
        assert_eq!(source.unwrap().kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn failed_source_channel_fails_the_run() {
    let (sender, receiver) = channel(Bound::items(8).unwrap(), Overflow::Wait);
    sender.try_send(1_u32).unwrap();
    sender.fail("interrupted");
    let collected = CollectSink::slow();
    let run =
        Pipeline::from_try_stream("channel", receiver).into_sink("collected", collected.clone());
    let error = block_on(run).unwrap_err();
    assert_eq!(error.stage(), Some("channel"));
    assert_eq!(
        collected.items(),
        [1],
        "items before the failure are written"
    );
    assert!(!collected.is_closed());
}

#[test]
fn run_is_send_if_its_parts_are() {
    fn check_send<T: Send + 'static>(run: T) -> T {
        run
    }
    let (pipeline, _branch) = Pipeline::from_reader("input", Cursor::new("text"), 2)
        .map("map", |chunk| chunk)
        .buffer("buffer", Bound::bytes(4).unwrap())
        .chunks("chunks", 3)
        .parallel_map("parallel", 2, future::ok::<_, Infallible>)
        .throttle("pace", Duration::ZERO, |_| future::ready(()))
        .tee("tee", Bound::items(1).unwrap(), Overflow::DropOldest);
    let run = check_send(pipeline.into_sink("drain", sink::drain()));
    assert!(format!("{run:?}").contains("is_over: false"));
    block_on(run).unwrap();

    // Parts that are not `Send` are allowed on a single thread.
    let local_sum = std::rc::Rc::new(std::cell::Cell::new(0_u32));
    let run = Pipeline::from_stream("numbers", stream::iter(0..5_u32))
        .map("sum", |n| local_sum.set(local_sum.get() + n))
        .into_sink("drain", sink::drain());
    block_on(run).unwrap();
    assert_eq!(local_sum.get(), 10);
}

#[test]
fn stage_with_many_outputs_can_be_cancelled() {
    let collected = CollectSink::default();
    let collected_so_far = collected.clone();
    let cancel = Arc::new(OnceLock::<CancelHandle>::new());
    let handle = Arc::clone(&cancel);
    let run = Pipeline::from_stream("source", stream::iter([vec![b'\n'; 10_000]]))
        .lines("lines", 10)
        .map("cancel", move |line| {
            if collected_so_far.items().len() == 100 {
                handle.get().unwrap().cancel();
            }
            line
        })
        .into_sink("collected", collected.clone());
    assert!(cancel.set(run.cancel_handle()).is_ok());
    assert!(block_on(run).unwrap_err().is_cancelled());
    let written = collected.items().len();
    assert!(
        written < 2000,
        "{written} items written before the run was cancelled"
    );
}
