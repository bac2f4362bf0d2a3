//! Emits in Rust: ours, and the floor.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use highwater::events::{Emitter, Options};

/// How many listeners there are.
pub(super) const LISTENERS: [usize; 3] = [1, 10, 100];

/// How long one turn takes.
pub(super) const TURN: Duration = Duration::from_millis(150);

type Boxed = Box<dyn Fn(&u64) + Send + Sync>;

/// A loop over boxed closures: what any emitter has to do at least. Nanoseconds
/// an emit.
pub(super) fn bare_loop(listeners: usize) -> f64 {
    let sum = Arc::new(AtomicU64::new(0));
    let boxed = |_| Box::new(adder(&sum)) as Boxed;
    let closures: Vec<Boxed> = (0..listeners).map(boxed).collect();
    time(listeners, &sum, |reading| {
        for closure in black_box(&closures) {
            closure(reading);
        }
    })
}

/// Nanoseconds an emit.
pub(super) fn highwater(listeners: usize) -> f64 {
    let sum = Arc::new(AtomicU64::new(0));
    let emitter = Emitter::with_options(Options::new().max_listeners(0));
    for _ in 0..listeners {
        emitter.on("adder", adder(&sum)).detach();
    }
    time(listeners, &sum, |reading| {
        let delivered = black_box(&emitter).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// Nanoseconds an emit by a handle that keeps the list of listeners.
pub(super) fn highwater_cached(listeners: usize) -> f64 {
    let sum = Arc::new(AtomicU64::new(0));
    let emitter = Emitter::with_options(Options::new().max_listeners(0));
    for _ in 0..listeners {
        emitter.on("adder", adder(&sum)).detach();
    }
    let mut cached = emitter.cached();
    time(listeners, &sum, |reading| {
        let delivered = black_box(&mut cached).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// The same listener for all. One thread writes, so that it costs no more than
/// the addition.
fn adder(sum: &Arc<AtomicU64>) -> impl Fn(&u64) + Send + Sync + use<> {
    let sum = Arc::clone(sum);
    move |reading| sum.store(sum.load(Ordering::Relaxed) + *reading, Ordering::Relaxed)
}

/// Calls it for as long as a turn takes, and sees that it was not optimised
/// away.
fn time(listeners: usize, sum: &AtomicU64, mut emit: impl FnMut(&u64)) -> f64 {
    let mut run = |emits: u64| {
        let start = Instant::now();
        for reading in 0..emits {
            emit(black_box(&(reading & 7)));
        }
        start.elapsed()
    };
    let mut emits = 1000;
    while run(emits) < TURN / 8 {
        emits *= 2;
    }
    emits *= 8;
    let before = sum.load(Ordering::Relaxed);
    let elapsed = run(emits);
    let expected: u64 = (0..emits).map(|reading| reading & 7).sum();
    let added = sum.load(Ordering::Relaxed) - before;
    assert_eq!(added, expected * listeners as u64, "every listener ran");
    elapsed.as_nanos() as f64 / emits as f64
}
