//! Channels: how they end, and what happens to queued items.

use crate::support::{WakeCounter, bounded, read_all, stats};
use futures::{
    FutureExt, SinkExt, StreamExt, executor::block_on, stream::FusedStream, task::waker,
};
use highwater::stream::{Bound, Overflow, SendError, StreamError, Unfinished, channel};
use std::{
    error::Error,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Close,
    ReaderCloses,
    DropSenders,
    Fail,
    Abort,
}

#[test]
fn ending_the_channel_returns_waiting_items() {
    use Ending::*;
    for ending in [Close, ReaderCloses, DropSenders, Fail, Abort] {
        let (sender, mut receiver) = bounded(2, Overflow::Wait);
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        let mut waiting_send = pin!(sender.send(3));
        let mut waiting_ready = pin!(sender.ready());
        assert!(waiting_send.as_mut().now_or_never().is_none());
        assert!(waiting_ready.as_mut().now_or_never().is_none());
        let other = sender.clone();
        match ending {
            Close => assert!(other.close()),
            ReaderCloses => assert!(receiver.close()),
            Fail => assert!(other.fail("disk full")),
            Abort => assert!(other.abort()),
            DropSenders => {}
        }
        if ending != DropSenders {
            assert!(sender.is_closed());
            assert!(
                !other.close() && !other.fail("too late"),
                "a channel ends only once"
            );
            assert_eq!(waiting_send.now_or_never(), Some(Err(SendError::Closed(3))));
            assert_eq!(
                waiting_ready.now_or_never(),
                Some(Err(SendError::Closed(())))
            );
            assert_eq!(sender.try_send(4), Err(SendError::Closed(4)));
            assert_eq!(sender.force_send(5), Err(SendError::Closed(5)));
            assert_eq!(block_on(sender.send(6)), Err(SendError::Closed(6)));
            assert_eq!(stats(&receiver).waiting, 0);
        }
        let queued = if ending == Abort { &[][..] } else { &[1, 2] };
        assert_eq!(stats(&receiver).queued.items, queued.len() as u64);
        if ending == DropSenders {
            continue;
        }
        for item in queued {
            assert_eq!(block_on(receiver.next()).unwrap().unwrap(), *item);
        }
        let end = block_on(receiver.next());
        match ending {
            Fail => {
                let error = end.unwrap().unwrap_err();
                assert!(error.is_failed() && !error.is_aborted());
                assert_eq!(error.source().unwrap().to_string(), "disk full");
            }
            Abort => assert!(end.unwrap().unwrap_err().is_aborted()),
            _ => assert!(end.is_none()),
        }
        assert!(receiver.is_terminated());
        assert!(
            block_on(receiver.next()).is_none(),
            "the error is returned once"
        );
    }
}

#[test]
fn dropping_the_last_sender_closes_the_channel() {
    let (sender, mut receiver) = bounded(2, Overflow::Wait);
    let other = sender.clone();
    sender.try_send(1).unwrap();
    drop(sender);
    other.try_send(2).unwrap();
    assert_eq!(read_all(&mut receiver), [1, 2]);
    let woken = Arc::new(WakeCounter::default());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_next_unpin(&mut context).is_pending());
    drop(other);
    assert_eq!(woken.count(), 1);
    assert!(matches!(
        receiver.poll_next_unpin(&mut context),
        Poll::Ready(None)
    ));
}

#[test]
fn abort_drops_the_batch_and_overrides_close() {
    for first_ending in [Ending::Close, Ending::Fail, Ending::Abort] {
        let (sender, mut receiver) = channel(Bound::items(8).unwrap(), Overflow::Wait);
        let item = Arc::new(());
        for _ in 0..6 {
            sender.try_send(Arc::clone(&item)).unwrap();
        }
        drop(block_on(receiver.next()));
        match first_ending {
            Ending::Close => assert!(sender.close()),
            Ending::Fail => assert!(sender.fail("gone")),
            _ => {}
        }
        assert!(sender.abort());
        assert!(!sender.abort());
        assert!(matches!(
            block_on(receiver.next()),
            Some(Err(StreamError::Aborted))
        ));
        assert_eq!(Arc::strong_count(&item), 1);
        let stats = stats(&receiver);
        assert_eq!((stats.received.items, stats.dropped.items), (1, 5));
        assert!(block_on(receiver.next()).is_none());
    }
}

#[test]
fn dropped_receiver_returns_waiting_items() {
    let (sender, mut receiver) = channel(Bound::items(6).unwrap(), Overflow::Wait);
    let item = Arc::new(());
    for _ in 0..6 {
        sender.try_send(Arc::clone(&item)).unwrap();
    }
    let mut waiting_send = pin!(sender.send(Arc::clone(&item)));
    assert!(waiting_send.as_mut().now_or_never().is_none());
    drop(block_on(receiver.next()));
    drop(receiver);
    assert_eq!(
        Arc::strong_count(&item),
        2,
        "the waiting sender holds its item"
    );
    assert!(
        waiting_send
            .now_or_never()
            .unwrap()
            .unwrap_err()
            .is_closed()
    );
    let stats = sender.stats();
    assert_eq!((stats.dropped.items, stats.queued.items), (5, 0));
}

#[test]
fn full_sink_holds_one_item() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    let mut sink = sender.into_sink();
    block_on(sink.send(1)).unwrap();
    assert!(sink.feed(2).now_or_never().unwrap().is_ok());
    assert_eq!(
        stats(&receiver).queued.items,
        1,
        "the sink's pending item is not queued"
    );
    assert!(sink.flush().now_or_never().is_none());
    assert!(sink.feed(3).now_or_never().is_none());
    assert!(sink.close().now_or_never().is_none());
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 1);
    block_on(sink.close()).unwrap();
    assert!(sink.stats().is_none());
    assert_eq!(block_on(sink.send(4)), Err(SendError::Closed(())));
    assert_eq!(read_all(&mut receiver), [2]);
    assert!(receiver.is_terminated());
}

#[test]
fn dropping_an_unclosed_sink_fails_the_channel() {
    let (sender, mut receiver) = bounded(1, Overflow::Wait);
    let mut sink = sender.clone().into_sink();
    block_on(sink.send(1)).unwrap();
    assert!(sink.send(2).now_or_never().is_none());
    drop(sink);
    assert_eq!(block_on(receiver.next()).unwrap().unwrap(), 1);
    let error = block_on(receiver.next()).unwrap().unwrap_err();
    assert!(error.source().unwrap().is::<Unfinished>());
    assert_eq!(stats(&receiver).waiting, 0);

    let (sender, receiver) = bounded(1, Overflow::Wait);
    let mut sink = sender.into_sink();
    drop(receiver);
    assert_eq!(block_on(sink.feed(1)), Err(SendError::Closed(())));
}
