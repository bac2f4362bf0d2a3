//! Inboxes: capacity, overflow and closing.

use futures::{
    FutureExt, Stream, StreamExt,
    executor::block_on,
    stream::FusedStream,
    task::{ArcWake, waker},
};
use highwater::events::{Bus, Emitter, Inbox, InboxFull, InboxStats, Overflow, ZeroCapacity};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Context,
};

fn inbox(capacity: usize, overflow: Overflow) -> (Emitter<u32>, Inbox<u32>) {
    let emitter = Emitter::new();
    let inbox = emitter.inbox("inbox", capacity, overflow).unwrap();
    (emitter, inbox)
}

fn read_all(inbox: &mut Inbox<u32>) -> Vec<u32> {
    std::iter::from_fn(|| inbox.try_next()).collect()
}

/// Returns the statistics, which account for every event.
fn stats(inbox: &Inbox<u32>) -> InboxStats {
    let stats = inbox.stats();
    let accounted = stats.received + stats.dropped + stats.queued as u64;
    assert_eq!(stats.sent, accounted, "{stats:?}");
    assert!(stats.peak <= inbox.capacity(), "{stats:?}");
    stats
}

#[test]
fn events_are_read_in_order() {
    let (emitter, mut inbox) = inbox(4, Overflow::Wait);
    for event in 1..=3 {
        emitter.emit(&event).unwrap();
    }
    assert_eq!(block_on(inbox.next()), Some(1));
    emitter.emit(&4).unwrap();
    assert_eq!(stats(&inbox).queued, 3);
    assert_eq!(read_all(&mut inbox), [2, 3, 4]);
    assert_eq!(inbox.next().now_or_never(), None, "there may be more");
    let stats = stats(&inbox);
    assert_eq!((stats.sent, stats.received, stats.peak), (4, 4, 3));
}

#[test]
fn zero_capacity_is_rejected() {
    let emitter: Emitter<u32> = Emitter::new();
    let rejected = emitter.inbox("none", 0, Overflow::Wait).unwrap_err();
    assert_eq!(rejected, ZeroCapacity);
    assert!(rejected.to_string().contains("at least 1"));
    assert_eq!(emitter.listener_count(), 0);
    assert!(Bus::new().inbox::<u8>("none", 0, Overflow::Fail).is_err());
}

#[test]
fn full_inbox_applies_its_policy() {
    for (overflow, kept, dropped) in [
        (Overflow::DropOldest, &[3, 4, 5][..], 2),
        (Overflow::DropNewest, &[1, 2, 3], 2),
        (Overflow::Latest, &[4, 5], 3),
    ] {
        let (emitter, mut inbox) = inbox(3, overflow);
        for event in 1..=5 {
            emitter.emit(&event).unwrap();
        }
        assert_eq!(stats(&inbox).dropped, dropped, "{overflow:?}");
        assert_eq!(read_all(&mut inbox), kept, "{overflow:?}");
        assert_eq!(stats(&inbox).peak, 3);
    }
    for overflow in [Overflow::Fail, Overflow::Wait] {
        let (emitter, mut inbox) = inbox(3, overflow);
        for event in 1..=3 {
            emitter.emit(&event).unwrap();
        }
        let failures = emitter.emit(&4).unwrap_err().into_failures();
        assert_eq!(&*failures[0].listener, "inbox");
        let full = failures[0].error.downcast_ref::<InboxFull>();
        assert_eq!(full, Some(&InboxFull { capacity: 3 }));
        assert_eq!((stats(&inbox).sent, stats(&inbox).rejected), (3, 1));
        assert_eq!(inbox.try_next(), Some(1));
        emitter.emit(&5).unwrap();
        assert_eq!(read_all(&mut inbox), [2, 3, 5]);
    }
}

#[test]
fn bound_holds_while_reading() {
    for capacity in 1..=9 {
        for overflow in [Overflow::Fail, Overflow::DropNewest] {
            let (emitter, mut inbox) = inbox(capacity, overflow);
            for event in 0..if cfg!(miri) { 30 } else { 200 } {
                let _full = emitter.emit(&event);
                if event % 3 == 0 {
                    assert!(inbox.try_next().is_some());
                    // Its slot is free at once.
                    emitter.emit(&event).unwrap();
                    assert!(stats(&inbox).queued <= capacity);
                }
            }
            assert_eq!(stats(&inbox).peak, capacity);
        }
    }
}

#[test]
fn awaited_emits_wait_in_line_for_room() {
    let (emitter, mut inbox) = inbox(1, Overflow::Wait);
    emitter.emit(&1).unwrap();
    let mut second = pin!(emitter.emit_serial(2));
    let mut third = pin!(emitter.emit_concurrent(3, 0));
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    assert_eq!(stats(&inbox).waiting, 2);
    assert!(emitter.emit(&4).is_err(), "a plain emit cannot wait");

    assert_eq!(inbox.try_next(), Some(1));
    assert!(third.as_mut().now_or_never().is_none(), "not its turn");
    assert!(emitter.emit(&5).is_err(), "it must not overtake them");
    assert_eq!(second.as_mut().now_or_never().unwrap().unwrap(), 1);
    assert_eq!(inbox.try_next(), Some(2));
    assert_eq!(third.as_mut().now_or_never().unwrap().unwrap(), 1);
    assert_eq!(inbox.try_next(), Some(3));
    assert_eq!((stats(&inbox).rejected, stats(&inbox).waiting), (2, 0));
}

