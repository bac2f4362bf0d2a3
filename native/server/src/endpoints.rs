//! The endpoints for orchestrators and monitoring: liveness, readiness and metrics.

use crate::{error::Error, handle::Worker, host::InvalidHost};
use bytes::{Buf, Bytes};
use futures_util::{
    FutureExt, TryFutureExt,
    future::{self, BoxFuture, MapOk},
};
use highwater::error::AppError;
use http::{
    HeaderValue, Method, Request, Response,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::{Either, Full};
use std::{
    collections::BTreeSet,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// The endpoints for orchestrators and monitoring, an option of both servers.
///
/// | path | response to GET and HEAD |
/// |---|---|
/// | `/livez` | 200 while the event loop runs |
/// | `/readyz` | 200, or 503 while this process drains |
/// | `/metrics` | the metrics of all workers, in the Prometheus text format; 503 if the supervisor does not reply within a second |
///
/// Each path can be changed or left out. By default, the endpoints are on the address of the
/// server, in front of the service, and count as its requests. [`on`](Self::on) puts them on
/// another address.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use highwater_server::{Endpoints, ExitCode, Server};
///
/// fn main() -> ExitCode {
///     Server::new("127.0.0.1:8080")
///         .endpoints(Endpoints::new().live("/healthz").metrics(None))
///         .run(|_worker| async { Router::new().route("/", get(|| async { "hello" })) })
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "does nothing unless passed to a server"]
pub struct Endpoints {
    addr: Option<String>,
    live: Option<String>,
    ready: Option<String>,
    metrics: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Live,
    Ready,
    Metrics,
}

impl Endpoints {
    /// Creates endpoints with the default paths, on the address of the server.
    ///
    /// ```
    /// use highwater_server::Endpoints;
    ///
    /// let endpoints = Endpoints::new();
    /// assert_eq!(endpoints, Endpoints::new().ready("/readyz").metrics("/metrics"));
    /// ```
    pub fn new() -> Self {
        Endpoints {
            addr: None,
            live: Some("/livez".to_owned()),
            ready: Some("/readyz".to_owned()),
            metrics: Some("/metrics".to_owned()),
        }
    }

    /// Creates endpoints with the default paths, on an address of their own. Each process
    /// serves up to 16 connections there, even while the server is full, and the requests
    /// are not part of its metrics. A [`Server`](crate::Server) serves them until it has
    /// drained. In a [`Cluster`](crate::Cluster), any worker that is not draining responds,
    /// with the metrics of all.
    ///
    /// ```no_run
    /// use axum::{Router, routing::get};
    /// use highwater_server::{Cluster, Endpoints, ExitCode};
    ///
    /// fn main() -> ExitCode {
    ///     Cluster::new("0.0.0.0:8080")
    ///         .endpoints(Endpoints::on("127.0.0.1:9090"))
    ///         .run(|_worker| async { Router::new().route("/", get(|| async { "hello" })) })
    /// }
    /// ```
    pub fn on(addr: impl Into<String>) -> Self {
        Endpoints {
            addr: Some(addr.into()),
            ..Endpoints::new()
        }
    }

    /// Returns the address, unless it is that of the server.
    pub(crate) fn addr(&self) -> Option<&str> {
        self.addr.as_deref()
    }

    /// Sets the path of the liveness endpoint, or leaves it out.
    ///
    /// ```
    /// use highwater_server::Endpoints;
    ///
    /// let endpoints = Endpoints::new().live("/healthz");
    /// assert_ne!(endpoints, Endpoints::new());
    /// assert_eq!(endpoints.live("/livez"), Endpoints::new());
    /// ```
    pub fn live<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.live = path.into().map(str::to_owned);
        self
    }

    /// Sets the path of the readiness endpoint, or leaves it out.
    ///
    /// ```
    /// use highwater_server::Endpoints;
    ///
    /// let endpoints = Endpoints::new().ready("/health/ready");
    /// assert_ne!(endpoints, Endpoints::new());
    /// ```
    pub fn ready<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.ready = path.into().map(str::to_owned);
        self
    }

    /// Sets the path of the metrics endpoint, or leaves it out. Metrics reveal how much
    /// traffic a server has.
    ///
    /// ```
    /// use highwater_server::Endpoints;
    ///
    /// let endpoints = Endpoints::new().metrics(None);
    /// assert_ne!(endpoints, Endpoints::new());
    /// ```
    pub fn metrics<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.metrics = path.into().map(str::to_owned);
        self
    }

    /// Checks the paths.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut paths = BTreeSet::new();
        for path in [&self.live, &self.ready, &self.metrics]
            .into_iter()
            .flatten()
        {
            if !path.starts_with('/') || path.contains(['?', '#']) || !paths.insert(path) {
                return Err(Error::InvalidEndpoint(path.clone()));
            }
        }
        Ok(())
    }

    fn find(&self, path: &str) -> Option<Endpoint> {
        let path = Some(path);
        if path == self.live.as_deref() {
            Some(Endpoint::Live)
        } else if path == self.ready.as_deref() {
            Some(Endpoint::Ready)
        } else if path == self.metrics.as_deref() {
            Some(Endpoint::Metrics)
        } else {
            None
        }
    }
}

/// The name of the listening socket of the endpoints.
pub(crate) const LISTENER_NAME: &str = "endpoints";

/// The maximum number of connections to the address of the endpoints.
pub(crate) const MAX_CONNECTIONS: usize = 16;

impl Default for Endpoints {
    fn default() -> Self {
        Endpoints::new()
    }
}

