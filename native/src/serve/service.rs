//! What `native cluster` serves: little, so that what is measured is the server.

use super::{
    deadline, faults,
    metrics::{Metrics, Scrape},
    problems,
    worker::{Limits, Phase},
};
use axum::{
    Router,
    body::Body,
    extract::{FromRef, State},
    http::{HeaderName, HeaderValue, Method, Request, Response, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::{future::RouteFuture, get, post},
};
use futures::future::{Either, Ready, ready};
use highwater::error::{
    AppError,
    http::{HandlerLayer, HandlerService},
};
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    process,
    task::{Context, Poll},
};
use tokio::sync::watch;
use tower::{Layer, Service};

/// Which process answers.
const WORKER: HeaderName = HeaderName::from_static("x-worker");

const GREETING: &str = "Hello from one of many.\n";

/// The service, with errors as everywhere.
pub(super) type Errorproof = HandlerService<Plain>;

/// `GET /` is answered at once, by hand; all else goes by routes.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    worker: HeaderValue,
    router: Router,
}

/// What the routes need.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) scrape: Scrape,
}

/// All that is served. Whatever goes wrong in it comes to the handler. With
/// `faults` there are some to ask for.
pub(super) fn service(shared: Shared, faults: bool, handler: &HandlerLayer) -> Errorproof {
    let limits = shared.limits;
    let mut router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready_or_not))
        .route("/metrics", get(metrics))
        .route("/problems/", get(problems::list))
        .route("/problems/{code}", get(problems::one))
        .fallback(async || AppError::not_found("There are GET /, /healthz, /readyz and /metrics."));
    if faults {
        router = router
            .route("/faults/bug", post(faults::bug))
            .route("/faults/hang", post(faults::hang))
            .route("/faults/exit", post(faults::exit));
    }
    let router = router
        .layer(from_fn_with_state(limits, deadline::keep))
        .with_state(shared);
    let plain = Plain {
        worker: process::id().into(),
        router,
    };
    handler.layer(plain)
}

impl Service<Request<Incoming>> for Plain {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let is_greeted = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_greeted && request.uri().path() == "/" {
            return Either::Left(ready(Ok(self.greet())));
        }
        Either::Right(self.router.call(request))
    }
}

impl Plain {
    fn greet(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(GREETING));
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        headers.insert(WORKER, self.worker.clone());
        response
    }
}

/// `GET /readyz`: whether it takes more requests, and which process says so.
pub(super) async fn ready_or_not(
    State(phase): State<watch::Receiver<Phase>>,
) -> Result<String, AppError> {
    if *phase.borrow() > Phase::Serves {
        return Err(AppError::unavailable("a process that drains")
            .with_public("This process is about to end: another one takes over."));
    }
    Ok(format!("ready: process {}\n", process::id()))
}

/// `GET /metrics`: the numbers of all workers, for Prometheus.
pub(super) async fn metrics(State(scrape): State<Scrape>) -> impl IntoResponse {
    let metrics = scrape().await;
    (
        [(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)],
        metrics.to_text(),
    )
}

impl FromRef<Shared> for watch::Receiver<Phase> {
    fn from_ref(shared: &Shared) -> Self {
        shared.phase.clone()
    }
}

impl FromRef<Shared> for Scrape {
    fn from_ref(shared: &Shared) -> Self {
        Scrape::clone(&shared.scrape)
    }
}
