//! Channels: waiting senders, including senders that are never polled again.

use crate::support::{WakeCounter, bounded, read_all, stats};
use futures::{
    FutureExt, SinkExt, StreamExt, executor::block_on, future::FusedFuture, task::waker,
};
use highwater::stream::{
    Bound, Overflow, Receiver, SendError, SendFuture, Sender, channel, channel_with_clock,
};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, RawWaker, RawWakerVTable, Waker},
    time::Duration,
};

fn bytes(high: usize) -> (Sender<Vec<u8>>, Receiver<Vec<u8>>) {
    channel(Bound::bytes(high).unwrap(), Overflow::Wait)
}

fn fill(sender: &Sender<u32>) {
    while sender.try_send(0).is_ok() {}
}

/// Polls a send with a counting waker.
fn poll<T>(
    sending: &mut SendFuture<'_, T>,
    woken: &Arc<WakeCounter>,
) -> Option<Result<(), SendError<T>>> {
    let waker = waker(Arc::clone(woken));
    match sending.poll_unpin(&mut Context::from_waker(&waker)) {
        std::task::Poll::Ready(sent) => Some(sent),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn unpolled_send_costs_at_most_one_slot() {
    for capacity in 1..=9 {
        for low in 0..capacity {
            let bound = Bound::items(capacity)
                .unwrap()
                .with_low_water_mark(low)
                .unwrap();
            let (sender, mut receiver) = channel(bound, Overflow::Wait);
            fill(&sender);
            let mut unpolled = sender.send(100);
            assert!((&mut unpolled).now_or_never().is_none());
            assert_eq!(read_all(&mut receiver).len(), capacity);

            for round in 0..3 {
                let sent = (1..=10).take_while(|item| sender.try_send(*item).is_ok());
                // An empty channel accepts an item even if its only slot is reserved.
                let free_slots = (capacity - 1).max(1);
                assert_eq!(sent.count(), free_slots, "round {round}");
                assert_eq!(read_all(&mut receiver).len(), free_slots);
            }
            assert_eq!(unpolled.now_or_never(), Some(Ok(())));
            assert_eq!(read_all(&mut receiver), [100]);
            assert_eq!(stats(&receiver).peak, capacity);
        }
    }
}

#[test]
fn senders_behind_unpolled_ones_are_woken() {
    for capacity in 2..=20 {
        for low in [0, capacity / 2, capacity - 1] {
            for unpolled in 1..capacity {
                let bound = Bound::items(capacity)
                    .unwrap()
                    .with_low_water_mark(low)
                    .unwrap();
                let (sender, mut receiver) = channel(bound, Overflow::Wait);
                fill(&sender);
                let mut never_polled: Vec<_> = (0..unpolled).map(|_| sender.send(1)).collect();
                for sending in &mut never_polled {
                    assert!(sending.now_or_never().is_none());
                }
                let woken = Arc::new(WakeCounter::default());
                let mut polled_send = sender.send(2);
                assert!(poll(&mut polled_send, &woken).is_none());
                assert_eq!(read_all(&mut receiver).len(), capacity);
                assert_eq!(
                    woken.count(),
                    1,
                    "{unpolled} of {capacity} senders unpolled, low-water mark {low}"
                );
                assert_eq!(poll(&mut polled_send, &woken), Some(Ok(())));
                assert_eq!(read_all(&mut receiver), [2]);
            }
        }
    }
}

#[test]
fn every_read_below_low_water_mark_wakes_a_sender() {
    let bound = Bound::items(4).unwrap().with_low_water_mark(3).unwrap();
    let (sender, mut receiver) = channel(bound, Overflow::Wait);
    fill(&sender);
    let woken: Vec<_> = (0..4).map(|_| Arc::new(WakeCounter::default())).collect();
    let mut waiting: Vec<_> = (0..4).map(|item| sender.send(item)).collect();
    for (sending, woken) in waiting.iter_mut().zip(&woken) {
        assert!(poll(sending, woken).is_none());
    }
    for read in 1..=4 {
        receiver.try_recv().unwrap();
        let wake_counts: Vec<_> = woken.iter().map(|woken| woken.count()).collect();
        assert_eq!(wake_counts.iter().sum::<usize>(), read, "{wake_counts:?}");
        assert!(
            wake_counts.iter().rev().is_sorted(),
            "senders are woken in order: {wake_counts:?}"
        );
    }
}

#[test]
fn unpolled_heavy_send_does_not_block_light_items() {
    for heavy in [5, 10, 1000] {
        let (sender, mut receiver) = bytes(10);
        sender.try_send(vec![0; 10]).unwrap();
        let mut unpolled = sender.send(vec![1; heavy]);
        assert!((&mut unpolled).now_or_never().is_none());
        let woken = Arc::new(WakeCounter::default());
        let mut next_send = sender.send(vec![2; 3]);
        assert!(poll(&mut next_send, &woken).is_none());

        receiver.try_recv().unwrap();
        assert_eq!(woken.count(), 1);
        assert_eq!(poll(&mut next_send, &woken), Some(Ok(())));
        for _ in 0..3 {
            sender.try_send(vec![3; 2]).unwrap();
        }
        assert!(
            sender.try_send(vec![3; 2]).is_err(),
            "a byte is reserved for the waiting send"
        );
        // One byte of room is enough for an item of any weight.
        assert_eq!(unpolled.now_or_never(), Some(Ok(())));
        assert_eq!(stats(&receiver).peak, 9 + heavy);
    }
}

#[test]
fn unpolled_light_send_does_not_block_heavy_items() {
    for heavy in [9, 10, 1000] {
        let (sender, mut receiver) = bytes(10);
        sender.try_send(vec![0; 10]).unwrap();
        let mut unpolled = sender.send(vec![1]);
        assert!((&mut unpolled).now_or_never().is_none());
        for _ in 0..3 {
            receiver.try_recv().unwrap();
            sender.try_send(vec![2; heavy]).unwrap();
        }
        receiver.try_recv().unwrap();
        assert_eq!(unpolled.now_or_never(), Some(Ok(())));
    }
}

#[test]
fn waiter_is_overtaken_at_most_once() {
    type Channel = (Sender<Vec<u8>>, Receiver<Vec<u8>>);
    let one_item_channel: Channel = channel(Bound::items(1).unwrap(), Overflow::Wait);
    for (sender, mut receiver) in [one_item_channel, bytes(10)] {
        let heavy = || vec![0; 10];
        sender.try_send(heavy()).unwrap();
        let woken = Arc::new(WakeCounter::default());
        let mut waiting_send = sender.send(vec![1]);
        assert!(poll(&mut waiting_send, &woken).is_none());
        receiver.try_recv().unwrap();
        sender.try_send(heavy()).unwrap();
        assert!(
            poll(&mut waiting_send, &woken).is_none(),
            "the waiter was overtaken"
        );
        receiver.try_recv().unwrap();
        assert_eq!(woken.count(), 2);
        assert!(sender.try_send(heavy()).unwrap_err().is_full());
        assert_eq!(poll(&mut waiting_send, &woken), Some(Ok(())));
        assert_eq!(receiver.try_recv().unwrap(), [1]);
        sender.try_send(heavy()).unwrap();
    }
}

#[test]
fn unpolled_sink_costs_one_slot() {
    let (sender, mut receiver) = bounded(2, Overflow::Wait);
    let mut sink = sender.clone().into_sink();
    block_on(sink.send(1)).unwrap();
    block_on(sink.send(2)).unwrap();
    // Polled once, then never again, for instance after a timeout.
    assert!(sink.send(3).now_or_never().is_none());
    assert_eq!(read_all(&mut receiver), [1, 2]);
    for item in 4..10 {
        assert_eq!(sender.send(item).now_or_never(), Some(Ok(())));
        assert_eq!(read_all(&mut receiver), [item]);
    }
    block_on(sink.close()).unwrap();
    assert_eq!(read_all(&mut receiver), [3]);
}

#[test]
fn dropped_woken_waiter_wakes_the_next() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    fill(&sender);
    let woken = Arc::new(WakeCounter::default());
    let mut first = sender.send(1);
    let mut second = sender.send(2);
    assert!((&mut first).now_or_never().is_none());
    assert!(poll(&mut second, &woken).is_none());
    receiver.try_recv().unwrap();
    assert_eq!(woken.count(), 0);
    drop(first);
    assert_eq!(woken.count(), 1);
    assert_eq!(poll(&mut second, &woken), Some(Ok(())));
}

/// Enough waiters to make a quadratic algorithm hang.
const MANY_WAITERS: usize = 200_000;

#[test]
fn many_waiters_can_cancel_in_any_order() {
    let waiter_count = if cfg!(miri) { 50 } else { MANY_WAITERS };
    for order in ["last first", "first first", "shuffled", "woken"] {
        let (sender, mut receiver) = bounded(waiter_count, Overflow::Wait);
        fill(&sender);
        let mut waiting: Vec<_> = (0..waiter_count).map(|_| Some(sender.send(1))).collect();
        for sending in waiting.iter_mut().flatten() {
            assert!(sending.now_or_never().is_none());
        }
        assert_eq!(sender.stats().waiting, waiter_count);
        match order {
            "first first" => waiting.iter_mut().for_each(|sending| drop(sending.take())),
            // Visits every index once, because the step and the length are coprime.
            "shuffled" => (0..waiter_count)
                .for_each(|index| drop(waiting[index * 77_773 % waiter_count].take())),
            _ => {
                if order == "woken" {
                    read_all(&mut receiver);
                }
                waiting
                    .iter_mut()
                    .rev()
                    .for_each(|sending| drop(sending.take()));
            }
        }
        assert_eq!(sender.stats().waiting, 0, "{order}");
    }
}

/// An item of weight 1 that counts how often it is weighed.
struct CountsWeighing(Arc<AtomicUsize>);

fn weigh(item: &CountsWeighing) -> usize {
    item.0.fetch_add(1, Ordering::Relaxed);
    1
}

#[test]
fn item_is_weighed_once() {
    let weigh_count = Arc::new(AtomicUsize::new(0));
    let item = || CountsWeighing(Arc::clone(&weigh_count));
    let take_weigh_count = || weigh_count.swap(0, Ordering::Relaxed);
    let (sender, mut receiver) = channel(Bound::weight(1, weigh).unwrap(), Overflow::Wait);
    sender.try_send(item()).unwrap();
    assert_eq!(take_weigh_count(), 1);

    let mut waiting_send = sender.send(item());
    for _ in 0..5 {
        assert!((&mut waiting_send).now_or_never().is_none());
    }
    receiver.try_recv().unwrap();
    assert!(waiting_send.now_or_never().unwrap().is_ok());
    assert_eq!(take_weigh_count(), 1);

    let mut sink = sender.clone().into_sink();
    block_on(sink.feed(item())).unwrap();
    for _ in 0..5 {
        assert!(sink.flush().now_or_never().is_none());
    }
    receiver.try_recv().unwrap();
    block_on(sink.close()).unwrap();
    receiver.try_recv().unwrap();
    let permit = sender.try_reserve().unwrap();
    permit.send(item()).unwrap();
    assert!(sender.force_send(item()).is_ok());
    receiver.try_recv().unwrap();
    assert_eq!(take_weigh_count(), 3);
}

#[test]
fn completed_send_panics_when_polled() {
    let (sender, receiver) = bounded(1, Overflow::Wait);
    let failing_channel = bounded(1, Overflow::Fail);
    fill(&failing_channel.0);
    let mut completed_send = sender.send(1);
    let mut rejected_send = failing_channel.0.send(2);
    assert_eq!((&mut completed_send).now_or_never(), Some(Ok(())));
    assert_eq!(
        (&mut rejected_send).now_or_never(),
        Some(Err(SendError::Full(2)))
    );
    let mut waiting_send = sender.send(3);
    assert!((&mut waiting_send).now_or_never().is_none());
    assert!(!waiting_send.is_terminated());
    drop(receiver);
    assert_eq!(
        (&mut waiting_send).now_or_never(),
        Some(Err(SendError::Closed(3)))
    );
    let mut closed_send = sender.send(4);
    assert!((&mut closed_send).now_or_never().unwrap().is_err());
    for mut sending in [completed_send, rejected_send, waiting_send, closed_send] {
        assert!(sending.is_terminated());
        let second_poll = catch_unwind(AssertUnwindSafe(|| (&mut sending).now_or_never()));
        assert!(second_poll.is_err(), "{second_poll:?}");
    }
}

/// An item that panics when dropped if set to `true`.
struct PanicsOnDrop(bool);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "item dropped");
    }
}

