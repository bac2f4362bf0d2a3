//! Compares the duration of jobs with the cost model.

use criterion::{Criterion, criterion_group, criterion_main};
use highwater::platform::Job;
use std::hint::black_box;

fn jobs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jobs");
    group.sample_size(10);
    for job in [
        Job::Primes(20_000),
        Job::Primes(1_000_000),
        Job::Fib(25),
        Job::Fib(36),
        Job::HashChain(10_000),
        Job::HashChain(1_000_000),
        Job::Mandelbrot(64),
        Job::Mandelbrot(512),
    ] {
        let name = format!("{job}, model {:?}", job.cost());
        group.bench_function(name, |bencher| bencher.iter(|| black_box(job).run()));
    }
    group.finish();
}

criterion_group!(benches, jobs);
criterion_main!(benches);
