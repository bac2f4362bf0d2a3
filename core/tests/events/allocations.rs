//! Emits allocate nothing.

use allocation_counter::measure;
use futures::FutureExt;
use highwater::events::{Bus, Emitter, Overflow};
use std::hint::black_box;

/// Returns the allocations of a hundred emits, after a first one.
fn allocations(mut emit: impl FnMut()) -> u64 {
    // The first emit may allocate caches.
    emit();
    measure(|| {
        for _ in 0..100 {
            emit();
        }
    })
    .count_total
}

#[test]
fn emit_allocates_nothing() {
    for listeners in [0, 1, 10] {
        let (emitter, bus) = (Emitter::<u64>::new(), Bus::new());
        for _ in 0..listeners {
            emitter
                .on("listener", |event| {
                    black_box(*event);
                })
                .detach();
            bus.on("listener", |event: &u64| {
                black_box(*event);
            })
            .detach();
        }
        let mut cached = emitter.cached();
        assert_eq!(allocations(|| assert!(emitter.emit(&1).is_ok())), 0);
        assert_eq!(allocations(|| assert!(cached.emit(&1).is_ok())), 0);
        assert_eq!(allocations(|| assert!(bus.emit(&1_u64).is_ok())), 0);
        let awaited = || assert!(emitter.emit_serial(1).now_or_never().is_some());
        assert_eq!(allocations(awaited), 0);
    }
}

#[test]
fn nested_and_monitored_emits_allocate_nothing() {
    let outer = Emitter::<u64>::new();
    let weak = outer.downgrade();
    outer
        .on("again", move |event: &u64| {
            match *event {
                0 => Ok(0),
                more => weak.upgrade().unwrap().emit(&(more - 1)),
            }
            .map(drop)
        })
        .detach();
    outer
        .monitor(|_, notice| {
            black_box(notice);
        })
        .detach();
    assert_eq!(allocations(|| assert!(outer.emit(&3).is_ok())), 0);
}

#[test]
fn inbox_allocates_nothing_once_full() {
    let emitter = Emitter::<u64>::new();
    let mut inbox = emitter.inbox("inbox", 8, Overflow::DropOldest).unwrap();
    let emit_and_read = || {
        for event in 0..8 {
            emitter.emit(&event).unwrap();
        }
        while inbox.try_next().is_some() {}
    };
    assert_eq!(allocations(emit_and_read), 0);
}