#[test]
fn panicking_item_drop_loses_no_wake_up() {
    type Action = fn(&Sender<PanicsOnDrop>, &mut Option<Receiver<PanicsOnDrop>>);
    let actions: [(&str, Overflow, Action); 5] = [
        ("abort", Overflow::Wait, |sender, _| {
            sender.abort();
        }),
        ("drop", Overflow::Wait, |_, receiver| drop(receiver.take())),
        ("drop after a read", Overflow::Wait, |_, receiver| {
            let first = receiver.as_mut().unwrap().try_recv().unwrap();
            std::mem::forget(first);
            drop(receiver.take());
        }),
        ("latest", Overflow::Latest, |sender, _| {
            let _sent = sender.try_send(PanicsOnDrop(false));
        }),
        ("drop oldest", Overflow::DropOldest, |sender, _| {
            let _sent = sender.try_send(PanicsOnDrop(false));
        }),
    ];
    for (name, overflow, action) in actions {
        let bound = Bound::items(3).unwrap().with_low_water_mark(2).unwrap();
        let (sender, receiver) = channel(bound, overflow);
        let mut receiver = Some(receiver);
        for _ in 0..3 {
            assert!(sender.try_send(PanicsOnDrop(true)).is_ok());
        }
        let woken = Arc::new(WakeCounter::default());
        let waker = waker(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut ready = sender.ready();
        let mut closed = sender.closed();
        assert!(ready.poll_unpin(&mut context).is_pending());
        assert!(closed.poll_unpin(&mut context).is_pending());

        let result = catch_unwind(AssertUnwindSafe(|| action(&sender, &mut receiver)));
        assert!(result.is_err(), "{name}: the panic must propagate");
        let has_ended = sender.is_closed();
        if has_ended {
            assert_eq!(woken.count(), 2, "{name}");
            assert!(ready.now_or_never().unwrap().is_err(), "{name}");
            assert!(closed.now_or_never().is_some(), "{name}");
            assert_eq!(sender.len(), 0, "{name}");
        }
        if name == "latest" {
            assert_eq!(woken.count(), 1, "`ready` is woken");
        }
        // Every sent item is accounted for.
        let stats = sender.stats();
        let accounted_for = stats.received.items + stats.dropped.items + stats.queued.items;
        assert_eq!(stats.sent.items, accounted_for, "{name}");
        assert_eq!(has_ended, overflow == Overflow::Wait, "{name}");
        if let Some(mut receiver) = receiver {
            while let Ok(item) = receiver.try_recv() {
                std::mem::forget(item);
            }
        }
    }
}

struct PanickingWaker;

impl std::task::Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("waker called");
    }
}

