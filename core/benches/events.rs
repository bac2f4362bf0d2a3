//! The cost of an emit and of an inbox, compared to a loop over boxed closures:
//! `cargo bench -p highwater --bench events`.
//!
//! To compare with Node and async-channel:
//! `cargo run --release -p tests -- bench events`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt as _, executor::block_on};
use highwater::events::{Bus, Emitter, Options, Overflow};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

type Boxed = Box<dyn Fn(&u64)>;

/// A listener as cheap as an addition.
fn adder(sum: &Arc<AtomicU64>) -> impl Fn(&u64) + Send + Sync + use<> {
    let sum = Arc::clone(sum);
    move |reading| sum.store(sum.load(Ordering::Relaxed) + reading, Ordering::Relaxed)
}

fn emits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("emit");
    for listeners in [1_u64, 10, 100] {
        let sum = Arc::new(AtomicU64::new(0));
        let options = Options::new().max_listeners(0);
        let emitter = Emitter::with_options(options.clone());
        let monitored = Emitter::with_options(options.clone());
        let bus = Bus::with_options(options);
        let mut closures: Vec<Boxed> = Vec::new();
        for _ in 0..listeners {
            emitter.on("adder", adder(&sum)).detach();
            monitored.on("adder", adder(&sum)).detach();
            bus.on("adder", adder(&sum)).detach();
            closures.push(Box::new(adder(&sum)));
        }
        monitored.monitor(|_, _| ()).detach();
        let mut cached = emitter.cached();
        group.throughput(Throughput::Elements(listeners));
        group.bench_function(BenchmarkId::new("bare loop", listeners), |bencher| {
            bencher.iter(|| {
                for closure in black_box(&closures) {
                    closure(black_box(&1));
                }
            });
        });
        group.bench_function(BenchmarkId::new("emitter", listeners), |bencher| {
            bencher.iter(|| emitter.emit(black_box(&1)));
        });
        group.bench_function(BenchmarkId::new("cached", listeners), |bencher| {
            bencher.iter(|| cached.emit(black_box(&1)));
        });
        group.bench_function(BenchmarkId::new("bus", listeners), |bencher| {
            bencher.iter(|| bus.emit(black_box(&1_u64)));
        });
        group.bench_function(BenchmarkId::new("monitored", listeners), |bencher| {
            bencher.iter(|| monitored.emit(black_box(&1)));
        });
        group.bench_function(BenchmarkId::new("awaited", listeners), |bencher| {
            bencher.iter(|| block_on(emitter.emit_serial(black_box(1))));
        });
    }
    group.finish();
}

fn inboxes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("inbox");
    group.throughput(Throughput::Elements(1));
    for overflow in [Overflow::Wait, Overflow::DropOldest] {
        let emitter = Emitter::new();
        let mut inbox = emitter
            .inbox("reader", 1024, overflow)
            .expect("a capacity that is not zero");
        group.bench_function(format!("in and out, {overflow:?}"), |bencher| {
            bencher.iter(|| {
                let _delivered = emitter.emit(black_box(&1_u64));
                block_on(inbox.next())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, emits, inboxes);
criterion_main!(benches);
