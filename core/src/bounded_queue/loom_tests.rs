//! Loom tests: the model checker explores the interleavings of senders and the reader.
//! Run them with `RUSTFLAGS="--cfg loom" cargo test -p highwater --release --lib`.
//!
//! A lost wake-up leaves a thread asleep for ever, which loom reports as a deadlock.

use super::{Batch, BoundedQueue, Marks, QueueEnd, SendAttempt, WaitTicket, Weighted};
use crate::Overflow;
use loom::{future::block_on, model::Builder, thread};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

impl Weighted for u32 {
    fn weight(&self) -> usize {
        1
    }
}

/// Checks all interleavings with at most this many preemptions. A few are enough to
/// find the likely bugs; exploring all of them takes hours.
fn check(preemptions: usize, script: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(script);
}

type Queue = Arc<BoundedQueue<u32>>;

fn queue(high: usize, low: usize, overflow: Overflow) -> (Queue, Reader) {
    let queue = Arc::new(BoundedQueue::new(Marks { high, low }, overflow, None));
    let reader = Reader(Arc::clone(&queue), Batch::default());
    (queue, reader)
}

fn waiting_queue(high: usize, low: usize) -> (Queue, Reader) {
    queue(high, low, Overflow::Wait)
}

struct Reader(Queue, Batch<u32>);

impl Reader {
    fn next(&mut self) -> Result<u32, QueueEnd> {
        block_on(poll_fn(|context| {
            self.0.poll_read(&mut self.1, Some(context))
        }))
    }

    /// Reads until the end.
    fn rest(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.next().ok()).collect()
    }
}

/// A send that waits for room.
struct WaitingSend<'a>(&'a BoundedQueue<u32>, Option<u32>, WaitTicket);

impl WaitingSend<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), u32>> {
        self.0.poll_send(&mut self.2, &mut self.1, context)
    }

    fn poll_once(&mut self) -> Poll<Result<(), u32>> {
        self.poll(&mut Context::from_waker(&futures::task::noop_waker()))
    }
}

impl Drop for WaitingSend<'_> {
    fn drop(&mut self) {
        self.0.cancel_wait(&mut self.2);
    }
}

/// Sends an item, and waits if the queue is full. Returns the item of an ended queue.
fn send(queue: &BoundedQueue<u32>, value: u32) -> Result<(), u32> {
    match queue.send(value, true) {
        SendAttempt::Sent => Ok(()),
        SendAttempt::Full(value) | SendAttempt::Closed(value) => Err(value),
        SendAttempt::NoRoom(value) => {
            let mut waiting = WaitingSend(queue, Some(value), WaitTicket::default());
            block_on(poll_fn(|context| waiting.poll(context)))
        }
    }
}

fn spawn_send(queue: &Queue, value: u32) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || send(&queue, value).expect("open"))
}

/// Checks that every item is accounted for.
fn assert_accounted(queue: &BoundedQueue<u32>) {
    let stats = queue.stats();
    let known = stats.received.items + stats.dropped.items + stats.queued.items;
    assert_eq!(stats.sent.items, known, "{stats:?}");
    assert!(stats.peak <= queue.high_water_mark(), "{stats:?}");
    assert_eq!(stats.waiting, 0, "{stats:?}");
}

#[test]
fn sender_and_reader_lose_no_wake_up() {
    for (high, low) in [(1, 0), (2, 0), (2, 1)] {
        check(3, move || {
            let (queue, mut reader) = waiting_queue(high, low);
            let sender = Arc::clone(&queue);
            let sending = thread::spawn(move || {
                for item in 0..4 {
                    send(&sender, item).expect("open");
                }
                sender.close();
            });
            assert_eq!(reader.rest(), [0, 1, 2, 3]);
            sending.join().expect("no panic");
            assert_accounted(&queue);
        });
    }
}