#[test]
fn panicking_waker_loses_no_item() {
    for capacity in [1, 3] {
        let (sender, mut receiver) = bounded(capacity, Overflow::Wait);
        fill(&sender);
        let panicking_waker = Waker::from(Arc::new(PanickingWaker));
        let mut waiting = sender.send(7);
        let polled = waiting.poll_unpin(&mut Context::from_waker(&panicking_waker));
        assert!(polled.is_pending());
        let mut items = 0;
        for _ in 0..=capacity {
            let read = catch_unwind(AssertUnwindSafe(|| receiver.try_recv().is_ok()));
            items += usize::from(read.unwrap_or(false));
        }
        assert_eq!(items, capacity, "capacity {capacity}");
    }
}

#[test]
fn panicking_waker_loses_no_other_wake_up() {
    let (sender, receiver) = bounded(1, Overflow::Wait);
    fill(&sender);
    let panicking_waker = Waker::from(Arc::new(PanickingWaker));
    let mut first = sender.send(1);
    let polled = first.poll_unpin(&mut Context::from_waker(&panicking_waker));
    assert!(polled.is_pending());
    let woken = Arc::new(WakeCounter::default());
    let mut second = sender.send(2);
    let mut third = sender.send(3);
    assert!(poll(&mut second, &woken).is_none());
    assert!(poll(&mut third, &woken).is_none());
    assert!(catch_unwind(AssertUnwindSafe(|| receiver.close())).is_err());
    assert_eq!(woken.count(), 2);
}

