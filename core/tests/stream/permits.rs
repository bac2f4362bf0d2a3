//! Channels: permits, non-blocking reads, and fill levels.

use crate::support::{WakeCounter, bounded, read_all, stats};
use futures::{
    FutureExt, SinkExt, StreamExt, executor::block_on, stream::FusedStream, task::waker,
};
use highwater::stream::{Bound, Overflow, SendError, StreamError, TryRecvError, channel};
use std::{
    sync::Arc,
    task::{Context, Poll},
};

const POLICIES: [Overflow; 5] = [
    Overflow::Wait,
    Overflow::DropOldest,
    Overflow::DropNewest,
    Overflow::Latest,
    Overflow::Fail,
];

#[test]
fn permit_reserves_a_slot_under_every_policy() {
    for overflow in POLICIES {
        let (sender, mut receiver) = bounded(2, overflow);
        let permit = block_on(sender.reserve()).unwrap();
        assert!(!sender.is_full() && sender.is_empty());
        for item in 1..=4 {
            let _full = sender.try_send(item);
        }
        assert_eq!(sender.len(), 1, "{overflow:?}");
        assert!(sender.is_full());
        permit.send(9).unwrap();
        assert_eq!(sender.len(), 2);
        let all = read_all(&mut receiver);
        assert_eq!(all[1], 9, "{overflow:?}");
        assert_eq!(stats(&receiver).peak, 2);
    }
}

#[test]
fn permits_for_all_slots_fill_the_channel() {
    for overflow in POLICIES {
        let (sender, receiver) = bounded(2, overflow);
        let permits = [sender.try_reserve().unwrap(), sender.try_reserve().unwrap()];
        assert!(sender.try_reserve().unwrap_err().is_full());
        let is_rejected = sender.try_send(1).is_err();
        assert_eq!(
            is_rejected,
            matches!(overflow, Overflow::Wait | Overflow::Fail)
        );
        assert_eq!(stats(&receiver).dropped.items, u64::from(!is_rejected));
        drop(permits);
        sender.try_send(2).unwrap();
        assert_eq!(sender.len(), 1);
    }
}

