//! Loom tests: the model checker explores the interleavings of both ends.
//! Run them with `RUSTFLAGS="--cfg loom" cargo test -p highwater --release --lib loom`.

use super::{Receiver, Sender, channel};
use crate::{
    Overflow,
    stream::{Bound, SendError},
};
use futures::StreamExt;
use loom::{future::block_on, model::Builder, thread};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Checks all interleavings with at most this many preemptions. A few are enough to
/// find the likely bugs; exploring all of them takes hours.
fn check(preemptions: usize, script: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(script);
}

fn ends(high: usize, low: usize) -> (Sender<u32>, Receiver<u32>) {
    let bound = Bound::items(high).and_then(|bound| bound.low(low));
    channel(bound.expect("valid"), Overflow::Wait)
}

fn read_all(receiver: &mut Receiver<u32>) -> Vec<u32> {
    let mut all = Vec::new();
    while let Some(Ok(item)) = block_on(receiver.next()) {
        all.push(item);
    }
    all
}

#[test]
fn loom_sender_and_reader_lose_no_wake_up() {
    for (high, low) in [(1, 0), (2, 0), (2, 1)] {
        check(3, move || {
            let (sender, mut receiver) = ends(high, low);
            let sending = thread::spawn(move || {
                for item in 0..3 {
                    block_on(sender.send(item)).expect("open");
                }
            });
            assert_eq!(read_all(&mut receiver), [0, 1, 2]);
            assert!(receiver.stats().peak <= high);
            sending.join().expect("no panic");
        });
    }
}

#[test]
fn loom_reader_at_the_low_mark_wakes_the_sender() {
    check(3, || {
        let (sender, mut receiver) = ends(3, 1);
        for item in 0..3 {
            sender.force_send(item).expect("open");
        }
        // Takes all of them as one batch, so that the next is read without the lock.
        assert!(matches!(block_on(receiver.next()), Some(Ok(0))));
        let waiting = thread::spawn(move || {
            block_on(sender.ready()).expect("open");
            sender
        });
        assert!(matches!(block_on(receiver.next()), Some(Ok(1))));
        // Stops reading until the sender has proceeded.
        drop(waiting.join().expect("no panic"));
        assert_eq!(read_all(&mut receiver), [2]);
    });
}

#[test]
fn loom_two_senders_share_the_room() {
    check(2, || {
        let (sender, mut receiver) = ends(1, 0);
        let other = sender.clone();
        let sending = thread::spawn(move || block_on(other.send(1)).expect("open"));
        let more = thread::spawn(move || block_on(sender.send(2)).expect("open"));
        let mut all = read_all(&mut receiver);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        sending.join().expect("no panic");
        more.join().expect("no panic");
    });
}

#[test]
fn loom_abort_wakes_reader_and_sender() {
    check(2, || {
        let (sender, mut receiver) = ends(1, 0);
        let other = sender.clone();
        let sending = thread::spawn(move || {
            let mut sent = 0;
            for item in 0..2 {
                match block_on(sender.send(item)) {
                    Ok(()) => sent += 1,
                    Err(error) => assert_eq!(error, SendError::Closed(item)),
                }
            }
            sent
        });
        let aborting = thread::spawn(move || other.abort());
        while let Some(Ok(_)) = block_on(receiver.next()) {}
        assert!(block_on(receiver.next()).is_none());
        assert!(aborting.join().expect("no panic"));
        let sent = sending.join().expect("no panic");
        let stats = receiver.stats();
        assert_eq!(stats.sent.items, sent);
        assert_eq!(stats.received.items + stats.dropped.items, sent);
    });
}

#[test]
fn loom_dropped_receiver_returns_the_waiting_item() {
    check(3, || {
        let (sender, mut receiver) = ends(1, 0);
        let reading = thread::spawn(move || {
            let first = block_on(receiver.next());
            assert!(matches!(first, Some(Ok(0))));
        });
        block_on(sender.send(0)).expect("open");
        let mut item = 1;
        while block_on(sender.send(item)).is_ok() {
            item += 1;
            assert!(item < 4, "sent without a reader");
        }
        reading.join().expect("no panic");
    });
}

/// Polls a future once.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let waker = futures::task::noop_waker();
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn loom_unpolled_send_does_not_block_another() {
    for low in [0, 1] {
        check(3, move || {
            let (sender, mut receiver) = ends(2, low);
            for item in 0..2 {
                sender.force_send(item).expect("open");
            }
            let mut kept = sender.send(9);
            assert!(poll_once(&mut kept).is_pending());
            let other = sender.clone();
            let sending = thread::spawn(move || {
                block_on(other.send(2)).expect("open");
            });
            for item in 0..3 {
                assert!(matches!(block_on(receiver.next()), Some(Ok(read)) if read == item));
            }
            sending.join().expect("no panic");
            assert_eq!(poll_once(&mut kept), Poll::Ready(Ok(())));
            assert!(receiver.stats().peak <= 2);
        });
    }
}

#[test]
fn loom_dropped_waiter_wakes_the_next() {
    check(3, || {
        let (sender, mut receiver) = ends(1, 0);
        sender.force_send(0).expect("open");
        let (first, second) = (sender.clone(), sender);
        let dropping = thread::spawn(move || {
            let mut sending = first.send(9);
            let is_sent = poll_once(&mut sending).is_ready();
            drop(sending);
            u32::from(is_sent)
        });
        let sending = thread::spawn(move || block_on(second.send(9)).expect("open"));
        let read = read_all(&mut receiver);
        let sent = dropping.join().expect("no panic");
        sending.join().expect("no panic");
        assert_eq!(read.len() as u32, 2 + sent);
    });
}

#[test]
fn loom_released_permit_wakes_a_sender() {
    check(3, || {
        let (sender, mut receiver) = ends(1, 0);
        let permit = sender.try_reserve().expect("there is room");
        let other = sender.clone();
        let sending = thread::spawn(move || block_on(other.send(2)).expect("open"));
        drop(permit);
        assert!(matches!(block_on(receiver.next()), Some(Ok(2))));
        sending.join().expect("no panic");
    });
}

#[test]
fn loom_closed_future_does_not_miss_the_end() {
    check(3, || {
        let (sender, receiver) = ends(1, 0);
        let waiting = thread::spawn(move || block_on(sender.closed()));
        drop(receiver);
        waiting.join().expect("no panic");
    });
}

#[test]
fn loom_len_is_consistent() {
    check(3, || {
        let (sender, mut receiver) = ends(2, 1);
        sender.force_send(0).expect("open");
        let other = sender.clone();
        let looking = thread::spawn(move || {
            // At least one item is queued at any time.
            assert!((1..=2).contains(&other.len()));
        });
        sender.force_send(1).expect("open");
        assert!(matches!(block_on(receiver.next()), Some(Ok(0))));
        looking.join().expect("no panic");
        assert_eq!(receiver.len(), 1);
    });
}
