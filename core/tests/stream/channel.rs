//! Channels: order, bounds, overflow policies and waiting senders.

use crate::common::ManualClock;
use crate::support::{WakeCounter, bounded, read_all, stats};
use futures::{
    FutureExt, StreamExt,
    executor::block_on,
    task::{noop_waker, waker},
};
use highwater::stream::{
    Bound, InvalidBound, Overflow, Receiver, SendError, Sender, Weigh, channel, channel_with_clock,
};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

#[test]
fn invalid_marks_are_rejected() {
    assert_eq!(Bound::<u32>::items(0).unwrap_err(), InvalidBound::Zero);
    assert_eq!(Bound::<Vec<u8>>::bytes(0).unwrap_err(), InvalidBound::Zero);
    assert!(Bound::<u32>::weight(0, |_| 1).is_err());
    for low in [4, 5, usize::MAX] {
        let error = Bound::<u32>::items(4)
            .unwrap()
            .with_low_water_mark(low)
            .unwrap_err();
        assert_eq!(error, InvalidBound::LowNotBelowHigh { low, high: 4 });
        assert!(error.to_string().contains("below the high-water mark 4"));
    }
    let bound = Bound::<u32>::items(1).unwrap();
    assert_eq!((bound.high_water_mark(), bound.low_water_mark()), (1, 0));
    assert!(format!("{bound:?}").contains("high: 1"));
}

#[test]
fn item_weight_is_content_size() {
    assert_eq!(vec![1_u8, 2, 3].weight(), 3);
    assert_eq!(b"abcd".as_slice().weight(), 4);
    assert_eq!(Box::<[u8]>::from([1, 2]).weight(), 2);
    assert_eq!(Arc::<[u8]>::from([1, 2]).weight(), 2);
    assert_eq!(("text", "more".to_owned()).weight(), 8);
    assert_eq!(vec![1_u32, 2].weight(), 8);
    assert_eq!(vec![Some([0_u16; 3]), None].weight(), 6);
}

#[test]
fn items_are_received_in_order() {
    let (sender, mut receiver) = bounded(4, Overflow::Wait);
    for item in 1..=3 {
        sender.try_send(item).unwrap();
    }
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 1);
    sender.try_send(4).unwrap();
    assert_eq!(read_all(&mut receiver), [2, 3, 4]);
    assert!(
        receiver.next().now_or_never().is_none(),
        "the channel is still open"
    );
    let stats = stats(&receiver);
    assert_eq!(
        (stats.sent.items, stats.received.items, stats.peak),
        (4, 4, 3)
    );
}

#[test]
fn full_channel_applies_its_policy() {
    for (overflow, kept, dropped) in [
        (Overflow::DropOldest, &[3, 4, 5][..], 2),
        (Overflow::DropNewest, &[1, 2, 3], 2),
        (Overflow::Latest, &[4, 5], 3),
    ] {
        let (sender, mut receiver) = bounded(3, overflow);
        for item in 1..=5 {
            assert!(sender.send(item).now_or_never().unwrap().is_ok());
        }
        assert_eq!(stats(&receiver).dropped.items, dropped, "{overflow:?}");
        assert_eq!(read_all(&mut receiver), kept, "{overflow:?}");
        assert_eq!(stats(&receiver).peak, 3);
    }
    for overflow in [Overflow::Fail, Overflow::Wait] {
        let (sender, mut receiver) = bounded(1, overflow);
        sender.try_send(1).unwrap();
        let full = sender.try_send(2).unwrap_err();
        assert!(full.is_full() && !full.is_closed());
        assert_eq!(full.to_string(), "the channel is full");
        assert_eq!(full.into_inner(), 2);
        assert_eq!(stats(&receiver).rejected.items, 1);
        let outcome = sender.send(3).now_or_never();
        assert_eq!(outcome.is_none(), overflow == Overflow::Wait);
        assert!(outcome.is_none_or(|sent| sent == Err(SendError::Full(3))));
        assert_eq!(read_all(&mut receiver), [1]);
    }
}