thread_local! {
    /// The channel that a waker uses whenever it is cloned, woken or dropped.
    static WAKER_SENDER: RefCell<Option<Sender<u32>>> = const { RefCell::new(None) };
}

const CHANNEL_USING_VTABLE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        use_channel();
        RawWaker::new(std::ptr::null(), &CHANNEL_USING_VTABLE)
    },
    |_| use_channel(),
    |_| use_channel(),
    |_| use_channel(),
);

fn use_channel() {
    let sender = WAKER_SENDER.with_borrow(Option::clone);
    if let Some(sender) = sender {
        let _stats = sender.stats();
        let _full = sender.try_send(7);
    }
}

#[test]
fn waker_can_use_the_channel() {
    // SAFETY: the functions do not access the data pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &CHANNEL_USING_VTABLE)) };
    let mut context = Context::from_waker(&waker);
    let (sender, mut receiver) = bounded(2, Overflow::Wait);
    WAKER_SENDER.set(Some(sender.clone()));

    // The reader's waker.
    let polled = receiver.poll_next_unpin(&mut context);
    assert!(
        polled.is_ready(),
        "the read returns the item sent by cloning the waker"
    );
    assert!(receiver.poll_next_unpin(&mut context).is_ready());
    WAKER_SENDER.set(None);
    assert!(receiver.poll_next_unpin(&mut context).is_pending());
    WAKER_SENDER.set(Some(sender.clone()));
    assert!(sender.try_send(1).is_ok());
    read_all(&mut receiver);
    fill(&sender);
    // Wakers of senders that wait, change wakers, are woken or are dropped.
    let noop = futures::task::noop_waker();
    let mut sending = sender.send(2);
    let mut ready = sender.ready();
    let mut reserve = sender.reserve();
    let mut closed = sender.closed();
    for _ in 0..2 {
        assert!(sending.poll_unpin(&mut context).is_pending());
        assert!(ready.poll_unpin(&mut context).is_pending());
        assert!(reserve.poll_unpin(&mut context).is_pending());
        assert!(closed.poll_unpin(&mut context).is_pending());
        let mut other = Context::from_waker(&noop);
        assert!(sending.poll_unpin(&mut other).is_pending());
        assert!(ready.poll_unpin(&mut other).is_pending());
    }
    assert!(sending.poll_unpin(&mut context).is_pending());
    read_all(&mut receiver);
    drop((ready, reserve, closed, sending));
    // The waker of a sender that waits for the slot of a permit.
    read_all(&mut receiver);
    let permits = [sender.try_reserve().unwrap(), sender.try_reserve().unwrap()];
    let mut waiting = sender.send(2);
    assert!(waiting.poll_unpin(&mut context).is_pending());
    drop(permits);
    drop(waiting);
    fill(&sender);
    let mut last_send = sender.send(2);
    assert!(last_send.poll_unpin(&mut context).is_pending());
    sender.abort();
    WAKER_SENDER.set(None);
}

#[test]
fn clock_can_use_the_channel() {
    let shared: Arc<OnceLock<Sender<u32>>> = Arc::default();
    let clock_sender = Arc::clone(&shared);
    let clock = move || {
        if let Some(sender) = clock_sender.get() {
            let _full = sender.try_send(7);
        }
        Duration::ZERO
    };
    let bound = Bound::items(1).unwrap();
    let (sender, mut receiver) = channel_with_clock(bound, Overflow::Wait, Arc::new(clock));
    assert!(shared.set(sender.clone()).is_ok());
    fill(&sender);
    let mut waiting_send = sender.send(1);
    assert!((&mut waiting_send).now_or_never().is_none());
    receiver.try_recv().unwrap();
    let _stats = sender.stats();
    drop(waiting_send);
    assert_eq!(read_all(&mut receiver), [7]);
    // Breaks the reference cycle between channel and clock.
    sender.close();
}
