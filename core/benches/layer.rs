//! Measures the layer's overhead on successful requests: `cargo bench -p highwater
//! --features tower --bench layer`.
//!
//! Each request runs with and without the layer: against an empty service, which
//! shows the absolute cost, and against a small axum application, which shows the
//! relative cost.

use axum::{Router, body::Body, routing::get};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
use http::{Request, Response};
use std::{convert::Infallible, future::ready, hint::black_box};
use tower::{Layer, Service, service_fn};

fn layer() -> HandlerLayer {
    HandlerLayer::new(Handler::new(), IdGenerator::new(7)).on_drain(|| {})
}

/// Returns a request with typical browser headers.
fn request() -> Request<Body> {
    Request::get("/orders/42")
        .header("host", "127.0.0.1:8080")
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("accept-encoding", "gzip, deflate, br")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
        .body(Body::empty())
        .expect("well-formed")
}

fn request_with_id() -> Request<Body> {
    let mut request = request();
    let id = "5a4e0b1f2c3d4e5f".parse().expect("well-formed");
    request.headers_mut().insert("x-request-id", id);
    request
}

/// Calls the service and drops its response.
fn call<S, B>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let response = service.call(request).now_or_never();
    let Ok(response) = response.expect("always ready");
    black_box(response);
}

fn empty_service(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("empty service");
    let mut bare_service = service_fn(|request: Request<Body>| {
        black_box(request);
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let mut layered_service = layer().layer(bare_service);
    group.bench_function("without the layer", |bencher| {
        bencher.iter_batched(
            request,
            |it| call(&mut bare_service, it),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("with the layer", |bencher| {
        bencher.iter_batched(
            request,
            |it| call(&mut layered_service, it),
            BatchSize::SmallInput,
        );
    });
    let mut service_with_ids = layer().assign_request_ids().layer(bare_service);
    group.bench_function("with the layer, assign_request_ids", |bencher| {
        bencher.iter_batched(
            request,
            |it| call(&mut service_with_ids, it),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("with the layer, client id", |bencher| {
        bencher.iter_batched(
            request_with_id,
            |it| call(&mut layered_service, it),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn application(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("axum route");
    let mut bare_service = Router::new().route("/orders/{number}", get(async || "an order"));
    let mut layered_service = bare_service.clone().layer(layer());
    group.bench_function("without the layer", |bencher| {
        bencher.iter_batched(
            request,
            |it| call(&mut bare_service, it),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("with the layer", |bencher| {
        bencher.iter_batched(
            request,
            |it| call(&mut layered_service, it),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, empty_service, application);
criterion_main!(benches);
