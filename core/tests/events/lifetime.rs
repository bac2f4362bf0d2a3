//! Handles, `once`, `prepend`, and drops during an emit.

#![expect(clippy::disallowed_methods, reason = "threads that race for a once")]

use crate::logged::Log;
use highwater::events::{Bus, Emitter, FailurePolicy, ListenerId, Options, Overflow, Removal};
use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Miri is about a hundred times slower.
const ROUNDS: usize = if cfg!(miri) { 10 } else { 500 };

#[test]
fn nested_emits_call_a_once_once() {
    for removal in [Removal::Snapshot, Removal::Live] {
        let log = Log::default();
        let emitter = Emitter::with_options(Options::new().removal(removal));
        let (weak, own) = (emitter.downgrade(), log.clone());
        let first = move |depth: &u8| {
            own.add(format!("first {depth}"));
            if *depth < 2 {
                weak.upgrade().unwrap().emit(&(depth + 1)).unwrap();
            }
        };
        emitter.on("first", first).detach();
        let (weak, own) = (emitter.downgrade(), log.clone());
        let once = move |depth: &u8| {
            own.add(format!("once {depth}"));
            // It is removed before it is called.
            assert_eq!(weak.upgrade().unwrap().listener_count(), 1);
        };
        let once = emitter.once("once", once).detach();
        let flags: Vec<bool> = emitter.listeners().iter().map(|one| one.is_once).collect();
        assert_eq!(flags, [false, true]);
        assert_eq!(emitter.emit(&0).unwrap(), 1, "the innermost emit called it");
        assert_eq!(log.take(), ["first 0", "first 1", "first 2", "once 2"]);
        assert!(!emitter.off(once), "its handle was used");
    }
}

#[test]
fn racing_threads_call_a_once_once() {
    for removal in [Removal::Snapshot, Removal::Live] {
        let emitter = Emitter::<usize>::with_options(Options::new().removal(removal));
        let (calls, start) = (Arc::new(AtomicUsize::new(0)), Barrier::new(2));
        let race = || {
            let mut delivered = 0;
            for round in 0..ROUNDS {
                if start.wait().is_leader() {
                    let calls = Arc::clone(&calls);
                    let call = move |_: &usize| {
                        calls.fetch_add(1, Ordering::Relaxed);
                    };
                    emitter.once("once", call).detach();
                }
                start.wait();
                delivered += emitter.emit(&round).unwrap();
            }
            delivered
        };
        let delivered: usize = thread::scope(|scope| {
            let racers = [scope.spawn(race), scope.spawn(race)];
            racers.map(|racer| racer.join().unwrap()).iter().sum()
        });
        assert_eq!(calls.load(Ordering::Relaxed), ROUNDS);
        assert_eq!(delivered, ROUNDS);
        assert_eq!(emitter.listener_count(), 0);
        assert_eq!(Arc::strong_count(&calls), 1, "each is freed");
    }
}

#[test]
fn latest_prepended_comes_first() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    emitter.on("on", log.listener("on")).detach();
    emitter.once("once", log.listener("once")).detach();
    emitter.prepend("p", log.listener("p")).detach();
    emitter.prepend_once("po", log.listener("po")).detach();
    emitter.prepend("q", log.listener("q")).detach();
    assert_eq!(emitter.emit(&0).unwrap(), 5);
    assert_eq!(log.take(), ["q", "po", "p", "on", "once"]);
    assert_eq!(emitter.emit(&0).unwrap(), 3);
    assert_eq!(log.take(), ["q", "p", "on"]);
}

