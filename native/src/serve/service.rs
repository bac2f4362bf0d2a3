//! The service of `highwater cluster`. It does little work itself, so that a load test
//! measures the server.

use super::{
    endpoints::{self, WORKER_HEADER},
    faults,
    jobs::{self, JobService},
    problems,
};
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, Response, header},
    response::IntoResponse,
    routing::{future::RouteFuture, get, post},
};
use futures::future::{Either, Ready, ready};
use highwater::error::AppError;
use highwater_server::{RegisterError, RequestBody, Worker};
use std::{
    convert::Infallible,
    process,
    sync::Arc,
    task::{Context, Poll},
};
use tower::Service;

const GREETING: &str = "Hello from one of many.\n";

/// Responds to `GET /` directly and routes all other requests.
#[derive(Clone, Debug)]
pub(super) struct PlainService {
    worker: HeaderValue,
    router: Router,
}

/// Returns the service. With `faults`, it also serves deliberate faults.
pub(super) fn service(worker: &Worker, faults: bool) -> Result<PlainService, RegisterError> {
    Ok(PlainService {
        worker: process::id().into(),
        router: routes(worker, faults)?,
    })
}

fn routes(worker: &Worker, faults: bool) -> Result<Router, RegisterError> {
    let jobs = Arc::new(JobService::new(worker)?);
    let mut router = Router::new()
        .route("/work", get(jobs::work).with_state(Arc::clone(&jobs)))
        .merge(endpoints::router(worker.clone()))
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
    Ok(router)
}

impl Service<Request<RequestBody>> for PlainService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
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
    use axum::body::to_bytes;
    use highwater::error::http::REQUEST_ID;
    use tower::ServiceExt;

    fn start(faults: bool) -> Router {
        let worker = Worker::detached();
        let router = routes(&worker, faults).unwrap();
        router.layer(worker.error_layer())
    }

    async fn request(router: &Router, method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let Ok(response) = router.clone().oneshot(request).await;
        let status = response.status().as_u16();
        assert_eq!(status >= 400, response.headers().contains_key(REQUEST_ID));
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn completed_jobs_are_counted() {
        let server = start(false);
        let (status, result) = request(&server, "GET", "/work?job=fib:20").await;
        assert_eq!((status, &*result), (200, "fib:20 = 6765\n"));
        let (_, text) = request(&server, "GET", "/metrics").await;
        let line = "highwater_jobs_total{outcome=\"done\",pool=\"jobs\"} 1\n";
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn invalid_job_error_includes_an_example() {
        let server = start(false);
        for path in ["/work", "/work?job=fib", "/work?job=fib:-1", "/work?jobs=1"] {
            let (status, problem) = request(&server, "GET", path).await;
            assert_eq!(status, 400, "{path}");
            assert!(problem.contains("fib:"), "{problem}");
        }
    }

    #[tokio::test]
    async fn panicking_job_returns_500_and_keeps_the_pool() {
        let server = start(true);
        let (status, problem) = request(&server, "POST", "/faults/job").await;
        assert_eq!(status, 500);
        assert!(!problem.contains("bug in a job"), "{problem}");
        let (_, text) = request(&server, "GET", "/metrics").await;
        let line = "highwater_jobs_total{outcome=\"panicked\",pool=\"jobs\"} 1\n";
        assert!(text.contains(line), "{text}");
        assert_eq!(request(&server, "GET", "/work?job=fib:20").await.0, 200);
    }

    #[tokio::test]
    async fn faults_are_disabled_by_default() {
        let server = start(false);
        for path in ["/faults/bug", "/faults/hang", "/faults/exit", "/faults/job"] {
            assert_eq!(request(&server, "POST", path).await.0, 404, "{path}");
        }
    }
}
