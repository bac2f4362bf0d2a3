//! Inboxes with waiting emits, some of which are never polled.

#![expect(clippy::disallowed_types, reason = "a hang is to be noticed")]

use futures::{
    FutureExt, StreamExt,
    executor::block_on,
    task::{ArcWake, waker},
};
use highwater::events::{Emitter, Inbox, Overflow};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Context,
    time::{Duration, Instant},
};

fn full(capacity: usize) -> (Emitter<u32>, Inbox<u32>) {
    let emitter = Emitter::new();
    let inbox = emitter.inbox("inbox", capacity, Overflow::Wait).unwrap();
    while emitter.emit(&0).is_ok() {}
    (emitter, inbox)
}

fn read_all(inbox: &mut Inbox<u32>) -> Vec<u32> {
    std::iter::from_fn(|| inbox.try_next()).collect()
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn unpolled_emit_costs_at_most_one_slot() {
    for capacity in 1..=if cfg!(miri) { 3 } else { 9 } {
        let (emitter, mut inbox) = full(capacity);
        let mut kept = Box::pin(emitter.emit_serial(100));
        assert!(kept.as_mut().now_or_never().is_none());
        assert_eq!(read_all(&mut inbox).len(), capacity);
        for round in 0..3 {
            let sent = (1..=20).take_while(|event| emitter.emit(event).is_ok());
            // An empty inbox accepts an event even if its only slot is reserved.
            let free = (capacity - 1).max(1);
            assert_eq!(sent.count(), free, "round {round}");
            assert_eq!(read_all(&mut inbox).len(), free);
        }
        assert_eq!(kept.now_or_never().unwrap().unwrap(), 1);
        assert_eq!(read_all(&mut inbox), [100]);
        assert_eq!(inbox.stats().peak, capacity);
    }
}

#[test]
fn emits_behind_unpolled_ones_are_woken() {
    for capacity in 2..=if cfg!(miri) { 3 } else { 9 } {
        for kept in 1..capacity {
            let (emitter, mut inbox) = full(capacity);
            let mut never_polled: Vec<_> = (0..kept)
                .map(|_| Box::pin(emitter.emit_serial(1)))
                .collect();
            for emit in &mut never_polled {
                assert!(emit.now_or_never().is_none());
            }
            let woken = Arc::new(Woken::default());
            let waker = waker(Arc::clone(&woken));
            let mut live = Box::pin(emitter.emit_serial(2));
            let polled = live.poll_unpin(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            read_all(&mut inbox);
            assert_eq!(woken.0.load(Ordering::Relaxed), 1, "{kept} of {capacity}");
            assert_eq!(live.now_or_never().unwrap().unwrap(), 1);
            assert_eq!(read_all(&mut inbox), [2]);
        }
    }
}

#[test]
fn polled_emit_is_overtaken_at_most_once() {
    let (emitter, mut inbox) = full(1);
    let mut waits = Box::pin(emitter.emit_serial(1));
    assert!(waits.as_mut().now_or_never().is_none());
    inbox.try_next().unwrap();
    emitter.emit(&2).unwrap();
    assert!(waits.as_mut().now_or_never().is_none());
    inbox.try_next().unwrap();
    assert!(emitter.emit(&3).is_err(), "its slot is reserved");
    assert_eq!(waits.now_or_never().unwrap().unwrap(), 1);
    assert_eq!(read_all(&mut inbox), [1]);
}

/// Many enough that quadratic time looks like a hang.
const MANY: usize = 200_000;

#[test]
fn many_waiting_emits_leave_in_any_order() {
    let most = if cfg!(miri) { 20 } else { MANY };
    for last_first in [true, false] {
        let start = Instant::now();
        let (emitter, inbox) = full(1);
        let mut waiting: Vec<_> = (0..most)
            .map(|event| Box::pin(emitter.emit_serial(u32::try_from(event).unwrap())))
            .collect();
        for emit in &mut waiting {
            assert!(emit.now_or_never().is_none());
        }
        assert_eq!(inbox.stats().waiting, most);
        if last_first {
            waiting.reverse();
        }
        for emit in waiting {
            drop(emit);
        }
        assert_eq!(inbox.stats().waiting, 0);
        assert!(start.elapsed() < Duration::from_mins(1));
    }
}

/// An event that can panic when its last copy is dropped.
#[derive(Clone)]
struct Event(#[expect(dead_code, reason = "it is dropped")] Arc<Bomb>);

struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "a bomb");
    }
}

