//! Every interleaving of threads on the queue of an inbox. Run by `RUSTFLAGS="--cfg
//! loom" cargo test --release --lib`.
//!
//! A lost wake-up leaves a thread asleep for ever, which loom reports as a deadlock.

use super::queue::{InboxQueue, SendOutcome, WaitingSend};
use crate::{Overflow, events::loom_tests::model};
use futures::FutureExt;
use loom::{future::block_on, thread};
use std::{collections::VecDeque, future::poll_fn, sync::Arc, task::Poll};

fn queue(capacity: usize, overflow: Overflow) -> Arc<InboxQueue<u32>> {
    Arc::new(InboxQueue::new(capacity, overflow))
}

/// A reader of a queue, like an inbox.
struct Reader {
    queue: Arc<InboxQueue<u32>>,
    batch: VecDeque<u32>,
}

impl Reader {
    fn new(queue: &Arc<InboxQueue<u32>>) -> Self {
        Reader {
            queue: Arc::clone(queue),
            batch: VecDeque::new(),
        }
    }

    fn next(&mut self) -> Option<u32> {
        block_on(poll_fn(|context| {
            if !self.batch.is_empty() {
                self.queue.read(self.batch.len() - 1);
                return Poll::Ready(self.batch.pop_front());
            }
            match self.queue.poll_batch(&mut self.batch, Some(&*context)) {
                Some(true) => Poll::Ready(self.batch.pop_front()),
                Some(false) => Poll::Ready(None),
                None => Poll::Pending,
            }
        }))
    }

