//! Failures: their observers and sources, and panics.

use futures::{FutureExt, StreamExt};
use highwater::events::{Bus, Emitter, Failure, Inbox, Notice, Overflow};
use std::{
    error::Error,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

#[test]
fn bus_observes_unobserved_failures() {
    let bus = Bus::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let central = bus.errors().on("central", move |failure| {
        log.lock().unwrap().push(failure.to_string());
    });
    bus.on("a", |_: &u8| Err("out")).detach();
    bus.on("b", |_: &u16| Err("out, too")).detach();
    assert_eq!(bus.emit(&1_u8).unwrap(), 1);
    assert_eq!(bus.emit(&1_u16).unwrap(), 1);
    let own = bus.emitter::<u8>().errors().on("own", |_| ());
    bus.emit(&1_u8).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["a: out", "b: out, too"]);
    drop((own, central));
    assert!(bus.emit(&1_u8).is_err());
}

#[test]
fn panicking_monitor_ends_only_that_emit() {
    let emitter = Emitter::<u8>::new();
    let monitor = emitter.monitor(|_, _| panic!("no log"));
    emitter.on("a", |_| ()).detach();
    assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&1))).is_err());
    drop(monitor);
    let panics_at_the_end = |_: &u8, notice: Notice<'_>| {
        assert!(!matches!(notice, Notice::Emitted { .. }), "at the end");
    };
    let monitor = emitter.monitor(panics_at_the_end);
    assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&1))).is_err());
    // With a listener's own panic, which is the one that propagates.
    let bug = emitter.on("b", |_| -> Result<(), String> { panic!("a bug") });
    let panic = catch_unwind(AssertUnwindSafe(|| emitter.emit(&1))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a bug"));
    drop((bug, monitor));
    assert_eq!(emitter.emit(&1).unwrap(), 1);
}

#[test]
fn source_excludes_the_listener_error() {
    let emitter = Emitter::<u8>::new();
    emitter
        .on("parse", |_| "x".parse::<u8>().map(drop))
        .detach();
    let error = emitter.emit(&1).unwrap_err();
    let failure = &error.failures()[0];
    assert_eq!(failure.to_string(), "parse: invalid digit found in string");
    assert!(failure.error.is::<std::num::ParseIntError>());
    assert!(error.source().is_none() && failure.source().is_none());
}

#[test]
fn failures_can_be_handled_in_the_background() {
    let emitter = Emitter::<u8>::new();
    let failures: Inbox<Failure> = emitter
        .errors()
        .inbox("handler", 4, Overflow::Fail)
        .unwrap();
    emitter.on("a", |_| Err("out")).detach();
    assert_eq!(emitter.emit(&1).unwrap(), 1, "queued for the handler");
    let mut failures = failures;
    assert_eq!(failures.try_next().unwrap().to_string(), "a: out");
}

#[test]
fn removed_inbox_ends_at_once() {
    let emitter = Emitter::<u8>::new();
    let mut inbox = emitter.inbox("inbox", 4, Overflow::Wait).unwrap();
    // It keeps the list it last used.
    let mut resting = emitter.cached();
    resting.emit(&1).unwrap();
    assert!(emitter.off(inbox.id()));
    assert_eq!(inbox.next().now_or_never(), Some(Some(1)));
    assert_eq!(inbox.next().now_or_never(), Some(None), "it has ended");

    // The listener that removes it may panic.
    let mut inbox = emitter.inbox("inbox", 4, Overflow::Wait).unwrap();
    let (id, weak) = (inbox.id(), emitter.downgrade());
    let bug = emitter.prepend("bug", move |_| -> Result<(), String> {
        assert!(weak.upgrade().unwrap().off(id));
        panic!("a bug");
    });
    assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&2))).is_err());
    assert_eq!(inbox.next().now_or_never(), Some(None));
    drop(bug);
}

#[test]
fn removed_listener_is_freed_after_a_panic() {
    let emitter = Emitter::<u8>::new();
    let held = Arc::new(());
    let weak = emitter.downgrade();
    let holder = Arc::clone(&held);
    let holds = emitter.on("holds", move |_| {
        black_box(&holder);
    });
    let id = holds.detach();
    let bug = emitter.on("bug", move |_| -> Result<(), String> {
        assert!(weak.upgrade().unwrap().off(id));
        panic!("a bug");
    });
    assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&1))).is_err());
    assert_eq!(Arc::strong_count(&held), 1);
    drop(bug);
}

#[test]
fn failure_names_the_type_of_its_event() {
    let bus = Bus::new();
    let mut failures = bus.errors().inbox("handler", 4, Overflow::Fail).unwrap();
    bus.on("a", |_: &u8| Err("out")).detach();
    bus.on("b", |_: &u16| Err("out")).detach();
    bus.emit(&1_u8).unwrap();
    bus.emit(&1_u16).unwrap();
    assert_eq!(failures.try_next().unwrap().event, Some("u8"));
    assert_eq!(failures.try_next().unwrap().event, Some("u16"));
    assert_eq!(Failure::new("upload", "lost").event, None);
}
