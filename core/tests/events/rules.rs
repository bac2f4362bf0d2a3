//! The rules of emitters and buses: order, isolation, snapshot, panics.

#![expect(
    clippy::disallowed_methods,
    reason = "a deadlock has to fail a test, not to hang it"
)]

use crate::logged::Log;
use highwater::events::{Bus, Emitter, Notice, Subscription};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// Runs a test that would hang in a deadlock.
fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    wait.recv_timeout(Duration::from_mins(1))
        .expect("neither deadlocks nor panics");
}

#[test]
fn listeners_run_in_order() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let _subscriptions = ["c", "a", "b"].map(|name| emitter.on(name, log.listener(name)));
    assert_eq!(emitter.emit(&0).unwrap(), 3);
    assert_eq!(log.take(), ["c", "a", "b"]);
    assert_eq!(format!("{emitter:?}"), r#"["c", "a", "b"]"#);
}

#[test]
fn failures_are_isolated_and_returned_in_order() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let _subscriptions = (
        emitter.on("a", log.failing("a")),
        emitter.on("b", log.listener("b")),
        emitter.on("c", log.failing("c")),
        emitter.on("d", log.listener("d")),
    );
    let error = emitter.emit(&0).unwrap_err();
    assert_eq!(log.take(), ["a", "b", "c", "d"]);
    assert_eq!(error.delivered(), 4);
    let failed: Vec<_> = error.failures().iter().map(|f| &*f.listener).collect();
    assert_eq!(failed, ["a", "c"]);
    assert_eq!(
        error.to_string(),
        "2 of 4 listeners failed: a: a is out; c: c is out"
    );
}

#[test]
fn names_need_not_be_unique() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let first = emitter.on("same", log.failing("first"));
    let _second = emitter.on("same", log.failing("second"));
    assert_eq!(emitter.emit(&0).unwrap_err().failures().len(), 2);
    log.take();
    first.cancel();
    assert_eq!(emitter.emit(&0).unwrap_err().failures().len(), 1);
    assert_eq!(log.take(), ["second"]);
}

#[test]
fn listener_can_remove_itself() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let slot: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let once = emitter.on("once", {
        let (log, slot) = (log.clone(), Arc::clone(&slot));
        move |_: &u8| {
            log.add("once");
            slot.lock().unwrap().take().unwrap().cancel();
        }
    });
    *slot.lock().unwrap() = Some(once);
    let _after = emitter.on("after", log.listener("after"));
    assert_eq!(emitter.emit(&0).unwrap(), 2);
    assert_eq!(emitter.emit(&0).unwrap(), 1);
    assert_eq!(log.take(), ["once", "after", "after"]);
}

#[test]
fn inner_emit_completes_first() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let _first = emitter.on("first", {
        let (log, emitter) = (log.clone(), emitter.clone());
        move |depth| {
            log.add(format!("first {depth}"));
            if *depth < 2 {
                assert_eq!(emitter.emit(&(depth + 1)).unwrap(), 2);
            }
        }
    });
    let _second = emitter.on("second", {
        let log = log.clone();
        move |depth| {
            log.add(format!("second {depth}"));
        }
    });
    assert_eq!(emitter.emit(&0).unwrap(), 2);
    let expected = [
        "first 0", "first 1", "first 2", "second 2", "second 1", "second 0",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn subscription_does_not_keep_the_emitter_alive() {
    let emitter = Emitter::<u8>::new();
    let held = Arc::new(());
    let holding = |held: &Arc<()>| {
        let held = Arc::clone(held);
        move |_: &u8| {
            let _ = &held;
        }
    };
    let subscription = emitter.on("holder", holding(&held));
    let cancelled = emitter.on("holder", holding(&held));
    cancelled.cancel();
    assert_eq!(Arc::strong_count(&held), 2, "a cancelled listener is freed");
    drop(emitter);
    assert_eq!(Arc::strong_count(&held), 1, "the listeners went with it");
    subscription.cancel();
}

#[test]
fn events_can_be_unsized_and_not_send() {
    let emitter = Emitter::<str>::new();
    let _subscription = emitter.on("length", |text: &str| match text.len() {
        3 => Ok(()),
        _ => Err("not three"),
    });
    assert_eq!(emitter.emit("abc").unwrap(), 1);
    let bus = Bus::new();
    assert_eq!(bus.emit(&Rc::new(1)).unwrap(), 0);
}

#[test]
fn bus_dispatches_by_type() {
    struct Paid(u8);
    struct Shipped(u8);
    let (bus, log) = (Bus::new(), Log::default());
    let note = |log: &Log, text: &'static str| {
        let log = log.clone();
        move |number: u8| log.add(format!("{text} {number}"))
    };
    let (paid, shipped) = (note(&log, "paid"), note(&log, "shipped"));
    let _paid = bus.on("stock", move |event: &Paid| {
        paid(event.0);
    });
    let clone = bus.clone();
    let _shipped = clone.on("mail", move |event: &Shipped| {
        shipped(event.0);
    });
    assert_eq!(bus.emit(&Shipped(1)).unwrap(), 1);
    assert_eq!(clone.emit(&Paid(2)).unwrap(), 1);
    assert_eq!(bus.emitter::<Paid>().emit(&Paid(3)).unwrap(), 1);
    assert_eq!(bus.emit(&"no listener").unwrap(), 0);
    assert_eq!(log.take(), ["shipped 1", "paid 2", "paid 3"]);
    assert_eq!(bus.listener_count::<Paid>(), 1);
}

