//! The service of `highwater cluster`. It does little work itself, so that a load test
//! measures the server.

use super::{
    deadline,
    endpoints::{self, EndpointState, WORKER_HEADER},
    faults,
    hosts::{self, Hosts},
    jobs::{self, JobService},
    problems,
};
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, Response, header},
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
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

const GREETING: &str = "Hello from one of many.\n";

/// The service wrapped in the error handler.
pub(super) type HandledService = HandlerService<PlainService>;

/// Responds to `GET /` directly and routes all other requests.
#[derive(Clone, Debug)]
pub(super) struct PlainService {
    worker: HeaderValue,
    router: Router,
}

/// Returns the service. All errors go to `handler`. With `faults`, it also serves
/// deliberate faults.
pub(super) fn service(
    endpoint_state: EndpointState,
    faults: bool,
    handler: &HandlerLayer,
) -> HandledService {
    let plain = PlainService {
        worker: process::id().into(),
        router: routes(endpoint_state, faults),
    };
    handler.layer(plain)
}

fn routes(endpoint_state: EndpointState, faults: bool) -> Router {
    let limits = endpoint_state.limits;
    let jobs = Arc::new(JobService::new(Arc::clone(&endpoint_state.meter)));
    let mut router = Router::new()
        .route("/work", get(jobs::work).with_state(Arc::clone(&jobs)))
        .merge(endpoints::router(endpoint_state))
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
    router.layer(from_fn_with_state(limits, deadline::enforce_deadline))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{
        endpoints::FailingWorkers,
        errors,
        metrics::Meter,
        worker::{Limits, Phase, advance},
    };
    use axum::body::to_bytes;
    use highwater::error::http::REQUEST_ID;
    use tokio::sync::watch;
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
            scrape: meter.scraper(),
            meter: Arc::clone(&meter),
            failing: failing.clone(),
        };
        let router = routes(endpoint_state, faults);
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
