//! Emitters in Rust: Highwater and a bare loop.

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum as _;
use highwater::events::{Emitter, Options};

use super::super::{OURS, stdout_of};
use super::outcome::{CACHED, FLOOR};

/// The numbers of listeners.
pub(super) const LISTENERS: [usize; 3] = [1, 10, 100];

/// The duration of a turn.
pub(super) const TURN: Duration = Duration::from_millis(150);

/// The kinds of emitters.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EmitterKind {
    BareLoop,
    Emitter,
    Cached,
}

/// One turn of an emitter, in its own process.
#[derive(clap::Args)]
pub(crate) struct EmitterTurn {
    kind: EmitterKind,
    listeners: usize,
}

impl EmitterKind {
    pub(super) const ALL: [Self; 3] = [Self::BareLoop, Self::Emitter, Self::Cached];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BareLoop => FLOOR,
            Self::Emitter => OURS,
            Self::Cached => CACHED,
        }
    }

    /// Returns nanoseconds per emit, measured in a new process as for Node. The memory
    /// layout of a process changes the time by a tenth, so the best of several counts.
    pub(super) fn time(self, listeners: usize) -> anyhow::Result<f64> {
        let name = self.to_possible_value().context("the kind has a name")?;
        let mut turn = Command::new(env::current_exe()?);
        turn.args(["bench", "turn", name.get_name(), &listeners.to_string()]);
        let stdout = stdout_of(&mut turn).with_context(|| format!("{} failed", self.name()))?;
        Ok(stdout.parse()?)
    }
}

impl EmitterTurn {
    /// Prints nanoseconds per emit.
    pub(crate) fn run(&self) {
        let nanoseconds = match self.kind {
            EmitterKind::BareLoop => bare_loop(self.listeners),
            EmitterKind::Emitter => highwater(self.listeners),
            EmitterKind::Cached => highwater_cached(self.listeners),
        };
        println!("{nanoseconds}");
    }
}

type Boxed = Box<dyn Fn(&u64) + Send + Sync>;

/// Times a loop over boxed closures, the least that any emitter has to do. Returns
/// nanoseconds per emit.
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

/// Times an emitter. Returns nanoseconds per emit.
fn highwater(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let emitter = sums.emitter();
    time(&sums, |reading| {
        let delivered = black_box(&emitter).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// Times a handle that caches the list of listeners. Returns nanoseconds per emit.
fn highwater_cached(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let mut cached = sums.emitter().cached();
    time(&sums, |reading| {
        let delivered = black_box(&mut cached).emit(reading);
        debug_assert_eq!(delivered.ok(), Some(listeners));
    })
}

/// The sum of each listener. With a shared sum, each addition would wait for the previous
/// one.
struct Sums(Vec<Arc<AtomicU64>>);

impl Sums {
    fn of(listeners: usize) -> Self {
        Sums((0..listeners).map(|_| Arc::default()).collect())
    }

    /// Returns the listeners. A single thread writes, so plain loads and stores are enough
    /// and a listener costs no more than an addition.
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

/// Calls `emit` for the duration of a turn, and checks that every listener ran.
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