    fn rest(mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// Sends like an awaited emit.
fn send(queue: &Arc<InboxQueue<u32>>, event: u32) {
    if let SendOutcome::Full(event) = queue.send(event, true) {
        block_on(WaitingSend::new(Arc::clone(queue), event)).unwrap();
    }
}

fn accounted(queue: &InboxQueue<u32>) {
    let stats = queue.stats();
    let somewhere = stats.received + stats.dropped + stats.refused + stats.queued as u64;
    assert_eq!(stats.sent, somewhere, "{stats:?}");
    assert!(stats.peak <= queue.capacity(), "{stats:?}");
    assert_eq!(stats.waiting, 0, "{stats:?}");
}

#[test]
fn waiting_writer_is_woken_in_order() {
    for capacity in [1, 2] {
        model(move || {
            let queue = queue(capacity, Overflow::Wait);
            let own = Arc::clone(&queue);
            let writer = thread::spawn(move || {
                for event in 0..4 {
                    send(&own, event);
                }
                own.close();
            });
            assert_eq!(Reader::new(&queue).rest(), [0, 1, 2, 3]);
            writer.join().unwrap();
            accounted(&queue);
        });
    }
}

#[test]
fn reading_a_batch_makes_room_for_a_writer() {
    // Half of four is in the batch: reading it without the lock makes room.
    model(|| {
        let queue = queue(4, Overflow::Wait);
        for event in 0..4 {
            send(&queue, event);
        }
        let own = Arc::clone(&queue);
        let writer = thread::spawn(move || {
            send(&own, 4);
            send(&own, 5);
            own.close();
        });
        assert_eq!(Reader::new(&queue).rest(), [0, 1, 2, 3, 4, 5]);
        writer.join().unwrap();
        accounted(&queue);
    });
}

#[test]
fn writer_waits_for_the_last_read_of_a_batch() {
    // The reader takes one event and sleeps. The writer must not miss the room that
    // made, and must not need another read.
    model(|| {
        let queue = queue(3, Overflow::Wait);
        for event in 0..3 {
            send(&queue, event);
        }
        let mut reader = Reader::new(&queue);
        assert_eq!(reader.next(), Some(0));
        send(&queue, 3);
        let own = Arc::clone(&queue);
        let writer = thread::spawn(move || send(&own, 4));
        assert_eq!(reader.next(), Some(1));
        writer.join().unwrap();
        accounted(&queue);
        queue.close();
        assert_eq!(reader.rest(), [2, 3, 4]);
    });
}

#[test]
fn two_waiting_writers_are_both_woken() {
    model(|| {
        let queue = queue(1, Overflow::Wait);
        let writers = [1, 2].map(|event| {
            let own = Arc::clone(&queue);
            thread::spawn(move || send(&own, event))
        });
        let mut reader = Reader::new(&queue);
        let mut read = [reader.next(), reader.next()];
        read.sort();
        assert_eq!(read, [Some(1), Some(2)]);
        for writer in writers {
            writer.join().unwrap();
        }
        accounted(&queue);
    });
}

#[test]
fn cancelled_writer_passes_its_turn_on() {
    model(|| {
        let queue = queue(1, Overflow::Wait);
        send(&queue, 0);
        let mut cancelled = WaitingSend::new(Arc::clone(&queue), 1);
        assert!((&mut cancelled).now_or_never().is_none());
        let own = Arc::clone(&queue);
        let waits = thread::spawn(move || send(&own, 2));
        let canceller = thread::spawn(move || drop(cancelled));
        let mut reader = Reader::new(&queue);
        assert_eq!(reader.next(), Some(0));
        assert_eq!(reader.next(), Some(2));
        waits.join().unwrap();
        canceller.join().unwrap();
        accounted(&queue);
    });
}

#[test]
fn close_releases_a_waiting_writer() {
    model(|| {
        let queue = queue(1, Overflow::Wait);
        send(&queue, 0);
        let own = Arc::clone(&queue);
        let writer = thread::spawn(move || send(&own, 1));
        queue.close();
        writer.join().unwrap();
        let stats = queue.stats();
        assert_eq!((stats.dropped, stats.queued), (1, 1));
        accounted(&queue);
        assert_eq!(Reader::new(&queue).rest(), [0]);
    });
}

#[test]
fn racing_close_and_read_leave_no_writer_asleep() {
    model(|| {
        let queue = queue(1, Overflow::Wait);
        send(&queue, 0);
        let own = Arc::clone(&queue);
        let writer = thread::spawn(move || send(&own, 1));
        let own = Arc::clone(&queue);
        let closer = thread::spawn(move || own.close());
        let read = Reader::new(&queue).rest();
        assert!(read == [0] || read == [0, 1], "{read:?}");
        writer.join().unwrap();
        closer.join().unwrap();
        accounted(&queue);
    });
}

#[test]
fn sleeping_reader_is_woken_by_event_and_close() {
    for overflow in [Overflow::Wait, Overflow::DropOldest] {
        model(move || {
            let queue = queue(2, overflow);
            let reader = Reader::new(&queue);
            let reader = thread::spawn(move || reader.rest());
            send(&queue, 0);
            queue.close();
            assert_eq!(reader.join().unwrap(), [0]);
            accounted(&queue);
        });
    }
}

#[test]
fn overflow_drops_are_counted_during_reads() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Latest] {
        model(move || {
            let queue = queue(2, overflow);
            let own = Arc::clone(&queue);
            let writer = thread::spawn(move || {
                for event in 0..4 {
                    send(&own, event);
                }
                own.close();
            });
            let read = Reader::new(&queue).rest();
            assert!(read.is_sorted(), "{read:?}");
            writer.join().unwrap();
            accounted(&queue);
            let stats = queue.stats();
            assert_eq!((stats.sent, stats.received), (4, read.len() as u64));
        });
    }
}

#[test]
fn unpolled_emit_does_not_block_another() {
    model(|| {
        let queue = queue(2, Overflow::Wait);
        send(&queue, 0);
        send(&queue, 1);
        let mut kept = WaitingSend::new(Arc::clone(&queue), 9);
        assert!((&mut kept).now_or_never().is_none());
        let own = Arc::clone(&queue);
        let writer = thread::spawn(move || send(&own, 2));
        let mut reader = Reader::new(&queue);
        let read = [reader.next(), reader.next(), reader.next()];
        assert_eq!(read, [Some(0), Some(1), Some(2)]);
        writer.join().unwrap();
        assert!(kept.now_or_never().is_some());
        assert_eq!(reader.next(), Some(9));
        accounted(&queue);
    });
}