/// A service that answers requests for endpoints, rejects those without a valid host, and
/// passes on all others.
#[derive(Clone, Debug)]
pub(crate) struct EndpointService<S> {
    service: S,
    /// Shared, because the service is cloned for each request.
    endpoints: Option<Arc<(Endpoints, Worker)>>,
}

impl<S> EndpointService<S> {
    pub(crate) fn new(service: S, endpoints: Option<Endpoints>, worker: Worker) -> Self {
        EndpointService {
            service,
            endpoints: endpoints.map(|endpoints| Arc::new((endpoints, worker))),
        }
    }
}

/// The service behind the endpoints on an address of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoService;

impl<Q> Service<Request<Q>> for NoService {
    type Response = Response<Full<Bytes>>;
    type Error = AppError;
    type Future = Ready<Result<Self::Response, AppError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Q>) -> Self::Future {
        ready(Err(AppError::not_found("There is no such endpoint.")))
    }
}

type EndpointBody<B> = Either<B, Full<<B as Body>::Data>>;
type Wrap<B> = fn(Response<B>) -> Response<EndpointBody<B>>;

impl<S, Q, B> Service<Request<Q>> for EndpointService<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = AppError>,
    B: Body<Data: From<String> + Send> + Send + 'static,
{
    type Response = Response<EndpointBody<B>>;
    type Error = AppError;
    type Future = future::Either<
        MapOk<S::Future, Wrap<B>>,
        BoxFuture<'static, Result<Self::Response, AppError>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        if let Some(invalid) = request.extensions().get::<InvalidHost>() {
            return future::Either::Right(ready(Err(invalid.error())).boxed());
        }
        let endpoint = self.endpoints.as_deref().and_then(|(endpoints, worker)| {
            let endpoint = endpoints.find(request.uri().path())?;
            Some((endpoint, worker.clone()))
        });
        let Some((endpoint, worker)) = endpoint else {
            let wrap: Wrap<B> = |response| response.map(Either::Left);
            return future::Either::Left(self.service.call(request).map_ok(wrap));
        };
        let response = respond(endpoint, request.method().clone(), worker);
        let wrap = |response: Response<_>| response.map(Either::Right);
        future::Either::Right(response.map_ok(wrap).boxed())
    }
}

async fn respond<D: Buf + From<String>>(
    endpoint: Endpoint,
    method: Method,
    worker: Worker,
) -> Result<Response<Full<D>>, AppError> {
    if !matches!(method, Method::GET | Method::HEAD) {
        let mut response = Response::from(AppError::method_not_allowed());
        let methods = HeaderValue::from_static("GET,HEAD");
        response.headers_mut().insert(ALLOW, methods);
        return Ok(response);
    }
    let mut content_type = "text/plain; charset=utf-8";
    let text = match endpoint {
        Endpoint::Live => "alive\n".to_owned(),
        Endpoint::Ready => worker.readiness()?,
        Endpoint::Metrics => {
            content_type = Worker::METRICS_CONTENT_TYPE;
            worker.metrics().await?
        }
    };
    let mut response = Response::new(Full::new(text.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deadline::DeadlineService, limits::Limits, service::RequestBody};
    use axum::{Router, body};
    use tower::ServiceExt;

    async fn request(endpoints: Option<Endpoints>, method: &str, path: &str) -> (u16, String) {
        let router = Router::new().fallback(async || "the service");
        let worker = Worker::detached();
        let service = DeadlineService::new(router, &Limits::new());
        let service = EndpointService::new(service, endpoints, worker.clone());
        let service = tower_layer::Layer::layer(&worker.error_layer(), service);
        let request = Request::builder().method(method).uri(path);
        let request = request.body(RequestBody::new(body::Body::empty())).unwrap();
        let Ok(response) = service.oneshot(request).await;
        let status = response.status().as_u16();
        let body = body::to_bytes(body::Body::new(response.into_body()), usize::MAX);
        let body = body.await.unwrap().to_vec();
        (status, String::from_utf8(body).unwrap())
    }

    #[tokio::test]
    async fn endpoints_come_before_the_service() {
        for (path, start) in [
            ("/livez", "alive\n"),
            ("/readyz?verbose", "ready: process "),
            ("/metrics", "# HELP highwater_"),
            ("/livez/", "the service"),
            ("/", "the service"),
        ] {
            let (status, body) = request(Some(Endpoints::new()), "GET", path).await;
            assert_eq!(status, 200, "{path}");
            assert!(body.starts_with(start), "{path}: {body}");
            let (_, body) = request(None, "GET", path).await;
            assert_eq!(body, "the service", "{path}");
        }
    }

    #[tokio::test]
    async fn renamed_and_omitted_endpoints() {
        let endpoints = Endpoints::new().live("/healthz").metrics(None);
        for (path, start) in [
            ("/healthz", "alive"),
            ("/readyz", "ready"),
            ("/livez", "the service"),
            ("/metrics", "the service"),
        ] {
            let (_, body) = request(Some(endpoints.clone()), "GET", path).await;
            assert!(body.starts_with(start), "{path}: {body}");
        }
    }

    #[tokio::test]
    async fn other_methods_are_rejected() {
        let (status, problem) = request(Some(Endpoints::new()), "POST", "/livez").await;
        assert_eq!(status, 405, "{problem}");
    }

    #[test]
    fn invalid_paths_are_rejected() {
        assert!(Endpoints::new().check().is_ok());
        for endpoints in [
            Endpoints::new().live("healthz"),
            Endpoints::new().live(""),
            Endpoints::new().ready("/ready?"),
            Endpoints::new().metrics("/livez"),
        ] {
            let error = endpoints.check().unwrap_err().to_string();
            assert!(error.contains("invalid endpoint path"), "{error}");
        }
    }
}
