//! Cached emitters.

use crate::logged::Log;
use highwater::events::{Emitter, FailurePolicy, Options, Removal, Subscription};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

#[test]
fn cached_emitter_sees_changes() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let mut cached = emitter.cached();
    assert_eq!(cached.emit(&0).unwrap(), 0);
    let a = emitter.on("a", log.listener("a"));
    emitter.prepend_once("b", log.listener("b")).detach();
    assert_eq!(cached.emit(&0).unwrap(), 2);
    assert_eq!(cached.emit(&0).unwrap(), 1, "b was a once");
    assert_eq!(log.take(), ["b", "a", "a"]);
    a.cancel();
    assert_eq!(cached.emit(&0).unwrap(), 0);

    let lines = log.clone();
    let monitor = cached.emitter().monitor(move |_, _| lines.add("notice"));
    assert_eq!(cached.emit(&0).unwrap(), 0);
    assert_eq!(log.take(), ["notice", "notice"]);
    drop(monitor);
    cached.emit(&0).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn fallible_and_infallible_listeners_mix() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let mut cached = emitter.cached();
    emitter.on("a", log.listener("a")).detach();
    assert_eq!(cached.emit(&0).unwrap(), 1);
    let lines = log.clone();
    let picky = move |n: &u8| {
        lines.add("picky");
        if *n > 0 { Err("too much") } else { Ok(()) }
    };
    let picky = emitter.on("picky", picky);
    emitter.on("b", log.listener("b")).detach();
    assert_eq!(cached.emit(&0).unwrap(), 3);
    let error = cached.emit(&1).unwrap_err();
    assert_eq!((error.delivered(), error.failures().len()), (3, 1));
    picky.cancel();
    assert_eq!(cached.emit(&1).unwrap(), 2);
    let (once, all) = (["a"], ["a", "picky", "b"]);
    assert_eq!(log.take(), [&once[..], &all, &all, &["a", "b"]].concat());
}

#[test]
fn changes_during_an_emit_follow_the_options() {
    for (removal, expected) in [(Removal::Snapshot, 2), (Removal::Live, 1)] {
        let emitter = Emitter::<u8>::with_options(Options::new().removal(removal));
        let (log, slot) = (Log::default(), Arc::new(Mutex::new(None::<Subscription>)));
        let (weak, own, added) = (emitter.downgrade(), Arc::clone(&slot), log.clone());
        let change = move |_: &u8| {
            drop(own.lock().unwrap().take());
            let emitter = weak.upgrade().unwrap();
            emitter.on("added", added.listener("added")).detach();
        };
        emitter.once("change", change).detach();
        *slot.lock().unwrap() = Some(emitter.on("removed", log.listener("removed")));
        let mut cached = emitter.cached();
        assert_eq!(cached.emit(&0).unwrap(), expected, "{removal:?}");
        assert_eq!(log.take().len(), expected - 1);
        assert_eq!(cached.emit(&0).unwrap(), 1);
        assert_eq!(log.take(), ["added"]);
    }
}

fn holder(held: &Arc<()>) -> impl Fn(&u8) + use<> {
    let held = Arc::clone(held);
    move |_| assert!(Arc::strong_count(&held) > 1)
}

#[test]
fn removed_listener_is_freed_with_the_next_emit() {
    let (emitter, held) = (Emitter::<u8>::new(), Arc::new(()));
    let mut cached = emitter.cached();
    let subscription = emitter.on("holder", holder(&held));
    assert_eq!(cached.emit(&0).unwrap(), 1);
    subscription.cancel();
    assert_eq!(Arc::strong_count(&held), 2, "the cached list keeps it");
    assert_eq!(cached.emit(&0).unwrap(), 0);
    assert_eq!(Arc::strong_count(&held), 1);

    emitter.once("holder", holder(&held)).detach();
    assert_eq!(cached.emit(&0).unwrap(), 1);
    assert_eq!(Arc::strong_count(&held), 1, "freed by the same emit");

    let subscription = emitter.on("holder", holder(&held));
    let other = cached.clone();
    assert_eq!(cached.emit(&0).unwrap(), 1);
    subscription.cancel();
    drop((cached, other));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn listener_can_emit_on_its_emitter() {
    let (emitter, log) = (Emitter::<u8>::new(), Log::default());
    let (weak, own) = (emitter.downgrade(), log.clone());
    let nested = move |depth: &u8| {
        own.add(format!("nested {depth}"));
        if *depth == 0 {
            let emitter = weak.upgrade().unwrap();
            assert_eq!(emitter.emit(&1).unwrap(), 3);
            assert_eq!(emitter.cached().emit(&2).unwrap(), 2);
        }
    };
    emitter.on("nested", nested).detach();
    emitter.once("once", log.listener("once")).detach();
    emitter.on("last", log.listener("last")).detach();
    let mut cached = emitter.cached();
    assert_eq!(cached.emit(&0).unwrap(), 2, "an inner emit called the once");
    let expected = [
        "nested 0", "nested 1", "once", "last", "nested 2", "last", "last",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn cached_emitter_survives_failures_and_panics() {
    let emitter = Emitter::<u8>::with_options(Options::new().policy(FailurePolicy::FailFast));
    let log = Log::default();
    let mut cached = emitter.cached();
    let failing = emitter.on("a", log.failing("a"));
    emitter.on("b", log.listener("b")).detach();
    assert_eq!(cached.emit(&0).unwrap_err().delivered(), 1);
    failing.cancel();

    let held = Arc::new(());
    let own = Arc::clone(&held);
    let bug = move |_: &u8| assert_eq!(Arc::strong_count(&own), 0, "a bug");
    emitter.once("bug", bug).detach();
    let panicked = catch_unwind(AssertUnwindSafe(|| cached.emit(&0)));
    assert!(panicked.is_err());
    assert_eq!(cached.emit(&0).unwrap(), 1, "it stays usable");
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(log.take(), ["a", "b", "b"]);
}

#[test]
fn cached_emitter_keeps_its_emitter_alive() {
    let emitter = Emitter::<u8>::new();
    emitter.on("a", |_| ()).detach();
    let (weak, mut cached) = (emitter.downgrade(), emitter.cached());
    assert_eq!(format!("{cached:?}"), format!("{emitter:?}"));
    drop(emitter);
    assert_eq!(cached.emit(&0).unwrap(), 1);
    drop(cached);
    assert!(weak.upgrade().is_none());
}
