//! The service of `highwater cluster`. It does little work itself, so that a load test
//! measures the server.

use super::{
    deadline, faults,
    hosts::{self, Hosts},
    jobs::{self, JobService},
    metrics::{Meter, Metrics, ScrapeWorkers},
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
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::sync::watch;
use tower::{Layer, Service};

/// The response header with the process id of the worker.
pub(super) const WORKER_HEADER: HeaderName = HeaderName::from_static("x-worker");

const GREETING: &str = "Hello from one of many.\n";

/// The service wrapped in the error handler.
pub(super) type HandledService = HandlerService<PlainService>;

/// Responds to `GET /` directly and routes all other requests.
#[derive(Clone, Debug)]
pub(super) struct PlainService {
    worker: HeaderValue,
    router: Router,
}

/// State shared by the routes.
#[derive(Clone)]
pub(super) struct EndpointState {
    pub(super) limits: Limits,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) scrape: ScrapeWorkers,
    pub(super) failing: FailingWorkers,
}

/// Returns the service. All errors go to `handler`. With `faults`, it also serves
/// deliberate faults.
pub(super) fn service(
    endpoint_state: EndpointState,
    meter: Arc<Meter>,
    faults: bool,
    handler: &HandlerLayer,
) -> HandledService {
    let plain = PlainService {
        worker: process::id().into(),
        router: routes(endpoint_state, meter, faults),
    };
    handler.layer(plain)
}

fn routes(endpoint_state: EndpointState, meter: Arc<Meter>, faults: bool) -> Router {
    let limits = endpoint_state.limits;
    let jobs = Arc::new(JobService::new(meter));
    let mut router = Router::new()
        .route("/work", get(jobs::work).with_state(Arc::clone(&jobs)))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/problems/", get(problems::list))
        .route("/problems/{code}", get(problems::describe))
        .fallback(async || {
            AppError::not_found(
                "No such endpoint. Available: GET /, /work?job=fib:27, /healthz, /readyz and /metrics.",
            )
        });
    if faults {
        router = router
            .route("/faults/bug", post(faults::bug))
            .route("/faults/job", post(jobs::bug).with_state(jobs))
            .route("/faults/hang", post(faults::hang))
            .route("/faults/exit", post(faults::exit));
    }
    router
        .layer(from_fn_with_state(limits, deadline::enforce_deadline))
        .with_state(endpoint_state)
}

impl Service<Request<Incoming>> for PlainService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if let Some(rejection) = hosts::rejection(&Hosts::Any, &request) {
            return Either::Left(ready(Ok(rejection)));
        }
        if request.uri().path() == "/" {
            let is_supported = matches!(*request.method(), Method::GET | Method::HEAD);
            let response = if is_supported {
                self.greet()
            } else {
                let allow = [(header::ALLOW, "GET,HEAD")];
                (allow, AppError::method_not_allowed()).into_response()
            };
            return Either::Left(ready(Ok(response)));
        }
        Either::Right(self.router.call(request))
    }
}

impl PlainService {
    fn greet(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(GREETING));
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        headers.insert(WORKER_HEADER, self.worker.clone());
        response
    }
}

/// `GET /readyz`: returns the id of this process and the workers that fail to start, or
/// 503 if this process is draining. The service is ready as long as one worker is ready.
pub(super) async fn readyz(
    State(phase): State<watch::Receiver<Phase>>,
    State(failing): State<FailingWorkers>,
) -> Result<String, AppError> {
    if *phase.borrow() > Phase::Serving {
        return Err(AppError::unavailable("the draining process")
            .with_public_message("This process is shutting down. Another one is taking over."));
    }
    let degraded_line = match failing.get() {
        workers if workers.is_empty() => String::new(),
        workers => format!("degraded: these workers fail to start: {workers}\n"),
    };
    Ok(format!("ready: process {}\n{degraded_line}", process::id()))
}

/// The numbers of the workers that repeatedly fail to start, as last reported by the
/// supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct FailingWorkers(Arc<Mutex<String>>);

impl FailingWorkers {
    #[cfg(any(unix, test))]
    pub(super) fn set(&self, workers: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workers;
    }

    fn get(&self) -> String {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clone()
    }
}

/// `GET /metrics`: returns the metrics of all workers, for Prometheus.
pub(super) async fn metrics(
    State(scrape): State<ScrapeWorkers>,
) -> Result<impl IntoResponse, AppError> {
    let metrics = scrape().await.ok_or_else(|| {
        AppError::unavailable("the supervisor")
            .with_public_message("The metrics are temporarily unavailable. Try again later.")
    })?;
    Ok((
        [(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)],
        metrics.to_text(),
    ))
}

