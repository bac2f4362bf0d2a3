//! Costs per item of channels and pipelines, compared with those of `futures`.
//!
//! Run it with `cargo bench -p highwater --bench streams`. For a comparison with other
//! channels and with Node, gzip and pigz, run
//! `cargo run --release -p tests -- bench streams`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::{
    AsyncWriteExt as _, StreamExt as _, executor::block_on, future::join, io::AsyncReadExt as _,
};
use highwater::{
    Overflow,
    stream::{Bound, Pipeline, channel},
};
use std::hint::black_box;

const ITEMS: u64 = 10_000;
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 256;

/// Sends one item and receives it.
fn items(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channel");
    group.throughput(Throughput::Elements(1));
    for overflow in [Overflow::Wait, Overflow::DropOldest] {
        let bound = Bound::bytes(8 * 1024).expect("a positive bound");
        let (sender, mut receiver) = channel(bound, overflow);
        group.bench_function(format!("in and out, {overflow:?}"), |bencher| {
            bencher.iter(|| {
                let _sent = sender.try_send(black_box(1_u64));
                block_on(receiver.next())
            });
        });
    }
    let bound = Bound::bytes(8 * 1024).expect("a positive bound");
    let (sender, mut receiver) = channel(bound, Overflow::Wait);
    group.bench_function("force_send and out", |bencher| {
        bencher.iter(|| {
            let _sent = sender.force_send(black_box(1_u64));
            block_on(receiver.next())
        });
    });
    group.finish();
}

/// Transfers items between two tasks on one thread that wait for each other.
fn transfers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transfer");
    group.throughput(Throughput::Elements(ITEMS));
    for capacity in [16_usize, 1024] {
        group.bench_function(BenchmarkId::new("highwater", capacity), |bencher| {
            bencher.iter(|| {
                let bound = Bound::bytes(capacity * size_of::<u64>()).expect("a positive bound");
                let (sender, mut receiver) = channel(bound, Overflow::Wait);
                let send = async move {
                    for item in 0..ITEMS {
                        sender.send(item).await.expect("the receiver is alive");
                    }
                };
                let receive = async {
                    let mut sum = 0;
                    while let Some(Ok(item)) = receiver.next().await {
                        sum += item;
                    }
                    sum
                };
                block_on(join(send, receive))
            });
        });
        group.bench_function(BenchmarkId::new("futures", capacity), |bencher| {
            bencher.iter(|| {
                let (mut sender, mut receiver) = futures::channel::mpsc::channel(capacity);
                let send = async move {
                    for item in 0..ITEMS {
                        let sent = futures::SinkExt::send(&mut sender, item).await;
                        sent.expect("the receiver is alive");
                    }
                };
                let receive = async {
                    let mut sum = 0_u64;
                    while let Some(item) = receiver.next().await {
                        sum += item;
                    }
                    sum
                };
                block_on(join(send, receive))
            });
        });
    }
    group.finish();
}

/// Copies chunks from a reader into a writer through more and more stages, compared
/// with a plain copy loop.
fn pipelines(criterion: &mut Criterion) {
    let data = vec![b'a'; CHUNK * CHUNKS];
    let bound = || Bound::bytes(4 * CHUNK).expect("a positive bound");
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(CHUNKS as u64));
    group.bench_function("bare loop", |bencher| {
        let mut buffer = vec![0; CHUNK];
        bencher.iter(|| {
            block_on(async {
                let (mut reader, mut writer) = (&data[..], futures::io::sink());
                loop {
                    match reader.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(length) => writer
                            .write_all(&buffer[..length])
                            .await
                            .expect("the sink accepts everything"),
                    }
                }
            });
        });
    });
    group.bench_function("reader to writer", |bencher| {
        bencher.iter(|| {
            let pipeline = Pipeline::from_reader("data", &data[..], CHUNK);
            block_on(pipeline.into_writer("sink", futures::io::sink()))
        });
    });
    group.bench_function("with a map", |bencher| {
        bencher.iter(|| {
            let pipeline = Pipeline::from_reader("data", &data[..], CHUNK).map("same", black_box);
            block_on(pipeline.into_writer("sink", futures::io::sink()))
        });
    });
    group.bench_function("with a map and a buffer", |bencher| {
        bencher.iter(|| {
            let pipeline = Pipeline::from_reader("data", &data[..], CHUNK)
                .map("same", black_box)
                .buffer("buffer", bound());
            block_on(pipeline.into_writer("sink", futures::io::sink()))
        });
    });
    group.finish();
}

criterion_group!(benches, items, transfers, pipelines);
criterion_main!(benches);
