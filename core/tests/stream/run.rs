//! Runs: how they end, and where they may go.

use crate::kept::{Kept, poll};
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

/// Fails at a certain write, or when it is flushed or closed.
struct Failing {
    writes_left: usize,
    is_full: bool,
}

impl io::Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes_left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.writes_left -= 1;
        Ok(bytes.len().div_ceil(2))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn what_is_half_written_is_discarded_when_the_run_is_dropped_and_only_then() {
    for polls in [0, 1] {
        let discarded = Arc::new(AtomicUsize::new(0));
        let run = |items: usize| {
            let discarded = Arc::clone(&discarded);
            let source = stream::iter(vec![1_u8; items]).chain(stream::pending());
            Pipeline::from_stream("source", source.take(5))
                .buffer("buffer", Bound::items(2).unwrap())
                .into_sink("kept", Kept::default())
                .on_abort(move || {
                    discarded.fetch_add(1, Ordering::Relaxed);
                })
        };
        let mut unfinished = run(3);
        for _ in 0..polls {
            assert!(poll(&mut unfinished).is_pending());
        }
        drop(unfinished);
        assert_eq!(discarded.load(Ordering::Relaxed), 1);
        block_on(run(5)).unwrap();
        assert_eq!(discarded.load(Ordering::Relaxed), 1, "nothing to discard");
    }
}

#[test]
fn a_writer_that_fails_names_itself_whenever_it_does() {
    for (writes_left, is_full) in [(0, false), (3, false), (usize::MAX, true)] {
        let writer = AllowStdIo::new(Failing {
            writes_left,
            is_full,
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
fn a_channel_that_fails_fails_the_run_it_is_the_source_of() {
    let (sender, receiver) = channel(Bound::items(8).unwrap(), Overflow::Wait);
    sender.try_send(1_u32).unwrap();
    sender.fail("half of it");
    let kept = Kept::slow();
    let run = Pipeline::from_try_stream("channel", receiver).into_sink("kept", kept.clone());
    let error = block_on(run).unwrap_err();
    assert_eq!(error.stage(), Some("channel"));
    assert_eq!(kept.items(), [1], "what was read before is written");
    assert!(!kept.is_closed());
}

#[test]
fn a_run_is_as_mobile_as_its_parts() {
    fn mobile<T: Send + 'static>(run: T) -> T {
        run
    }
    let (pipeline, _branch) = Pipeline::from_reader("input", Cursor::new("text"), 2)
        .map("map", |chunk| chunk)
        .buffer("buffer", Bound::bytes(4).unwrap())
        .chunks("chunks", 3)
        .parallel_map("parallel", 2, future::ok::<_, Infallible>)
        .throttle("pace", Duration::ZERO, |_| future::ready(()))
        .tee("tee", Bound::items(1).unwrap(), Overflow::DropOldest);
    let run = mobile(pipeline.into_sink("drain", sink::drain()));
    assert!(format!("{run:?}").contains("is_over: false"));
    block_on(run).unwrap();

    // What cannot leave its thread runs where it is.
    let local = std::rc::Rc::new(std::cell::Cell::new(0_u32));
    let run = Pipeline::from_stream("numbers", stream::iter(0..5_u32))
        .map("sum", |n| local.set(local.get() + n))
        .into_sink("drain", sink::drain());
    block_on(run).unwrap();
    assert_eq!(local.get(), 10);
}

#[test]
fn a_stage_that_makes_many_of_one_can_be_cancelled() {
    let kept = Kept::default();
    let seen = kept.clone();
    let cancel = Arc::new(OnceLock::<CancelHandle>::new());
    let told = Arc::clone(&cancel);
    let run = Pipeline::from_stream("source", stream::iter([vec![b'\n'; 10_000]]))
        .lines("lines", 10)
        .map("cancel", move |line| {
            if seen.items().len() == 100 {
                told.get().unwrap().cancel();
            }
            line
        })
        .into_sink("kept", kept.clone());
    assert!(cancel.set(run.cancel_handle()).is_ok());
    assert!(block_on(run).unwrap_err().is_cancelled());
    let written = kept.items().len();
    assert!(written < 2000, "{written} more before it was seen");
}