/// A waker that counts.
#[derive(Default)]
struct Woken(AtomicUsize);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn cancelled_emit_wakes_the_next() {
    let (emitter, mut inbox) = inbox(1, Overflow::Wait);
    emitter.emit(&1).unwrap();
    let (first_woken, second_woken) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut first = Box::pin(emitter.emit_serial(2));
    let mut second = Box::pin(emitter.emit_serial(3));
    let polled = first.poll_unpin(&mut Context::from_waker(&waker(Arc::clone(&first_woken))));
    assert!(polled.is_pending());
    let polled = second.poll_unpin(&mut Context::from_waker(&waker(Arc::clone(&second_woken))));
    assert!(polled.is_pending());

    assert_eq!(inbox.try_next(), Some(1));
    assert_eq!(first_woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(second_woken.0.load(Ordering::Relaxed), 0);
    drop(first);
    assert_eq!(second_woken.0.load(Ordering::Relaxed), 1);
    assert!(second.now_or_never().is_some());
    assert_eq!(
        read_all(&mut inbox),
        [3],
        "the cancelled event is not queued"
    );
    assert_eq!(stats(&inbox).sent, 2);
}

#[test]
fn sleeping_reader_is_woken_by_event_and_end() {
    let (emitter, mut inbox) = inbox(2, Overflow::Wait);
    let woken = Arc::new(Woken::default());
    let waker = waker(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(inbox.poll_next_unpin(&mut context).is_pending());
    assert_eq!(inbox.try_next(), None, "try_next keeps the waker");
    emitter.emit(&1).unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    emitter.emit(&2).unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "woken once");
    assert_eq!(read_all(&mut inbox), [1, 2]);
    assert!(inbox.poll_next_unpin(&mut context).is_pending());
    drop(emitter);
    assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    assert!(!inbox.is_terminated());
    assert!(inbox.poll_next_unpin(&mut context).is_ready());
    assert!(inbox.is_terminated());
}

#[test]
fn closed_inbox_drains_and_ends() {
    type End = fn(&Emitter<u32>, &Inbox<u32>);
    let ends: [(&str, End); 3] = [
        ("close", |_, inbox| inbox.close()),
        ("off", |emitter, inbox| assert!(emitter.off(inbox.id()))),
        ("remove_all", |emitter, _| {
            assert_eq!(emitter.remove_all(), 1);
        }),
    ];
    for (name, end) in ends {
        let (emitter, mut inbox) = inbox(3, Overflow::Wait);
        emitter.emit(&1).unwrap();
        emitter.emit(&2).unwrap();
        end(&emitter, &inbox);
        assert_eq!(emitter.listener_count(), 0, "{name}");
        assert_eq!(emitter.emit(&3).unwrap(), 0);
        assert_eq!(inbox.size_hint(), (2, Some(2)));
        let rest: Vec<_> = block_on(inbox.by_ref().collect());
        assert_eq!(rest, [1, 2], "{name}");
        inbox.close();
    }
}

#[test]
fn closing_or_dropping_releases_waiting_emits() {
    for drops in [false, true] {
        let (emitter, inbox) = inbox(1, Overflow::Wait);
        emitter.emit(&1).unwrap();
        let mut waits = pin!(emitter.emit_serial(2));
        assert!(waits.as_mut().now_or_never().is_none());
        if drops {
            drop(inbox);
        } else {
            inbox.close();
            assert!(waits.as_mut().now_or_never().is_some());
            assert_eq!((stats(&inbox).dropped, stats(&inbox).queued), (1, 1));
            continue;
        }
        assert_eq!(waits.as_mut().now_or_never().unwrap().unwrap(), 1);
        assert_eq!(emitter.listener_count(), 0);
    }
}

#[test]
fn queued_events_are_dropped_with_the_inbox() {
    let emitter = Emitter::new();
    let event = Arc::new(());
    let mut inbox = emitter.inbox("inbox", 8, Overflow::Wait).unwrap();
    for _ in 0..6 {
        emitter.emit(&event).unwrap();
    }
    // Some of them are in the batch of the reader, some are not.
    drop(inbox.try_next());
    assert_eq!(Arc::strong_count(&event), 6);
    drop(inbox);
    assert_eq!(Arc::strong_count(&event), 1);
}

#[test]
fn dropped_event_can_use_the_emitter() {
    struct Busy(Emitter<Arc<Busy>>);
    impl Drop for Busy {
        fn drop(&mut self) {
            let _nobody = self.0.listener_count();
        }
    }
    let emitter = Emitter::new();
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Latest] {
        let inbox = emitter.inbox("inbox", 1, overflow).unwrap();
        for _ in 0..3 {
            emitter.emit(&Arc::new(Busy(emitter.clone()))).unwrap();
        }
        assert_eq!(inbox.stats().dropped, 2);
    }
}

#[test]
fn inbox_is_an_ordinary_listener() {
    let (emitter, inbox) = inbox(1, Overflow::Wait);
    let [listener] = &emitter.listeners()[..] else {
        panic!("one listener");
    };
    assert_eq!((&*listener.name, listener.id), ("inbox", inbox.id()));
    assert_eq!(listener.location.file(), file!());
    let text = format!("{inbox:?}");
    assert!(text.contains("capacity: 1") && text.contains("queued: 0"));
}
