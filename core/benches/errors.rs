//! What an error costs from where it comes up to what is sent and logged:
//! `cargo bench -p highwater --bench errors`.
//!
//! Beside what people do without: a box and `format!`, or `anyhow` and JSON. With
//! `RUST_BACKTRACE` set, `anyhow` also walks the stack, which takes microseconds.

use criterion::{Criterion, criterion_group, criterion_main};
use highwater::error::{
    AppError, Breaker, Classification, Classify, ErrorKind, Handler, Ids, Incident, Problem,
    RetryBudget, RetryPolicy,
};
use std::{error::Error, hint::black_box, time::Duration};

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum OrderError {
    #[error("order {0} is not in the table")]
    Unknown(u64),
    #[error("order {0} has no customer")]
    NoCustomer(u64),
}

impl Classify for OrderError {
    fn classify(&self) -> Classification {
        match self {
            OrderError::Unknown(_) => Classification::new(ErrorKind::NotFound)
                .with_code("unknown_order")
                .with_public("There is no such order."),
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
fn answer(order: u64) -> Result<u64, AppError> {
    let found = find(order)?;
    Ok(found + 1)
}

#[inline(never)]
fn answer_boxed(order: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let found = find(order)?;
    Ok(found + 1)
}

#[inline(never)]
fn answer_anyhow(order: u64) -> anyhow::Result<u64> {
    let found = find(order)?;
    Ok(found + 1)
}

/// From the error to the body of the response.
fn render(criterion: &mut Criterion) {
    let ids = Ids::new(7);
    let id = ids.make();
    let mut group = criterion.benchmark_group("classify and render");
    group.bench_function("highwater: by ?, problem+json", |bencher| {
        bencher.iter(|| {
            let error = answer(black_box(42)).expect_err("not in the table");
            Problem::new(&error, &id).to_json()
        });
    });
    group.bench_function("highwater: two fields and a context", |bencher| {
        bencher.iter(|| {
            let error = AppError::invalid_input("The order is not valid.")
                .with_field("quantity", "must be at least 1")
                .with_field("address", "is missing")
                .with_context("user", black_box(7));
            Problem::new(&error, &id).to_json()
        });
    });
    group.bench_function("box and format!", |bencher| {
        bencher.iter(|| {
            let error = answer_boxed(black_box(42)).expect_err("not in the table");
            format!(r#"{{"error":"{error}","id":"{id}"}}"#)
        });
    });
    group.bench_function("anyhow and serde_json", |bencher| {
        bencher.iter(|| {
            let error = answer_anyhow(black_box(42)).expect_err("not in the table");
            serde_json::json!({ "error": error.to_string(), "id": id.as_str() }).to_string()
        });
    });
    group.finish();
}

/// The whole way through the handler: decided, logged, counted, rendered.
fn handle(criterion: &mut Criterion) {
    let ids = Ids::new(7);
    let mut group = criterion.benchmark_group("handle");
    let silent = Handler::new();
    let logged = Handler::new().log_to(|level, line| {
        black_box((level, line));
    });
    for (name, handler) in [("nobody reads the log", &silent), ("logged", &logged)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let error = answer(black_box(42)).expect_err("not in the table");
                let incident = Incident::new(ids.make(), "GET /orders/42");
                let decision = handler.handle(&error, &incident);
                decision.problem().map(Problem::to_json)
            });
        });
    }
    group.bench_function("a bug, logged", |bencher| {
        bencher.iter(|| {
            let error = answer(black_box(1)).expect_err("no customer");
            let incident = Incident::new(ids.make(), "GET /orders/1");
            let decision = logged.handle(&error, &incident);
            decision.problem().map(Problem::to_json)
        });
    });
    group.finish();
}

/// What is paid while all is well.
fn all_is_success(criterion: &mut Criterion) {
    let ids = Ids::new(7);
    let now = Duration::from_secs(1);
    let mut group = criterion.benchmark_group("all is well");
    group.bench_function("a call that may fail", |bencher| {
        bencher.iter(|| answer(black_box(0)));
    });
    group.bench_function("the same with anyhow", |bencher| {
        bencher.iter(|| answer_anyhow(black_box(0)));
    });
    group.bench_function("an id is made", |bencher| bencher.iter(|| ids.make()));
    group.bench_function("a breaker admits and is told", |bencher| {
        let breaker = Breaker::new("stock");
        bencher.iter(|| {
            let permit = breaker.admit(black_box(now)).expect("it is closed");
            breaker.succeeded(permit, now);
        });
    });
    group.bench_function("a request pays into the budget", |bencher| {
        let handler = Handler::new().retry(RetryPolicy::new().budget(RetryBudget::new()));
        bencher.iter(|| handler.record_request(black_box(now)));
    });
    group.finish();
}

criterion_group!(benches, render, handle, all_is_success);
criterion_main!(benches);