#[test]
fn reading_a_batch_makes_room() {
    // All of them are in the batch: reading it without the lock makes room.
    check(3, || {
        let (queue, mut reader) = waiting_queue(4, 3);
        for item in 0..4 {
            send(&queue, item).expect("open");
        }
        assert!(matches!(reader.next(), Ok(0)));
        send(&queue, 4).expect("open");
        let sending = spawn_send(&queue, 5);
        // Stops reading until the sender has proceeded.
        assert!(matches!(reader.next(), Ok(1)));
        sending.join().expect("no panic");
        assert_accounted(&queue);
        queue.close();
        assert_eq!(reader.rest(), [2, 3, 4, 5]);
    });
}

#[test]
fn reader_at_the_low_water_mark_wakes_the_sender() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(3, 1);
        for item in 0..3 {
            send(&queue, item).expect("open");
        }
        assert!(matches!(reader.next(), Ok(0)));
        let waiting = Arc::clone(&queue);
        let waiting = thread::spawn(move || {
            let mut ticket = WaitTicket::default();
            let ready = block_on(poll_fn(|context| waiting.poll_ready(&mut ticket, context)));
            assert!(ready);
        });
        assert!(matches!(reader.next(), Ok(1)));
        waiting.join().expect("no panic");
        queue.close();
        assert_eq!(reader.rest(), [2]);
    });
}

#[test]
fn two_waiting_senders_are_both_woken() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(1, 0);
        let sending = [1, 2].map(|item| spawn_send(&queue, item));
        let mut read = [reader.next().ok(), reader.next().ok()];
        read.sort();
        assert_eq!(read, [Some(1), Some(2)]);
        for sending in sending {
            sending.join().expect("no panic");
        }
        assert_accounted(&queue);
    });
}

#[test]
fn sleeping_reader_is_woken_by_item_and_end() {
    for overflow in [Overflow::Wait, Overflow::DropOldest] {
        check(3, move || {
            let (queue, mut reader) = queue(2, 1, overflow);
            let reading = thread::spawn(move || reader.rest());
            send(&queue, 0).expect("open");
            queue.close();
            assert_eq!(reading.join().expect("no panic"), [0]);
            assert_accounted(&queue);
        });
    }
}

#[test]
fn dropped_items_are_counted_during_reads() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Latest] {
        check(3, move || {
            let (queue, mut reader) = queue(2, 1, overflow);
            let sender = Arc::clone(&queue);
            let sending = thread::spawn(move || {
                for item in 0..4 {
                    send(&sender, item).expect("open");
                }
                sender.close();
            });
            let read = reader.rest();
            assert!(read.is_sorted(), "{read:?}");
            sending.join().expect("no panic");
            assert_accounted(&queue);
            let stats = queue.stats();
            assert_eq!(
                (stats.sent.items, stats.received.items),
                (4, read.len() as u64)
            );
        });
    }
}

#[test]
fn unpolled_send_does_not_block_another() {
    for low in [0, 1] {
        check(3, move || {
            let (queue, mut reader) = waiting_queue(2, low);
            for item in 0..2 {
                send(&queue, item).expect("open");
            }
            let mut kept = WaitingSend(&queue, Some(9), WaitTicket::default());
            assert!(kept.poll_once().is_pending());
            let sending = spawn_send(&queue, 2);
            for item in 0..3 {
                assert!(matches!(reader.next(), Ok(read) if read == item));
            }
            sending.join().expect("no panic");
            assert_eq!(kept.poll_once(), Poll::Ready(Ok(())));
            assert!(matches!(reader.next(), Ok(9)));
            assert_accounted(&queue);
        });
    }
}

#[test]
fn cancelled_waiter_wakes_the_next() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(1, 0);
        send(&queue, 0).expect("open");
        let cancelled = Arc::clone(&queue);
        let cancelled = thread::spawn(move || {
            let mut sending = WaitingSend(&cancelled, Some(9), WaitTicket::default());
            u32::from(sending.poll_once().is_ready())
        });
        let sending = spawn_send(&queue, 9);
        assert!(matches!(reader.next(), Ok(0)));
        assert!(matches!(reader.next(), Ok(9)));
        let sent = cancelled.join().expect("no panic");
        if sent == 1 {
            assert!(matches!(reader.next(), Ok(9)));
        }
        sending.join().expect("no panic");
        assert_accounted(&queue);
    });
}