fn event(is_bomb: bool) -> Event {
    Event(Arc::new(Bomb(is_bomb)))
}

#[test]
fn panicking_event_drop_loses_no_wake_up() {
    let emitter = Emitter::new();
    let inbox = emitter.inbox("inbox", 2, Overflow::Wait).unwrap();
    let monitor = inbox.monitor();
    for _ in 0..2 {
        emitter.emit(&event(true)).unwrap();
    }
    let woken = Arc::new(Woken::default());
    let waker = waker(Arc::clone(&woken));
    let mut waits = Box::pin(emitter.emit_serial(event(false)));
    let polled = waits.poll_unpin(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(inbox))).is_err());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(waits.now_or_never().unwrap().unwrap(), 1);
    let stats = monitor.stats();
    assert_eq!((stats.dropped, stats.queued, stats.waiting), (3, 0, 0));

    for overflow in [Overflow::Latest, Overflow::DropOldest] {
        let emitter = Emitter::new();
        let mut inbox = emitter.inbox("inbox", 1, overflow).unwrap();
        let first = event(true);
        emitter.emit(&first).unwrap();
        drop(first);
        let second = event(false);
        assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&second))).is_err());
        assert!(
            inbox.next().now_or_never().is_some(),
            "the new event is queued"
        );
        assert_eq!(inbox.stats().dropped, 1);
    }
}

/// An event whose copies all panic on drop if set to `true`.
#[derive(Clone)]
struct BombEach(bool);

impl Drop for BombEach {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "a bomb");
    }
}

#[test]
fn late_event_is_counted_before_its_drop() {
    let emitter = Emitter::new();
    let inbox = emitter.inbox("inbox", 1, Overflow::Wait).unwrap();
    let monitor = inbox.monitor();
    emitter.emit(&BombEach(false)).unwrap();
    let mut waits = Box::pin(emitter.emit_serial(BombEach(true)));
    assert!((&mut waits).now_or_never().is_none());
    inbox.close();
    let polled = catch_unwind(AssertUnwindSafe(|| (&mut waits).now_or_never()));
    assert!(polled.is_err(), "the panic must propagate");
    assert_eq!((monitor.stats().dropped, monitor.stats().queued), (1, 1));
}

#[test]
fn monitor_outlives_the_inbox() {
    let emitter = Emitter::new();
    let inbox = emitter.inbox("inbox", 8, Overflow::Wait).unwrap();
    let monitor = inbox.monitor();
    let same = monitor.clone();
    let held = Arc::new(());
    for _ in 0..5 {
        emitter.emit(&held).unwrap();
    }
    let mut reader = Box::pin(async move {
        let mut inbox = inbox;
        let _first = inbox.next().await;
        futures::future::pending::<()>().await;
        drop(inbox);
    });
    assert!(reader.as_mut().now_or_never().is_none());
    assert_eq!((monitor.stats().received, monitor.stats().queued), (1, 4));
    assert_eq!(monitor.capacity(), 8);
    assert!(!monitor.is_closed());
    drop(reader);
    let stats = same.stats();
    assert!(same.is_closed());
    assert_eq!((stats.sent, stats.received, stats.dropped), (5, 1, 4));
    assert_eq!((stats.queued, stats.waiting), (0, 0));
    assert_eq!(Arc::strong_count(&held), 1, "its events are freed");
    assert_eq!(emitter.listener_count(), 0);
    assert!(format!("{monitor:?}").contains("capacity: 8"));

    let other = emitter.inbox("other", 1, Overflow::Wait).unwrap();
    let monitors = [monitor, other.monitor(), full(1).1.monitor()];
    let sent: Vec<_> = monitors
        .iter()
        .map(|monitor| monitor.stats().sent)
        .collect();
    assert_eq!(sent, [5, 0, 1], "of any type");
    block_on(emitter.emit_serial(held)).unwrap();
    assert_eq!(monitors[1].stats().queued, 1);
}