#[test]
fn dropped_permit_wakes_the_next_sender() {
    for capacity in 1..=8 {
        let (sender, receiver) = bounded(capacity, Overflow::Wait);
        let mut permits: Vec<_> = (0..capacity)
            .map(|_| sender.try_reserve().unwrap())
            .collect();
        let woken: Vec<_> = (0..2).map(|_| Arc::new(WakeCounter::default())).collect();
        let mut waiting = [sender.send(1), sender.send(2)];
        for (sending, woken) in waiting.iter_mut().zip(&woken) {
            let waker = waker(Arc::clone(woken));
            assert!(
                sending
                    .poll_unpin(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        drop(permits.pop());
        assert_eq!((woken[0].count(), woken[1].count()), (1, 0), "{capacity}");
        let [first, second] = waiting;
        assert_eq!(first.now_or_never(), Some(Ok(())));
        drop(permits);
        assert_eq!(woken[1].count(), usize::from(capacity > 1));
        drop(second);
        assert_eq!(stats(&receiver).waiting, 0);
    }
}

#[test]
fn permits_do_not_prevent_draining() {
    let (sender, mut receiver) = bounded(4, Overflow::Wait);
    let permits: Vec<_> = (0..3).map(|_| sender.try_reserve().unwrap()).collect();
    sender.try_send(1).unwrap();
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    let mut waiting_sender = sender.send(2);
    assert!(
        waiting_sender
            .poll_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    receiver.try_recv().unwrap();
    assert_eq!(
        woken.count(),
        1,
        "an empty queue wakes a sender, even if permits exceed the low-water mark"
    );
    assert_eq!(waiting_sender.now_or_never(), Some(Ok(())));
    drop(permits);
}

#[test]
fn cancelled_reserve_wakes_the_next_waiter() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    sender.try_send(1).unwrap();
    let mut first = sender.reserve();
    let mut second = sender.reserve();
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(stats(&receiver).waiting, 2);
    receiver.try_recv().unwrap();
    assert!(
        (&mut second).now_or_never().is_none(),
        "the second waiter must not overtake the first"
    );
    drop(first);
    let permit = second.now_or_never().unwrap().unwrap();
    assert!(sender.try_send(2).unwrap_err().is_full());
    permit.send(3).unwrap();
    assert_eq!(read_all(&mut receiver), [3]);
}

#[test]
fn permit_of_an_ended_channel_returns_the_item() {
    for drops_receiver in [false, true] {
        let (sender, mut receiver) = bounded(2, Overflow::Wait);
        let (used, unused) = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
        let mut waiting_sender = sender.reserve();
        assert!((&mut waiting_sender).now_or_never().is_none());
        if drops_receiver {
            drop(receiver);
        } else {
            assert!(receiver.close());
            assert!(
                receiver.next().now_or_never().unwrap().is_none(),
                "permits do not delay the end"
            );
        }
        assert_eq!(
            waiting_sender.now_or_never().unwrap().unwrap_err(),
            SendError::Closed(())
        );
        assert_eq!(used.send(1), Err(SendError::Closed(1)));
        drop(unused);
        assert!(sender.try_reserve().unwrap_err().is_closed());
        assert!(block_on(sender.reserve()).is_err());
        assert_eq!(sender.len(), 0);
    }
}

#[test]
fn each_permit_can_exceed_a_byte_bound() {
    let (sender, mut receiver) = channel(Bound::bytes(10).unwrap(), Overflow::Wait);
    let permits: Vec<_> = (0..3).map(|_| sender.try_reserve().unwrap()).collect();
    sender.try_send(vec![0_u8; 7]).unwrap();
    assert!(sender.try_send(vec![0]).unwrap_err().is_full());
    for permit in permits {
        permit.send(vec![0; 100]).unwrap();
    }
    assert_eq!(stats(&receiver).peak, 307);
    assert_eq!(read_all(&mut receiver).len(), 4);
}

#[test]
fn try_recv_distinguishes_empty_from_closed() {
    let (sender, mut receiver) = bounded(4, Overflow::Wait);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    for item in 1..=3 {
        sender.try_send(item).unwrap();
    }
    assert_eq!(receiver.try_recv().unwrap(), 1);
    sender.close();
    assert!(receiver.is_closed() && !receiver.is_terminated());
    assert_eq!(read_all(&mut receiver), [2, 3]);
    assert!(receiver.try_recv().unwrap_err().is_closed());

    let (sender, mut receiver) = bounded(4, Overflow::Wait);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    receiver.try_recv().unwrap();
    sender.abort();
    let error = receiver.try_recv().unwrap_err();
    assert!(matches!(error, TryRecvError::Failed(StreamError::Aborted)));
    assert!(!error.is_closed() && !error.is_empty());
    assert!(
        receiver.try_recv().unwrap_err().is_closed(),
        "the error is returned once"
    );
}

#[test]
fn try_recv_keeps_the_reader_registered() {
    let (sender, mut receiver) = bounded(4, Overflow::Wait);
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_next_unpin(&mut context).is_pending());
    assert!(receiver.try_recv().unwrap_err().is_empty());
    sender.try_send(1).unwrap();
    assert_eq!(woken.count(), 1);
}

#[test]
fn recv_many_respects_its_limit() {
    for overflow in POLICIES {
        let (sender, mut receiver) = bounded(9, overflow);
        let mut all = vec![0];
        assert_eq!(block_on(receiver.recv_many(&mut all, 0)).unwrap(), 0);
        assert!(receiver.recv_many(&mut all, 1).now_or_never().is_none());
        for item in 1..=9 {
            sender.try_send(item).unwrap();
        }
        let mut recv_up_to = |limit| block_on(receiver.recv_many(&mut all, limit)).unwrap();
        assert_eq!((recv_up_to(3), recv_up_to(0)), (3, 0), "{overflow:?}");
        sender.try_send(10).unwrap();
        assert_eq!(sender.len(), 7);
        // Reads the rest of the batch and the items queued after it.
        assert_eq!(recv_up_to(usize::MAX), 7, "{overflow:?}");
        sender.close();
        assert_eq!(recv_up_to(5), 0);
        assert!(all.iter().copied().eq(0..=10), "{overflow:?}: {all:?}");
        assert_eq!(stats(&receiver).received.items, 10);
        assert!(receiver.is_terminated());
    }
}

#[test]
fn recv_many_wakes_senders_and_keeps_the_error() {
    let (sender, mut receiver) = bounded(2, Overflow::Wait);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let mut waiting_sender = sender.send(3);
    assert!((&mut waiting_sender).now_or_never().is_none());
    let mut all = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut all, 9)).unwrap(), 2);
    assert_eq!(waiting_sender.now_or_never(), Some(Ok(())));
    sender.fail("interrupted");
    assert_eq!(block_on(receiver.recv_many(&mut all, 9)).unwrap(), 1);
    assert!(
        block_on(receiver.recv_many(&mut all, 9))
            .unwrap_err()
            .is_failed()
    );
    assert_eq!(block_on(receiver.recv_many(&mut all, 9)).unwrap(), 0);
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn closed_resolves_however_the_channel_ends() {
    let ends: [fn(&highwater::stream::Sender<u32>); 3] = [
        |sender| assert!(sender.close()),
        |sender| assert!(sender.fail("gone")),
        |sender| assert!(sender.abort()),
    ];
    for end in 0..=ends.len() {
        let (sender, receiver) = bounded(1, Overflow::Wait);
        let woken = Arc::new(WakeCounter::default());
        let waker = waker(Arc::clone(&woken));
        let mut waiting: Vec<_> = (0..5).map(|_| sender.closed()).collect();
        for closed in &mut waiting {
            assert!(
                closed
                    .poll_unpin(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        drop(waiting.remove(2));
        assert!(!receiver.is_closed());
        match ends.get(end) {
            Some(end) => end(&sender),
            None => drop(receiver),
        }
        assert_eq!(woken.count(), 4);
        for closed in waiting {
            assert_eq!(closed.now_or_never(), Some(()));
        }
        block_on(sender.closed());
    }
}

#[test]
fn sender_and_receiver_report_the_same_level() {
    for overflow in POLICIES {
        let (sender, mut receiver) = bounded(3, overflow);
        let level = |receiver: &highwater::stream::Receiver<u32>| {
            let sender_level = (sender.len(), sender.is_empty(), sender.is_full());
            let receiver_level = (receiver.len(), receiver.is_empty(), receiver.is_full());
            assert_eq!(sender_level, receiver_level, "{overflow:?}");
            sender_level
        };
        assert_eq!(level(&receiver), (0, true, false));
        for item in 1..=3 {
            sender.try_send(item).unwrap();
            assert_eq!(level(&receiver), (item as usize, false, item == 3));
        }
        sender.force_send(4).unwrap();
        assert_eq!(level(&receiver), (4, false, true));
        receiver.try_recv().unwrap();
        assert_eq!(level(&receiver), (3, false, true));
        receiver.try_recv().unwrap();
        assert_eq!(level(&receiver), (2, false, false));
        drop(receiver);
        assert_eq!((sender.len(), sender.is_full()), (0, false));
    }
}

#[test]
fn every_sink_clone_must_be_closed() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    let mut first = sender.into_sink();
    block_on(first.send(1)).unwrap();
    assert!(first.send(2).now_or_never().is_none());
    let mut second = first.clone();
    assert!(format!("{second:?}").contains("is_waiting: false"));
    assert!(second.send(3).now_or_never().is_none());
    assert_eq!(receiver.try_recv().unwrap(), 1);
    block_on(first.close()).unwrap();
    assert_eq!(receiver.try_recv().unwrap(), 2);
    block_on(second.close()).unwrap();
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 3);
    assert!(
        block_on(receiver.next()).is_none(),
        "closing the last sink closes the channel"
    );
    assert!(first.clone().stats().is_none());

    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    let sink = sender.into_sink();
    drop(sink.clone());
    let end = receiver.next().now_or_never().unwrap().unwrap();
    assert!(
        end.unwrap_err().is_failed(),
        "dropping an unclosed clone fails the channel"
    );
}

#[test]
fn flushed_sink_is_woken_when_channel_ends() {
    let (sender, receiver) = bounded(1, Overflow::Wait);
    let mut sink = sender.into_sink();
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert_eq!(sink.poll_flush_unpin(&mut context), Poll::Ready(Ok(())));
    drop(receiver);
    assert_eq!(woken.count(), 1);
    assert_eq!(
        sink.poll_ready_unpin(&mut context),
        Poll::Ready(Err(SendError::Closed(())))
    );
}

#[cfg(feature = "bytes")]
#[test]
fn weight_of_bytes_is_their_length() {
    use bytes::{Bytes, BytesMut};
    use highwater::stream::Weigh;

    let bytes = Bytes::from_static(b"0123456789");
    assert_eq!(bytes.slice(2..5).weight(), 3);
    assert_eq!(BytesMut::with_capacity(100).weight(), 0);
    assert_eq!(vec![bytes.clone(), bytes.slice(..1)].weight(), 11);
    let (sender, receiver) = channel(Bound::bytes(10).unwrap(), Overflow::Wait);
    sender.try_send(bytes.clone()).unwrap();
    assert!(sender.try_send(bytes).unwrap_err().is_full());
    assert_eq!(receiver.stats().queued.weight, 10);
}
