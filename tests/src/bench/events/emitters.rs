//! Emits in Rust: ours, and the floor.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum as _;
use highwater::events::{Emitter, Options};

use super::super::{OURS, printed};
use super::outcome::{CACHED, FLOOR};

/// How many listeners there are.
pub(super) const LISTENERS: [usize; 3] = [1, 10, 100];

/// How long one turn takes.
pub(super) const TURN: Duration = Duration::from_millis(150);

/// What emits.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Emits {
    BareLoop,
    Emitter,
    Cached,
}

/// One turn of a contestant, in a process of its own.
#[derive(clap::Args)]
pub(crate) struct Turn {
    emits: Emits,
    listeners: usize,
}

impl Emits {
    pub(super) const ALL: [Self; 3] = [Self::BareLoop, Self::Emitter, Self::Cached];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BareLoop => FLOOR,
            Self::Emitter => OURS,
            Self::Cached => CACHED,
        }
    }

    /// Nanoseconds an emit. A process of its own, as Node's emitters have:
    /// where the memory of a process comes to lie makes an emit quicker or
    /// slower by a tenth, and so each gets the best of several.
    pub(super) fn time(self, listeners: usize) -> anyhow::Result<f64> {
        let name = self.to_possible_value().context("each has a name")?;
        let mut turn = Command::new(env::current_exe()?);
        turn.args(["bench", "turn", name.get_name(), &listeners.to_string()]);
        let printed = printed(&mut turn).with_context(|| format!("{} failed", self.name()))?;
        Ok(printed.parse()?)
    }
}

impl Turn {
    /// Prints nanoseconds an emit.
    pub(crate) fn run(&self) {
        let nanoseconds = match self.emits {
            Emits::BareLoop => bare_loop(self.listeners),
            Emits::Emitter => highwater(self.listeners),
            Emits::Cached => highwater_cached(self.listeners),
        };
        println!("{nanoseconds}");
    }
}

type Boxed = Box<dyn Fn(&u64) + Send + Sync>;

/// A loop over boxed closures: what any emitter has to do at least. Nanoseconds
/// an emit.
fn bare_loop(listeners: usize) -> f64 {
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
fn highwater(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let emitter = sums.emitter();
    time(&sums, |reading| {
        let delivered = black_box(&emitter).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// Nanoseconds an emit by a handle that keeps the list of listeners.
fn highwater_cached(listeners: usize) -> f64 {
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
