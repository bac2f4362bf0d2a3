//! What the layer costs while all is well:
//! `cargo bench -p highwater --features tower --bench layer`.
//!
//! The same requests with and without it: to a service that does nothing, which
//! shows what it costs, and to a small application of axum, which shows what that
//! is beside the least that a server does.

use axum::{Router, body::Body, routing::get};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use highwater::error::{Handler, Ids, http::HandlerLayer};
use http::{Request, Response};
use std::{convert::Infallible, future::ready, hint::black_box};
use tower::{Layer, Service, service_fn};

fn layer() -> HandlerLayer {
    HandlerLayer::new(Handler::new(), Ids::new(7)).on_drain(|| {})
}

/// As a browser asks.
fn request() -> Request<Body> {
    Request::get("/orders/42")
        .header("host", "127.0.0.1:8080")
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("accept-encoding", "gzip, deflate, br")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
        .body(Body::empty())
        .expect("it is well-formed")
}

fn named_request() -> Request<Body> {
    let mut request = request();
    let id = "5a4e0b1f2c3d4e5f".parse().expect("it is well-formed");
    request.headers_mut().insert("x-request-id", id);
    request
}

/// Calls it as a server does, and drops what it answers.
fn ask<S, B>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let answer = service.call(request).now_or_never();
    let Ok(answer) = answer.expect("nothing waits");
    black_box(answer);
}

fn bare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a service that does nothing");
    let mut without = service_fn(|request: Request<Body>| {
        black_box(request);
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let mut with = layer().layer(without);
    group.bench_function("without", |bencher| {
        bencher.iter_batched(request, |it| ask(&mut without, it), BatchSize::SmallInput);
    });
    group.bench_function("with the layer", |bencher| {
        bencher.iter_batched(request, |it| ask(&mut with, it), BatchSize::SmallInput);
    });
    let mut named = layer().set_request_ids().layer(without);
    group.bench_function("with the layer, all requests are named", |bencher| {
        bencher.iter_batched(request, |it| ask(&mut named, it), BatchSize::SmallInput);
    });
    group.bench_function("with the layer, and an id of the client", |bencher| {
        bencher.iter_batched(
            named_request,
            |it| ask(&mut with, it),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn application(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a route of axum");
    let mut without = Router::new().route("/orders/{number}", get(async || "an order"));
    let mut with = without.clone().layer(layer());
    group.bench_function("without", |bencher| {
        bencher.iter_batched(request, |it| ask(&mut without, it), BatchSize::SmallInput);
    });
    group.bench_function("with the layer", |bencher| {
        bencher.iter_batched(request, |it| ask(&mut with, it), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, bare, application);
criterion_main!(benches);