#[test]
fn item_heavier_than_the_bound_is_accepted() {
    for overflow in [Overflow::Wait, Overflow::DropOldest, Overflow::Latest] {
        let (sender, mut receiver) = channel(Bound::bytes(10).unwrap(), overflow);
        sender.try_send(vec![0_u8; 9]).unwrap();
        sender.try_send(vec![0; 1000]).unwrap();
        assert_eq!(
            stats(&receiver).peak,
            1009,
            "peak is the high-water mark plus one item"
        );
        assert_eq!(
            sender.try_send(vec![0; 1]).is_err(),
            overflow == Overflow::Wait
        );
        let rest = read_all(&mut receiver);
        assert_eq!(rest.len(), if overflow == Overflow::Wait { 2 } else { 1 });
    }
}

#[test]
fn bound_is_enforced_during_reads() {
    for high in 1..=9 {
        for overflow in [Overflow::Fail, Overflow::DropNewest, Overflow::DropOldest] {
            let (sender, mut receiver) = bounded(high, overflow);
            for item in 0..200 {
                let _full = sender.try_send(item);
                if item % 3 == 0 {
                    assert!(receiver.next().now_or_never().is_some());
                    // The slot is free immediately.
                    sender.try_send(item).unwrap();
                    assert!(stats(&receiver).queued.items <= high as u64);
                }
            }
            assert_eq!(stats(&receiver).peak, high);
        }
    }
}

#[test]
fn waiters_wake_in_order_at_low_water_mark() {
    let (sender, mut receiver) = channel(Bound::items(4).unwrap(), Overflow::Wait);
    for item in 1..=4 {
        assert_eq!(sender.force_send(item), Ok(item < 4));
    }
    let (first_woken, second_woken) = (
        Arc::new(WakeCounter::default()),
        Arc::new(WakeCounter::default()),
    );
    let mut first = pin!(sender.send(5));
    let mut second = pin!(sender.send(6));
    let poll = |sending: &mut (dyn Future<Output = _> + Unpin), woken: &Arc<WakeCounter>| {
        sending.poll_unpin(&mut Context::from_waker(&waker(Arc::clone(woken))))
    };
    assert!(poll(&mut first, &first_woken).is_pending());
    assert!(poll(&mut second, &second_woken).is_pending());
    assert_eq!(stats(&receiver).waiting, 2);

    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 1);
    assert_eq!(
        first_woken.count(),
        0,
        "no wake-up above the low-water mark"
    );
    assert!(
        sender.try_send(7).unwrap_err().is_full(),
        "`try_send` must not overtake waiting senders"
    );
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 2);
    assert_eq!(first_woken.count(), 1);
    assert_eq!(
        second_woken.count(),
        0,
        "only one sender is woken at a time"
    );
    assert_eq!(poll(&mut first, &first_woken), Poll::Ready(Ok(())));
    assert_eq!(second_woken.count(), 1, "the first sender wakes the second");
    assert_eq!(poll(&mut second, &second_woken), Poll::Ready(Ok(())));
    assert_eq!(read_all(&mut receiver), [3, 4, 5, 6]);
    assert_eq!(
        (stats(&receiver).rejected.items, stats(&receiver).waiting),
        (1, 0)
    );
}

#[test]
fn zero_low_water_mark_requires_an_empty_queue() {
    let bound = Bound::bytes(4).unwrap().with_low_water_mark(0).unwrap();
    let (sender, mut receiver) = channel(bound, Overflow::Wait);
    assert_eq!(sender.force_send("abc"), Ok(true));
    assert!(sender.ready().now_or_never().is_some());
    assert_eq!(sender.force_send("d"), Ok(false));
    assert_eq!(sender.force_send("ignored"), Ok(false));
    assert_eq!(
        stats(&receiver).peak,
        11,
        "peak includes items sent while full"
    );
    let woken = Arc::new(WakeCounter::default());
    let mut ready = pin!(sender.ready());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(ready.poll_unpin(&mut context).is_pending());
    for item in ["abc", "d"] {
        assert_eq!(block_on(receiver.next()).unwrap().unwrap(), item);
        assert_eq!(woken.count(), 0);
        assert!(ready.poll_unpin(&mut context).is_pending());
    }
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), "ignored");
    assert_eq!(woken.count(), 1);
    assert_eq!(ready.poll_unpin(&mut context), Poll::Ready(Ok(())));
    assert_eq!(sender.force_send("abcd"), Ok(false));
}

