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

use super::super::rounds::HIGHWATER;
use super::outcome::{BARE_LOOP, HIGHWATER_CACHED};
use crate::run::stdout_of;

/// The measured listener counts.
pub(super) const LISTENERS: [usize; 3] = [1, 10, 100];

/// The duration of a measurement.
pub(super) const TURN: Duration = Duration::from_millis(150);

/// An emitter under test.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EmitterKind {
    BareLoop,
    Emitter,
    Cached,
}

/// A measurement of one emitter, in its own process.
#[derive(clap::Args)]
pub(crate) struct EmitterTurn {
    kind: EmitterKind,
    listeners: usize,
}

impl EmitterKind {
    pub(super) const ALL: [Self; 3] = [Self::BareLoop, Self::Emitter, Self::Cached];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BareLoop => BARE_LOOP,
            Self::Emitter => HIGHWATER,
            Self::Cached => HIGHWATER_CACHED,
        }
    }

    /// Returns the time per emit in nanoseconds, measured in a new process, as for
    /// Node. The memory layout of a process changes the time by 10 %, so the best of
    /// several runs counts.
    pub(super) fn time(self, listeners: usize) -> anyhow::Result<f64> {
        let value_name = self
            .to_possible_value()
            .context("the emitter kind has no name")?;
        let mut turn = Command::new(env::current_exe()?);
        turn.args([
            "bench",
            "turn",
            value_name.get_name(),
            &listeners.to_string(),
        ]);
        let stdout = stdout_of(&mut turn).with_context(|| format!("{} failed", self.name()))?;
        Ok(stdout.parse()?)
    }
}

impl EmitterTurn {
    /// Measures the emitter and prints the time per emit in nanoseconds.
    pub(crate) fn run(&self) {
        let nanoseconds = match self.kind {
            EmitterKind::BareLoop => bare_loop(self.listeners),
            EmitterKind::Emitter => highwater(self.listeners),
            EmitterKind::Cached => highwater_cached(self.listeners),
        };
        println!("{nanoseconds}");
    }
}

type BoxedListener = Box<dyn Fn(&u64) + Send + Sync>;

/// Measures a loop over boxed closures, the minimum work of any emitter. Returns
/// nanoseconds per emit.
fn bare_loop(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let closures: Vec<BoxedListener> = sums
        .adders()
        .map(|adder| Box::new(adder) as BoxedListener)
        .collect();
    time(&sums, |reading| {
        for closure in black_box(&closures) {
            closure(reading);
        }
    })
}

/// Measures an emitter. Returns nanoseconds per emit.
fn highwater(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let emitter = sums.emitter();
    time(&sums, |reading| {
        let delivered_count = black_box(&emitter).emit(reading);
        debug_assert_eq!(delivered_count.ok(), Some(listeners));
    })
}

/// Measures a handle that caches the listener list. Returns nanoseconds per emit.
fn highwater_cached(listeners: usize) -> f64 {
    let sums = Sums::of(listeners);
    let mut cached = sums.emitter().cached();
    time(&sums, |reading| {
        let delivered_count = black_box(&mut cached).emit(reading);
        debug_assert_eq!(delivered_count.ok(), Some(listeners));
    })
}

/// The listeners' sums. Each listener has its own: with a shared sum, each addition
/// would wait for the previous one.
struct Sums(Vec<Arc<AtomicU64>>);

impl Sums {
    fn of(listeners: usize) -> Self {
        Sums((0..listeners).map(|_| Arc::default()).collect())
    }

    /// Returns the listeners. Only one thread writes, so plain loads and stores suffice
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

    fn all_equal(&self, expected: u64) -> bool {
        let mut sums = self.0.iter();
        sums.all(|sum| sum.load(Ordering::Relaxed) == expected)
    }

    fn reset(&self) {
        for sum in &self.0 {
            sum.store(0, Ordering::Relaxed);
        }
    }
}

/// Calls `emit` repeatedly for `TURN` and checks that every call reached every
/// listener.
fn time(sums: &Sums, mut emit: impl FnMut(&u64)) -> f64 {
    let mut run = |emit_count: u64| {
        let start = Instant::now();
        for reading in 0..emit_count {
            emit(black_box(&(reading & 7)));
        }
        start.elapsed()
    };
    let mut emit_count = 1000;
    while run(emit_count) < TURN / 8 {
        emit_count *= 2;
    }
    emit_count *= 8;
    sums.reset();
    let elapsed = run(emit_count);
    let expected: u64 = (0..emit_count).map(|reading| reading & 7).sum();
    assert!(sums.all_equal(expected), "a listener missed a call");
    elapsed.as_nanos() as f64 / emit_count as f64
}
