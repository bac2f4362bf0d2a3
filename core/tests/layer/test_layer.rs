//! A test layer that records its log and its drain requests.

use futures::executor::block_on;
use highwater::error::{
    AppError, Handler, IdGenerator,
    http::{HandlerLayer, REQUEST_ID},
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use log::Level;
use serde_json::Value;
use std::{
    convert::Infallible,
    error::Error,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower::{Layer, Service, ServiceExt, service_fn};

pub(crate) type TextResponse = Response<String>;

/// A layer, its log, and the number of drain requests.
#[derive(Clone)]
pub(crate) struct TestLayer {
    pub(crate) layer: HandlerLayer,
    pub(crate) handler: Arc<Handler>,
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    /// The level of each line logged so far.
    pub(crate) levels: Arc<Mutex<Vec<Level>>>,
    pub(crate) drains: Arc<AtomicUsize>,
}

impl TestLayer {
    pub(crate) fn new() -> Self {
        Self::with(Handler::new(), |layer| layer)
    }

    pub(crate) fn with(handler: Handler, adapt: impl FnOnce(HandlerLayer) -> HandlerLayer) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let drains = Arc::new(AtomicUsize::new(0));
        let levels = Arc::new(Mutex::new(Vec::new()));
        let handler = Arc::new(handler.log_to({
            let (lines, levels) = (Arc::clone(&lines), Arc::clone(&levels));
            move |level, line| {
                levels.lock().unwrap().push(level);
                lines.lock().unwrap().push(line.to_owned());
            }
        }));
        let layer = HandlerLayer::new(Arc::clone(&handler), IdGenerator::new(7)).on_drain({
            let drains = Arc::clone(&drains);
            move || {
                drains.fetch_add(1, Ordering::Relaxed);
            }
        });
        TestLayer {
            layer: adapt(layer),
            handler,
            lines,
            levels,
            drains,
        }
    }

    /// Sends a request through the layer to a service.
    pub(crate) fn call<S, B, E>(&self, service: S) -> TextResponse
    where
        S: Service<Request<String>, Response = Response<B>, Error = E>,
        E: Into<AppError>,
        B: Body,
        B::Data: From<String>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let request = Request::post("/orders?card=SECRET").body(String::new());
        self.call_with(service, request.unwrap())
    }

    pub(crate) fn call_with<S, Q, B, E>(&self, service: S, request: Request<Q>) -> TextResponse
    where
        S: Service<Request<Q>, Response = Response<B>, Error = E>,
        E: Into<AppError>,
        B: Body,
        B::Data: From<String>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Ok(response) = block_on(self.layer.layer(service).oneshot(request));
        let (head, body) = response.into_parts();
        let body = block_on(body.collect()).expect("a complete body");
        let body = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
        TextResponse::from_parts(head, body)
    }

    /// Returns the only line logged since the last call.
    pub(crate) fn line(&self) -> String {
        let mut lines = std::mem::take(&mut *self.lines.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    pub(crate) fn drains(&self) -> usize {
        self.drains.load(Ordering::Relaxed)
    }
}

/// Checks that the response is a problem with the same id in body, header and log.
#[track_caller]
pub(crate) fn assert_problem(response: &TextResponse, test: &TestLayer) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(problem["status"], response.status().as_u16());
    let id = problem["id"].as_str().unwrap();
    assert_eq!(response.headers()[REQUEST_ID], id);
    assert!(test.line().starts_with(&format!("id={id} ")));
    problem
}

pub(crate) fn respond_with<Q>(
    response: impl FnMut(Request<Q>) -> TextResponse,
) -> impl Service<Request<Q>, Response = TextResponse, Error = Infallible> {
    let mut response = response;
    service_fn(move |request| ready(Ok(response(request))))
}

pub(crate) fn fail_with(
    mut error: impl FnMut() -> AppError,
) -> impl Service<Request<String>, Response = TextResponse, Error = AppError> {
    service_fn(move |_| ready(Err(error())))
}
