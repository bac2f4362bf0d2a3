//! A service with faults and big responses, for load tests and benchmarks of a cluster.
//!
//! It uses only the public API of the crate, and its command line is that of `highwater
//! cluster`, so that the same tests run against both programs.
//!
//! ```sh
//! cargo build -p highwater-server --example service
//! target/debug/examples/service --workers 2 --faults
//! ```

use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    http::{HeaderValue, Request, Response, header},
    routing::{get, post},
};
use highwater::error::AppError;
use highwater_server::{Cluster, ExitCode, RequestBody, Worker, logging};
use std::{
    convert::Infallible,
    env,
    fmt::Debug,
    future::{pending, ready},
    hint, process,
    str::FromStr,
    time::Duration,
};
use tokio::time::sleep;
use tower::service_fn;

/// The response to `/big`, which is more than a connection buffers.
static BIG: [u8; 8 << 20] = [0; 8 << 20];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let is_set = |option: &str| arguments.iter().any(|argument| argument == option);
    let value = |option: &str| {
        let mut rest = arguments.iter().skip_while(|argument| *argument != option);
        rest.nth(1)
    };
    let seconds = |option| value(option).map(|value| Duration::from_secs(number(value)));

    let json = is_set("--json");
    let addr = value("--addr").map_or("127.0.0.1:0", String::as_str);
    let mut cluster = Cluster::new(addr)
        .version(env!("CARGO_PKG_VERSION"))
        .json_events(json);
    if let Some(workers) = value("--workers") {
        cluster = cluster.workers(number(workers));
    }
    if let Some(limit) = seconds("--give-up-after") {
        cluster = cluster.give_up_after(limit);
    }
    if let Some(level) = value("--log-level") {
        cluster = cluster.log_level(level.parse().expect("a level"));
    }
    if !json {
        cluster = cluster.on_ready(|addr| logging::print(&format!("serving http://{addr}/")));
    }
    if is_set("--plain") {
        return cluster.run(async |_| service_fn(hello));
    }
    let faults = is_set("--faults");
    cluster.run(async move |worker| router(worker, faults))
}

fn number<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a number")
}

/// The smallest service: without axum, for benchmarks.
fn hello(_: Request<RequestBody>) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    ready(Ok(greeting()))
}

/// Returns the response of which each server in the benchmarks sends the same bytes.
fn greeting() -> Response<Body> {
    let mut response = Response::new(Body::from("hello\n"));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CONNECTION, "keep-alive"),
        // nginx cannot omit it.
        (header::SERVER, "nginx"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn router(worker: Worker, faults: bool) -> Router {
    let (ready, scraped) = (worker.clone(), worker);
    let mut router = Router::new()
        .route(
            "/",
            get(async || ([("x-worker", process::id().to_string())], "hello\n")),
        )
        .route("/hello", get(async || greeting()))
        .route("/slow", get(slow))
        .route("/endless", get(async || pending::<()>().await))
        .route("/big", get(async || Bytes::from_static(&BIG)))
        .route("/echo", post(async |body: Bytes| body))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || ready.readiness()))
        .route("/metrics", get(async move || scraped.metrics().await))
        .fallback(async || AppError::not_found("There is no such page."))
        .layer(DefaultBodyLimit::max(100_000));
    if faults {
        router = router
            .route(
                "/faults/bug",
                post(async || -> &str { panic!("a deliberate bug") }),
            )
            .route("/faults/exit", post(exit))
            .route("/faults/hang", post(hang));
    }
    router
}

async fn slow() -> &'static str {
    sleep(Duration::from_millis(300)).await;
    "done\n"
}

async fn exit() {
    logging::flush();
    process::exit(1)
}

/// Blocks the event loop forever, so every connection of this process hangs.
async fn hang() {
    loop {
        hint::spin_loop();
    }
}