#[test]
fn handle_works_once_and_on_its_own_emitter() {
    let (emitter, other) = (Emitter::<u8>::new(), Emitter::<u8>::new());
    let handle = emitter.on("a", |_| ()).detach();
    let theirs = other.on("a", |_| ()).detach();
    assert!(!other.off(handle));
    assert!(emitter.off(handle));
    assert!(!emitter.off(handle));
    assert!(!emitter.off(theirs));
    assert_eq!((emitter.listener_count(), other.listener_count()), (0, 1));

    let subscription = emitter.on("b", |_| ());
    let id = subscription.id();
    assert!(emitter.off(id));
    drop(subscription);
    assert!(!emitter.off(id), "dropping its subscription has no effect");

    let monitor = emitter.monitor(|_, _| panic!("it was removed"));
    assert_eq!(emitter.remove_all(), 0, "a monitor is not a listener");
    assert!(emitter.off(monitor.id()));
    assert_eq!(emitter.emit(&0).unwrap(), 0);
}

#[test]
fn bus_removes_listeners_of_any_type() {
    let (bus, other) = (Bus::new(), Bus::new());
    let number = bus.on("a", |_: &u8| ()).detach();
    let letter = bus.on("a", |_: &char| ()).detach();
    let tap = bus.tap(|_| panic!("it was removed")).detach();
    for handle in [number, letter, tap] {
        assert!(!other.off(handle));
        assert!(bus.off(handle));
        assert!(!bus.off(handle));
    }
    let emitted = (bus.emit(&1_u8).unwrap(), bus.emit(&'x').unwrap());
    assert_eq!(emitted, (0, 0));
}

#[test]
fn tap_sees_later_types_until_removed() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.on("known", |_: &u8| ()).detach();
    let own = log.clone();
    let tap = bus.tap(move |tapped| own.add(format!("{tapped:?}")));
    bus.emit(&1_u8).unwrap();
    let lines = log.take();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[3].contains("Emitted") && lines[3].contains("\"u8\""),
        "{lines:?}"
    );
    bus.emit(&'x').unwrap();
    let lines = log.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("\"char\"") && lines[0].contains("listeners: 0"));

    tap.cancel();
    let emitted = (bus.emit(&1_u8), bus.emit(&'x'), bus.emit(&"another"));
    assert_eq!(log.take(), [""; 0], "{emitted:?}");
    assert_eq!(bus.event_types(), ["u8", "char", "&str"]);
}

#[test]
fn listener_can_remove_everything_on_its_bus() {
    for (removal, expected) in [(Removal::Snapshot, 3), (Removal::Live, 1)] {
        let (bus, log) = (
            Bus::with_options(Options::new().removal(removal)),
            Log::default(),
        );
        let handles: Arc<Mutex<Vec<ListenerId>>> = Arc::default();
        let (own, all) = (bus.clone(), Arc::clone(&handles));
        let off = move |_: &u8| {
            for handle in all.lock().unwrap().drain(..) {
                assert!(own.off(handle));
            }
        };
        let held = Arc::new(());
        let holder = Arc::clone(&held);
        let lines = log.clone();
        handles.lock().unwrap().extend([
            bus.tap(move |_| lines.add("tap")).detach(),
            bus.on("off", off).detach(),
            bus.on("a", log.listener::<u8>("a")).detach(),
            bus.on("b", move |_: &u8| drop(Arc::clone(&holder)))
                .detach(),
            bus.on("of another type", |_: &char| ()).detach(),
        ]);
        assert_eq!(bus.emit(&0_u8).unwrap(), expected);
        log.take();
        assert_eq!(Arc::strong_count(&held), 1, "captured values are freed");
        assert_eq!((bus.emit(&0_u8).unwrap(), bus.emit(&'x').unwrap()), (0, 0));
        assert_eq!(log.take(), [""; 0]);
    }
}

/// Returns a listener that logs how many share `held`.
fn holding<E: ?Sized>(held: &Arc<()>, log: &Log) -> impl Fn(&E) + use<E> {
    let (held, log) = (Arc::clone(held), log.clone());
    move |_| log.add(format!("held by {}", Arc::strong_count(&held) - 1))
}