#[test]
fn released_slot_wakes_a_sender() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(1, 0);
        assert!(matches!(queue.try_reserve(), SendAttempt::Sent));
        let sending = spawn_send(&queue, 2);
        queue.release();
        assert!(matches!(reader.next(), Ok(2)));
        sending.join().expect("no panic");
    });
}

#[test]
fn close_returns_a_waiting_item() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(1, 0);
        send(&queue, 0).expect("open");
        let sender = Arc::clone(&queue);
        let sending = thread::spawn(move || send(&sender, 1));
        let closer = Arc::clone(&queue);
        let closing = thread::spawn(move || closer.close());
        let read = reader.rest();
        assert!(closing.join().expect("no panic"));
        match sending.join().expect("no panic") {
            Ok(()) => assert_eq!(read, [0, 1]),
            Err(item) => assert_eq!((item, &*read), (1, &[0][..])),
        }
        assert_accounted(&queue);
    });
}

#[test]
fn abort_wakes_reader_and_sender() {
    check(2, || {
        let (queue, mut reader) = waiting_queue(1, 0);
        let sender = Arc::clone(&queue);
        let sending =
            thread::spawn(move || (0..2).filter(|&item| send(&sender, item).is_ok()).count());
        let aborter = Arc::clone(&queue);
        let aborting = thread::spawn(move || aborter.abort().is_some());
        let end = std::iter::repeat_with(|| reader.next()).find_map(Result::err);
        assert!(matches!(end, Some(QueueEnd::Aborted)));
        assert!(matches!(reader.next(), Err(QueueEnd::Closed)));
        assert!(aborting.join().expect("no panic"));
        let sent = sending.join().expect("no panic");
        assert_eq!(queue.stats().sent.items, sent as u64);
        assert_accounted(&queue);
    });
}

#[test]
fn abort_drops_the_unread_batch() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(3, 1);
        for item in 0..3 {
            send(&queue, item).expect("open");
        }
        assert!(matches!(reader.next(), Ok(0)));
        let sender = Arc::clone(&queue);
        let sending = thread::spawn(move || send(&sender, 3).is_ok());
        let aborter = Arc::clone(&queue);
        let aborting = thread::spawn(move || aborter.abort().is_some());
        let end = std::iter::repeat_with(|| reader.next()).find_map(Result::err);
        assert!(matches!(end, Some(QueueEnd::Aborted)));
        assert!(aborting.join().expect("no panic"));
        let sent = 3 + u64::from(sending.join().expect("no panic"));
        assert_eq!(queue.stats().sent.items, sent);
        assert_accounted(&queue);
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn waiting_for_the_end_does_not_miss_it() {
    check(3, || {
        let (queue, _reader) = waiting_queue(1, 0);
        let waiting = Arc::clone(&queue);
        let waiting = thread::spawn(move || {
            let mut ticket = WaitTicket::default();
            block_on(poll_fn(|context| waiting.poll_closed(&mut ticket, context)));
        });
        queue.close();
        waiting.join().expect("no panic");
    });
}

#[test]
fn length_is_consistent() {
    check(3, || {
        let (queue, mut reader) = waiting_queue(2, 1);
        send(&queue, 0).expect("open");
        let observer = Arc::clone(&queue);
        let observing = thread::spawn(move || {
            // At least one item is queued at any time.
            assert!((1..=2).contains(&observer.len()));
        });
        send(&queue, 1).expect("open");
        assert!(matches!(reader.next(), Ok(0)));
        observing.join().expect("no panic");
        assert_eq!(queue.len(), 1);
    });
}
