//! Emitters and buses shared between threads.

#![expect(clippy::disallowed_methods, reason = "thread-safety is the subject")]

use highwater::events::Emitter;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

#[test]
fn concurrent_emits_reach_every_listener() {
    const THREADS: usize = 4;
    /// Miri is about a hundred times slower.
    const EMITS: usize = if cfg!(miri) { 50 } else { 2_000 };
    let (emitter, calls) = (Emitter::<usize>::new(), Arc::new(AtomicUsize::new(0)));
    let count = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move |_: &usize| {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    };
    let _always = emitter.on("always", count(&calls));
    let delivered: usize = thread::scope(|scope| {
        let work: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut delivered = 0;
                    for number in 0..EMITS {
                        let passing = (number % 3 == 0).then(|| emitter.on("p", count(&calls)));
                        delivered += emitter.emit(&number).unwrap();
                        drop(passing);
                    }
                    delivered
                })
            })
            .collect();
        work.into_iter().map(|work| work.join().unwrap()).sum()
    });
    assert_eq!(delivered, calls.load(Ordering::Relaxed));
    assert!(delivered >= THREADS * EMITS);
    assert_eq!(emitter.listener_count(), 1);
}