#[test]
fn emitter_can_be_dropped_during_its_emit() {
    for options in [
        Options::new(),
        Options::new().removal(Removal::Live),
        Options::new().policy(FailurePolicy::FailFast),
    ] {
        let (held, log) = (Arc::new(()), Log::default());
        let emitter = Emitter::<u8>::with_options(options);
        let weak = emitter.downgrade();
        let last = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&last);
        let drops_handle = move |_: &u8| drop(slot.lock().unwrap().take());
        let first = emitter.on("drops it", drops_handle);
        emitter.once("a", holding(&held, &log)).detach();
        let subscription = emitter.on("b", holding(&held, &log));
        emitter.errors().on("c", holding(&held, &log)).detach();
        let monitor = emitter.monitor(holding_monitor(&held));
        *last.lock().unwrap() = Some(emitter);

        let result = weak.upgrade().unwrap().emit(&0);
        assert_eq!(result.unwrap(), 3, "it completes");
        assert!(weak.upgrade().is_none());
        assert_eq!(log.take(), ["held by 4", "held by 4"]);
        assert_eq!(Arc::strong_count(&held), 1);
        drop((first, subscription, monitor));
    }
}

fn holding_monitor(held: &Arc<()>) -> impl Fn(&u8, highwater::events::Notice<'_>) + use<> {
    let held = Arc::clone(held);
    move |_, _| assert!(Arc::strong_count(&held) > 1)
}

#[test]
fn bus_can_be_dropped_during_its_emit() {
    let (held, log) = (Arc::new(()), Log::default());
    let last = Arc::new(Mutex::new(Some(Bus::new())));
    let bus = || last.lock().unwrap().clone().unwrap();
    let slot = Arc::clone(&last);
    let drops_handle = move |_: &u8| drop(slot.lock().unwrap().take());
    let subscriptions = (
        bus().on("drops it", drops_handle),
        bus().on("a", holding::<u8>(&held, &log)),
        bus().on("of another type", holding::<char>(&held, &log)),
    );
    let tap = Arc::clone(&held);
    let tap = bus().tap(move |_| assert!(Arc::strong_count(&tap) > 1));
    let mut inbox = bus().inbox::<u8>("inbox", 1, Overflow::Fail).unwrap();
    assert_eq!(bus().emit(&7_u8).unwrap(), 3);
    assert_eq!(log.take(), ["held by 3"]);
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "everything is freed after the emit"
    );
    assert_eq!(inbox.try_next(), Some(7));
    drop((subscriptions, tap));
}

#[test]
fn emitter_of_a_bus_outlives_it() {
    let (bus, log) = (Bus::new(), Log::default());
    let emitter = bus.emitter::<u8>();
    let other = bus.emitter::<char>().downgrade();
    emitter.on("a", log.failing("a")).detach();
    drop(bus);
    assert!(emitter.emit(&0).is_err());
    assert_eq!(log.take(), ["a"]);
    assert!(other.upgrade().is_none());
}

#[test]
fn inbox_can_be_dropped_during_an_emit() {
    let (emitter, held) = (Emitter::<Arc<()>>::new(), Arc::new(()));
    let slot = Arc::new(Mutex::new(None));
    let own = Arc::clone(&slot);
    let drops_handle = move |_: &Arc<()>| drop(own.lock().unwrap().take());
    emitter.on("drops it", drops_handle).detach();
    let inbox = emitter.inbox("inbox", 4, Overflow::Wait).unwrap();
    *slot.lock().unwrap() = Some(inbox);
    assert_eq!(emitter.emit(&held).unwrap(), 2, "it is in the snapshot");
    assert_eq!(Arc::strong_count(&held), 1, "but it holds no event");
    assert_eq!(emitter.listener_count(), 1);
}

#[test]
fn removed_monitor_sees_the_rest_of_the_emit() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let slot = Arc::new(Mutex::new(None));
    let (own, lines) = (Arc::clone(&slot), log.clone());
    let monitor = emitter.monitor(move |_, _| {
        drop(own.lock().unwrap().take());
        lines.add("notice");
    });
    *slot.lock().unwrap() = Some(monitor);
    emitter.on("a", |_| ()).detach();
    emitter.emit(&0).unwrap();
    assert_eq!(log.take().len(), 4);
    emitter.emit(&0).unwrap();
    assert_eq!(log.take().len(), 0);
}
