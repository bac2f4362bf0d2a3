//! Every interleaving of threads on a snapshot and a `once`. Run by `RUSTFLAGS="--cfg
//! loom" cargo test --release --lib`.

use super::{
    Emitter, ListenerId, Registration,
    listener::{CallDecision, FnListener, ListenerEntry},
    snapshot::Snapshot,
};
use loom::thread;
use std::{
    panic::Location,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Tries every schedule with at most three preemptions. Most bugs need two, and all
/// schedules would take hours.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// A value whose parts are counted while they live.
#[derive(Clone)]
struct Value(Vec<Arc<u32>>);

fn sum(value: &Value) -> u32 {
    value.0.iter().map(|part| **part).sum()
}

#[test]
fn readers_see_every_update_in_order() {
    model(|| {
        let snapshot = Arc::new(Snapshot::new(Value(Vec::new())));
        let reader = |snapshot: &Arc<Snapshot<Value>>| {
            let snapshot = Arc::clone(snapshot);
            thread::spawn(move || {
                let first = snapshot.with(|value| sum(value));
                let second = snapshot.with(|value| {
                    let outer = sum(value);
                    let nested = snapshot.with(|value| sum(value));
                    assert!(nested >= outer, "a later read is no older");
                    outer
                });
                assert!([0, 1, 3].contains(&first) && second >= first);
            })
        };
        let readers = [reader(&snapshot), reader(&snapshot)];
        for part in [1, 2] {
            snapshot.update(|value| value.0.push(Arc::new(part)));
            // A thread sees its own updates.
            assert!(snapshot.with(|value| sum(value)) >= part);
        }
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(snapshot.with(|value| sum(value)), 3);
        assert_eq!(sum(&snapshot.get()), 3);
    });
}

#[test]
fn concurrent_updates_are_both_kept() {
    model(|| {
        let snapshot = Arc::new(Snapshot::new(Value(Vec::new())));
        let other = Arc::clone(&snapshot);
        let other = thread::spawn(move || {
            other.update(|value| value.0.push(Arc::new(1)));
            other.with(|value| assert!(sum(value) & 1 == 1));
        });
        snapshot.update(|value| value.0.push(Arc::new(2)));
        snapshot.with(|value| assert!(sum(value) & 2 == 2));
        other.join().unwrap();
        assert_eq!(snapshot.with(|value| sum(value)), 3);
    });
}

#[test]
fn version_identifies_one_value() {
    model(|| {
        let snapshot = Arc::new(Snapshot::new(Value(Vec::new())));
        let other = Arc::clone(&snapshot);
        let updater = thread::spawn(move || {
            other.update(|value| value.0.push(Arc::new(1)));
            other.update(|value| value.0.push(Arc::new(1)));
        });
        let (version, value) = snapshot.get_versioned();
        assert_eq!(u64::from(sum(&value)), version, "each update adds one");
        if snapshot.version() == version {
            let (again, same) = snapshot.get_versioned();
            assert!(again > version || Arc::ptr_eq(&value, &same));
        }
        updater.join().unwrap();
        assert_eq!(snapshot.version(), 2);
    });
}

#[test]
fn removed_parts_are_freed_by_the_next_read() {
    model(|| {
        let part = Arc::new(1);
        let freed: Weak<u32> = Arc::downgrade(&part);
        let snapshot = Arc::new(Snapshot::new(Value(vec![part])));
        let other = Arc::clone(&snapshot);
        let reader = thread::spawn(move || {
            other.with(|value| assert!(sum(value) <= 1));
        });
        let removed = snapshot.update(|value| value.0.pop());
        drop(removed);
        reader.join().unwrap();
        assert_eq!(snapshot.with(|value| sum(value)), 0);
        assert!(freed.upgrade().is_none(), "no reader is left");
    });
}

fn entry(is_live: bool) -> ListenerEntry<u8> {
    let registration = Registration {
        id: ListenerId::next(),
        name: "once".into(),
        location: Location::caller(),
        since: None,
        is_once: true,
    };
    ListenerEntry::new(
        Arc::new(FnListener::new(|_: &u8| ())),
        registration,
        is_live,
    )
}

#[test]
fn once_admits_one_of_two_threads() {
    model(|| {
        let entry = Arc::new(entry(false));
        let other = Arc::clone(&entry);
        let called = |admission| matches!(admission, CallDecision::RemoveAndCall);
        let other = thread::spawn(move || called(other.decide()));
        let own = called(entry.decide());
        assert!(own != other.join().unwrap(), "exactly one");
    });
}

#[test]
fn live_removal_admits_a_once_at_most_once() {
    model(|| {
        let entry = Arc::new(entry(true));
        let other = Arc::clone(&entry);
        let remover = thread::spawn(move || other.mark_removed());
        let first = matches!(entry.decide(), CallDecision::RemoveAndCall);
        let second = matches!(entry.decide(), CallDecision::RemoveAndCall);
        remover.join().unwrap();
        assert!(!(first && second));
        assert!(matches!(entry.decide(), CallDecision::Skip));
    });
}

#[test]
fn racing_emits_call_a_once_once_and_free_it() {
    model(|| {
        let (emitter, calls) = (Emitter::<u8>::new(), Arc::new(AtomicUsize::new(0)));
        let own = Arc::clone(&calls);
        let call = move |_: &u8| {
            own.fetch_add(1, Ordering::Relaxed);
        };
        emitter.once("once", call).detach();
        let other = emitter.clone();
        let other = thread::spawn(move || other.emit(&1).unwrap());
        let delivered = emitter.emit(&1).unwrap() + other.join().unwrap();
        assert_eq!(delivered, 1);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(emitter.emit(&1).unwrap(), 0);
        assert_eq!(Arc::strong_count(&calls), 1);
    });
}

#[test]
fn next_emit_sees_a_racing_removal() {
    model(|| {
        let emitter = Emitter::<u8>::new();
        let kept = emitter.on("kept", |_| ());
        let removed = emitter.on("removed", |_| ());
        let other = emitter.clone();
        let other = thread::spawn(move || {
            let delivered = other.emit(&1).unwrap();
            assert!(delivered == 1 || delivered == 2);
        });
        removed.cancel();
        assert_eq!(
            emitter.emit(&1).unwrap(),
            1,
            "a thread sees its own removal"
        );
        other.join().unwrap();
        drop(kept);
        assert_eq!(emitter.emit(&1).unwrap(), 0);
    });
}