#[test]
fn cancelled_send_wakes_the_next_sender() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    sender.try_send(1).unwrap();
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut first = Box::pin(sender.send(2));
    let mut second = Box::pin(sender.ready());
    let mut third = Box::pin(sender.send(4));
    let noop = noop_waker();
    assert!(
        first
            .poll_unpin(&mut Context::from_waker(&noop))
            .is_pending()
    );
    assert!(
        second
            .poll_unpin(&mut Context::from_waker(&noop))
            .is_pending()
    );
    assert!(third.poll_unpin(&mut context).is_pending());

    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 1);
    drop(first);
    assert_eq!(woken.count(), 0);
    drop(second);
    assert_eq!(woken.count(), 1);
    assert!(third.now_or_never().is_some());
    assert_eq!(
        read_all(&mut receiver),
        [4],
        "cancelled items are not queued"
    );
    assert_eq!(stats(&receiver).sent.items, 2);
}

#[test]
fn cancelled_read_loses_no_items() {
    let (sender, mut receiver) = bounded(2, Overflow::Wait);
    assert!(receiver.next().now_or_never().is_none());
    sender.try_send(1).unwrap();
    assert_eq!(read_all(&mut receiver), [1]);
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    assert!(
        receiver
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    sender.try_send(2).unwrap();
    sender.try_send(3).unwrap();
    assert_eq!(woken.count(), 1, "the reader is woken once");
    assert_eq!(read_all(&mut receiver), [2, 3]);
}

#[test]
fn stats_report_stalled_time() {
    let clock = ManualClock::default();
    let bound = Bound::items(1).unwrap();
    let (sender, mut receiver) = channel_with_clock(bound, Overflow::Wait, Arc::new(clock.clone()));
    let stalled = |receiver: &Receiver<u32>| stats(receiver).stalled.unwrap().as_millis();
    let advance_ms = |millis| clock.advance(Duration::from_millis(millis));
    advance_ms(5);
    sender.try_send(1).unwrap();
    let mut first = pin!(sender.send(2));
    let mut second = Box::pin(sender.send(3));
    assert!(first.as_mut().now_or_never().is_none());
    advance_ms(10);
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(stalled(&receiver), 10, "the current stall counts");
    advance_ms(10);
    block_on(receiver.next()).unwrap().unwrap();
    assert!(first.now_or_never().is_some());
    advance_ms(10);
    drop(second);
    advance_ms(64);
    assert_eq!(
        stalled(&receiver),
        30,
        "time during which at least one sender waited"
    );
    assert_eq!(bounded(1, Overflow::Wait).0.stats().stalled, None);
}

#[test]
fn item_drop_can_use_the_channel() {
    struct SendsOnDrop(Sender<u8>);
    impl Drop for SendsOnDrop {
        fn drop(&mut self) {
            assert_eq!(self.0.try_send(1), Ok(()));
        }
    }
    let (inner, _reader) = channel(Bound::items(100).unwrap(), Overflow::Fail);
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Latest] {
        let (sender, receiver) = channel(Bound::items(1).unwrap(), overflow);
        for _ in 0..3 {
            assert!(sender.try_send(SendsOnDrop(inner.clone())).is_ok());
        }
        sender.abort();
        drop(receiver);
    }
    assert_eq!(inner.stats().sent.items, 9);
}

#[test]
fn debug_output_shows_bound_and_state() {
    let (sender, receiver) = bounded(1, Overflow::Wait);
    let debug = format!("{sender:?} {receiver:?}");
    assert!(debug.contains("high: 1") && debug.contains("queued"));
    assert!(format!("{:?}", sender.into_sink()).contains("is_waiting: false"));
}