impl FromRef<EndpointState> for watch::Receiver<Phase> {
    fn from_ref(endpoint_state: &EndpointState) -> Self {
        endpoint_state.phase.clone()
    }
}

impl FromRef<EndpointState> for FailingWorkers {
    fn from_ref(endpoint_state: &EndpointState) -> Self {
        endpoint_state.failing.clone()
    }
}

impl FromRef<EndpointState> for ScrapeWorkers {
    fn from_ref(endpoint_state: &EndpointState) -> Self {
        ScrapeWorkers::clone(&endpoint_state.scrape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{errors, metrics, worker::advance};
    use axum::body::to_bytes;
    use highwater::error::http::REQUEST_ID;
    use tower::ServiceExt;

    /// The routes with their state. Unlike the service, they accept any body type.
    struct TestServer {
        router: Router,
        meter: Arc<Meter>,
        phase: watch::Sender<Phase>,
        failing: FailingWorkers,
    }

    fn start(faults: bool) -> TestServer {
        let (phase, changes) = watch::channel(Phase::Serving);
        let meter = Arc::new(Meter::default());
        let failing = FailingWorkers::default();
        let endpoint_state = EndpointState {
            limits: Limits::default(),
            phase: changes,
            scrape: metrics::scrape_single_worker(&meter),
            failing: failing.clone(),
        };
        let router = routes(endpoint_state, Arc::clone(&meter), faults);
        let router = router.layer(errors::layer(errors::handler(), || {}));
        TestServer {
            router,
            meter,
            phase,
            failing,
        }
    }

    impl TestServer {
        async fn request(&self, method: &str, path: &str) -> (u16, String) {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            let Ok(response) = self.router.clone().oneshot(request).await;
            let status = response.status().as_u16();
            assert_eq!(status >= 400, response.headers().contains_key(REQUEST_ID));
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn draining_worker_is_not_ready() {
        let server = start(false);
        assert_eq!(server.request("GET", "/readyz").await.0, 200);
        advance(&server.phase, Phase::Draining);
        let (status, problem) = server.request("GET", "/readyz").await;
        assert_eq!(status, 503, "{problem}");
        assert_eq!(server.request("GET", "/healthz").await.0, 200);
    }

    #[tokio::test]
    async fn failing_workers_are_reported_by_readyz() {
        let server = start(false);
        server.failing.set("2, 3".to_owned());
        let (status, text) = server.request("GET", "/readyz").await;
        assert_eq!(status, 200);
        let line = "degraded: these workers fail to start: 2, 3\n";
        assert!(text.ends_with(line), "{text}");
        server.failing.set(String::new());
        let (_, text) = server.request("GET", "/readyz").await;
        assert!(!text.contains("degraded"), "{text}");
    }

    #[tokio::test]
    async fn completed_jobs_are_counted() {
        let server = start(false);
        let (status, result) = server.request("GET", "/work?job=fib:20").await;
        assert_eq!((status, &*result), (200, "fib:20 = 6765\n"));
        let (_, text) = server.request("GET", "/metrics").await;
        let line = "highwater_jobs_total{outcome=\"done\"} 1\n";
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn invalid_job_error_includes_an_example() {
        let server = start(false);
        for path in ["/work", "/work?job=fib", "/work?job=fib:-1", "/work?jobs=1"] {
            let (status, problem) = server.request("GET", path).await;
            assert_eq!(status, 400, "{path}");
            assert!(problem.contains("fib:"), "{problem}");
        }
    }

    #[tokio::test]
    async fn panicking_job_returns_500_and_keeps_the_pool() {
        let server = start(true);
        let (status, problem) = server.request("POST", "/faults/job").await;
        assert_eq!(status, 500);
        assert!(!problem.contains("bug in a job"), "{problem}");
        assert_eq!(server.meter.metrics().jobs_panicked, 1);
        assert_eq!(server.request("GET", "/work?job=fib:20").await.0, 200);
    }

    #[tokio::test]
    async fn faults_are_disabled_by_default() {
        let server = start(false);
        for path in ["/faults/bug", "/faults/hang", "/faults/exit", "/faults/job"] {
            assert_eq!(server.request("POST", path).await.0, 404, "{path}");
        }
    }
}
