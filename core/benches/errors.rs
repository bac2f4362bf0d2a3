//! Measures the cost of an error, from its creation to the response and the log
//! entry: `cargo bench -p highwater --bench errors`.
//!
//! The baselines are a boxed error with `format!`, and `anyhow` with JSON. If
//! `RUST_BACKTRACE` is set, `anyhow` also captures a backtrace, which takes
//! microseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use highwater::error::{
    AppError, Breaker, Classification, Classify, ErrorKind, Handler, IdGenerator, Incident,
    Problem, RetryBudget, RetryPolicy,
};
use std::{error::Error, hint::black_box, time::Duration};

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum OrderError {
    #[error("order {0} does not exist")]
    Unknown(u64),
    #[error("order {0} has no customer")]
    NoCustomer(u64),
}

impl Classify for OrderError {
    fn classify(&self) -> Classification {
        match self {
            OrderError::Unknown(_) => Classification::new(ErrorKind::NotFound)
                .with_code("unknown_order")
                .with_public_message("There is no such order."),
            OrderError::NoCustomer(_) => ErrorKind::Bug.into(),
        }
    }
}

#[inline(never)]
fn find(order: u64) -> Result<u64, OrderError> {
    match order {
        0 => Ok(order),
        1 => Err(OrderError::NoCustomer(order)),
        _ => Err(OrderError::Unknown(order)),
    }
}

#[inline(never)]
fn load(order: u64) -> Result<u64, AppError> {
    let found = find(order)?;
    Ok(found + 1)
}

#[inline(never)]
fn load_boxed(order: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let found = find(order)?;
    Ok(found + 1)
}

#[inline(never)]
fn load_anyhow(order: u64) -> anyhow::Result<u64> {
    let found = find(order)?;
    Ok(found + 1)
}

/// Measures the creation of an error and the rendering of the response body.
fn render(criterion: &mut Criterion) {
    let ids = IdGenerator::new(7);
    let id = ids.generate();
    let mut group = criterion.benchmark_group("classify and render");
    group.bench_function("highwater: ? and problem+json", |bencher| {
        bencher.iter(|| {
            let error = load(black_box(42)).expect_err("missing");
            Problem::new(&error, &id).to_json()
        });
    });
    group.bench_function("highwater: two fields and a context value", |bencher| {
        bencher.iter(|| {
            let error = AppError::invalid_input("The order is not valid.")
                .with_field("quantity", "must be at least 1")
                .with_field("address", "is missing")
                .with_context("user", black_box(7));
            Problem::new(&error, &id).to_json()
        });
    });
    group.bench_function("boxed error and format!", |bencher| {
        bencher.iter(|| {
            let error = load_boxed(black_box(42)).expect_err("missing");
            format!(r#"{{"error":"{error}","id":"{id}"}}"#)
        });
    });
    group.bench_function("anyhow and serde_json", |bencher| {
        bencher.iter(|| {
            let error = load_anyhow(black_box(42)).expect_err("missing");
            serde_json::json!({ "error": error.to_string(), "id": id.as_str() }).to_string()
        });
    });
    group.finish();
}

/// Measures the whole handler: decide, log, count, render.
fn handle(criterion: &mut Criterion) {
    let ids = IdGenerator::new(7);
    let mut group = criterion.benchmark_group("handle");
    let silent = Handler::new();
    let logged = Handler::new().log_to(|level, line| {
        black_box((level, line));
    });
    for (name, handler) in [("log disabled", &silent), ("logged", &logged)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let error = load(black_box(42)).expect_err("missing");
                let incident = Incident::new(ids.generate(), "GET /orders/42");
                let decision = handler.handle(&error, &incident);
                decision.problem().map(Problem::to_json)
            });
        });
    }
    group.bench_function("bug, logged", |bencher| {
        bencher.iter(|| {
            let error = load(black_box(1)).expect_err("no customer");
            let incident = Incident::new(ids.generate(), "GET /orders/1");
            let decision = logged.handle(&error, &incident);
            decision.problem().map(Problem::to_json)
        });
    });
    group.finish();
}

/// Measures the overhead of successful requests.
fn success(criterion: &mut Criterion) {
    let ids = IdGenerator::new(7);
    let now = Duration::from_secs(1);
    let mut group = criterion.benchmark_group("success");
    group.bench_function("fallible call", |bencher| {
        bencher.iter(|| load(black_box(0)));
    });
    group.bench_function("fallible call with anyhow", |bencher| {
        bencher.iter(|| load_anyhow(black_box(0)));
    });
    group.bench_function("generate an id", |bencher| bencher.iter(|| ids.generate()));
    group.bench_function("breaker: admit and record", |bencher| {
        let breaker = Breaker::new("stock");
        bencher.iter(|| {
            let permit = breaker
                .admit(black_box(now))
                .expect("the breaker is closed");
            breaker.record_success(permit, now);
        });
    });
    group.bench_function("budget: record a request", |bencher| {
        let handler = Handler::new().retry(RetryPolicy::new().budget(RetryBudget::new()));
        bencher.iter(|| handler.record_request(black_box(now)));
    });
    group.finish();
}

criterion_group!(benches, render, handle, success);
criterion_main!(benches);