#[test]
fn monitor_sees_every_step_in_order() {
    let (bus, log) = (Bus::new(), Log::default());
    drop(bus.emitter::<u8>().monitor(|_, _| panic!("it was removed")));
    let notices = log.clone();
    let _monitor = bus.emitter::<u8>().monitor(move |event, notice| {
        notices.add(match notice {
            Notice::Emitting { listeners, .. } => format!("{event}: emitting to {listeners}"),
            Notice::Delivering { listener, .. } => format!("{event}: to {}", listener.name),
            Notice::Delivered { listener, .. } => format!("{event}: {} is done", listener.name),
            Notice::Failed {
                listener, error, ..
            } => format!("{event}: {} failed: {error}", listener.name),
            Notice::Emitted {
                delivered, failed, ..
            } => format!("{event}: {delivered} ran, {failed} failed"),
            _ => unreachable!("a notice this test does not know"),
        });
    });
    let _subscriptions = (
        bus.on("a", log.failing::<u8>("a")),
        bus.on("b", log.listener::<u8>("b")),
    );
    assert_eq!(bus.emit(&7u8).unwrap_err().failures().len(), 1);
    let expected = [
        "7: emitting to 2",
        "7: to a",
        "a",
        "7: a failed: a is out",
        "7: to b",
        "b",
        "7: b is done",
        "7: 2 ran, 1 failed",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn panic_propagates_and_emitter_stays_usable() {
    let (emitter, log) = (Emitter::<bool>::new(), Log::default());
    let _subscriptions = (
        emitter.on("before", log.listener("before")),
        emitter.on("bug", |is_trigger: &bool| {
            assert!(!is_trigger, "a bug");
        }),
        emitter.on("after", log.listener("after")),
    );
    let result = catch_unwind(AssertUnwindSafe(|| emitter.emit(&true)));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "a bug");
    assert_eq!(log.take(), ["before"], "later siblings do not run");
    let late = emitter.on("late", log.listener("late"));
    assert_eq!(emitter.emit(&false).unwrap(), 4);
    assert_eq!(log.take(), ["before", "after", "late"]);
    late.cancel();
    assert_eq!(emitter.listener_count(), 3);
}

#[test]
fn dropped_captures_can_use_the_emitter() {
    within_a_minute(|| {
        let emitter = Emitter::<u8>::new();
        let held = emitter.on("held by a listener", |_| ());
        let holder = emitter.on("holder", move |_| {
            let _ = &held;
        });
        drop(holder);
        assert_eq!(emitter.listener_count(), 0);

        let held = emitter.on("held by a monitor", |_| ());
        let monitor = emitter.monitor(move |_, _| {
            let _ = &held;
        });
        drop(monitor);
        assert_eq!(emitter.listener_count(), 0);
    });
}

/// After a panic, removed listeners are freed with the next use of the emitter: here,
/// when a tap is added.
#[test]
fn captures_dropped_late_can_use_the_bus() {
    struct Leaves(Bus);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.on("left", |_: &char| ()).detach();
        }
    }
    within_a_minute(|| {
        let bus = Bus::new();
        let leaves = Leaves(bus.clone());
        let holder = bus.on("holder", move |_: &u8| {
            let _ = &leaves;
        });
        let slot = Mutex::new(Some(holder));
        let bug = bus.on("bug", move |_: &u8| {
            drop(slot.lock().unwrap().take());
            assert!(slot.is_poisoned(), "a bug");
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| bus.emit(&0_u8)));
        assert!(panicked.is_err());
        let tap = bus.tap(|_| ());
        assert_eq!(bus.listener_count::<char>(), 1);
        drop((bug, tap));
    });
}

#[test]
fn name_conversion_can_use_the_emitter() {
    struct Numbered(Emitter<u8>);
    impl From<Numbered> for Arc<str> {
        fn from(numbered: Numbered) -> Self {
            format!("listener {}", numbered.0.listener_count()).into()
        }
    }
    within_a_minute(|| {
        let emitter = Emitter::<u8>::new();
        let _subscription = emitter.on(Numbered(emitter.clone()), |_| ());
        assert_eq!(format!("{emitter:?}"), r#"["listener 0"]"#);
    });
}
