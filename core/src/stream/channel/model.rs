//! Every interleaving of two ends, by the model checker:
//! `RUSTFLAGS="--cfg loom" cargo test -p highwater --release --lib loom`.

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

/// A few changes of thread at the least expected moment are enough for what can
/// go wrong; all of them would take hours.
fn check(changes: usize, script: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(changes);
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
fn loom_no_wake_is_lost_between_a_sender_and_the_reader() {
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
fn loom_a_reader_that_stops_at_the_low_mark_has_woken_the_sender() {
    check(3, || {
        let (sender, mut receiver) = ends(3, 1);
        for item in 0..3 {
            sender.force_send(item).expect("open");
        }
        // Takes all of them, so that the next is read without the lock.
        assert!(matches!(block_on(receiver.next()), Some(Ok(0))));
        let waiting = thread::spawn(move || {
            block_on(sender.ready()).expect("open");
            sender
        });
        assert!(matches!(block_on(receiver.next()), Some(Ok(1))));
        // It reads no further before the sender went on.
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
fn loom_an_abort_and_a_reader_lose_nobody() {
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
fn loom_a_dropped_receiver_gives_back_what_waits() {
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
            assert!(item < 4, "nobody reads");
        }
        reading.join().expect("no panic");
    });
}

/// Polls once, and keeps the future.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let waker = futures::task::noop_waker();
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn loom_kept_send_does_not_stop_another() {
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
fn loom_dropped_waiter_passes_its_wake_up_on() {
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
fn loom_end_is_not_missed_by_who_waits_for_it() {
    check(3, || {
        let (sender, receiver) = ends(1, 0);
        let waiting = thread::spawn(move || block_on(sender.closed()));
        drop(receiver);
        waiting.join().expect("no panic");
    });
}

#[test]
fn loom_length_is_of_one_moment() {
    check(3, || {
        let (sender, mut receiver) = ends(2, 1);
        sender.force_send(0).expect("open");
        let other = sender.clone();
        let looking = thread::spawn(move || {
            // One at least is queued all the time.
            assert!((1..=2).contains(&other.len()));
        });
        sender.force_send(1).expect("open");
        assert!(matches!(block_on(receiver.next()), Some(Ok(0))));
        looking.join().expect("no panic");
        assert_eq!(receiver.len(), 1);
    });
}
