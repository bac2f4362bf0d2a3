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
    let sums = Sums::of(listeners);
    let closures: Vec<Boxed> = sums
        .adders()
        .map(|adder| Box::new(adder) as Boxed)
        .collect();
    time(&sums, |reading| {
        for closure in black_box(&closures) {
            closure(reading);
        }
    })
}

/// Nanoseconds an emit.
pub(super) fn highwater(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let emitter = sums.emitter();
    time(&sums, |reading| {
        let delivered = black_box(&emitter).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// Nanoseconds an emit by a handle that keeps the list of listeners.
pub(super) fn highwater_cached(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let mut cached = sums.emitter().cached();
    time(&sums, |reading| {
        let delivered = black_box(&mut cached).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// What each listener has added up: a sum of its own, since one that all share
/// would have them wait for each other's addition.
struct Sums(Vec<Arc<AtomicU64>>);

impl Sums {
    fn of(listeners: usize) -> Self {
        Sums((0..listeners).map(|_| Arc::default()).collect())
    }

    /// The same listeners for all. One thread writes, so that a listener costs no
    /// more than the addition.
    fn adders(&self) -> impl Iterator<Item = impl Fn(&u64) + Send + Sync + use<>> {
        self.0.iter().cloned().map(|sum| {
            move |reading: &u64| {
                sum.store(sum.load(Ordering::Relaxed) + *reading, Ordering::Relaxed);
            }
        })
    }

    fn emitter(&self) -> Emitter<u64> {
        let emitter = Emitter::with_options(Options::new().max_listeners(0));
        for adder in self.adders() {
            emitter.on("adder", adder).detach();
        }
        emitter
    }

    fn are_all(&self, expected: u64) -> bool {
        let mut sums = self.0.iter();
        sums.all(|sum| sum.load(Ordering::Relaxed) == expected)
    }

    fn reset(&self) {
        for sum in &self.0 {
            sum.store(0, Ordering::Relaxed);
        }
    }
}

/// Calls it for as long as a turn takes, and sees that it was not optimised
/// away.
fn time(sums: &Sums, mut emit: impl FnMut(&u64)) -> f64 {
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
    sums.reset();
    let elapsed = run(emits);
    let expected: u64 = (0..emits).map(|reading| reading & 7).sum();
    assert!(sums.are_all(expected), "every listener ran");
    elapsed.as_nanos() as f64 / emits as f64
}
