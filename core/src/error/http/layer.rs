//! The layer that applies the handler to a service.

use super::{HandlerService, request_context::LayerContext};
use crate::{
    error::{Handler, IdGenerator, TraceId},
    sync::Arc,
};
use http::Extensions;
use std::fmt;

/// Turns all errors of a service into responses, using one [`Handler`]. See the
/// [module](super) for an overview.
///
/// Place it outside everything that may fail: routes, limits, timeouts. The inner
/// service may fail with an [`AppError`](crate::error::AppError) or any type that
/// implements [`Classify`](crate::error::Classify). Convert boxed errors with
/// `map_err` and [`AppError::from_boxed`](crate::error::AppError::from_boxed). The
/// resulting service never fails. Its responses may have any body; errors in a body
/// are [handled too](super::HandlerBody).
///
/// It needs no async runtime and spawns nothing. Servers clone the service for each
/// connection; the clones share the layer's state.
///
/// The examples seed their [`IdGenerator`] with 7; real code needs a random seed.
///
/// It never retries, even if its handler would, because the service has consumed the
/// request.
///
/// ```
/// use highwater::error::{AppError, Handler, IdGenerator, http::HandlerLayer};
/// use http::{Request, Response};
/// use http_body_util::BodyExt;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// async fn serve(request: Request<String>) -> Result<Response<String>, AppError> {
///     match request.uri().path() {
///         "/" => Ok(Response::new("Welcome.".to_owned())),
///         "/orders" => Err(AppError::unavailable("the database").with_context("shard", 3)),
///         _ => Err(AppError::not_found("There is no such page.")),
///     }
/// }
///
/// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7));
/// let service = layer.layer(service_fn(serve));
///
/// # futures::executor::block_on(async {
/// let request = Request::get("/orders").header("x-request-id", "order-42");
/// let response = service.oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// assert_eq!(response.headers()["x-request-id"], "order-42");
/// let body = response.into_body().collect().await?.to_bytes();
/// assert_eq!(body, concat!(
///     r#"{"type":"about:blank","title":"Service Unavailable","status":503,"#,
///     r#""detail":"A required service is unavailable.","#,
///     r#""code":"unavailable","id":"order-42"}"#,
/// ));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "does nothing unless used"]
pub struct HandlerLayer {
    shared: Arc<LayerContext>,
}

impl HandlerLayer {
    /// Creates a layer from a handler, which can be shared, and an id generator for
    /// requests without an id.
    ///
    /// ```
    /// use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
    /// use std::sync::Arc;
    ///
    /// let handler = Arc::new(Handler::new());
    /// let _pages = HandlerLayer::new(Arc::clone(&handler), IdGenerator::new(7));
    /// let _orders = HandlerLayer::new(Arc::clone(&handler), IdGenerator::new(8));
    /// assert_eq!(Arc::strong_count(&handler), 3);
    /// ```
    pub fn new(handler: impl Into<Arc<Handler>>, ids: IdGenerator) -> Self {
        HandlerLayer {
            shared: Arc::new(LayerContext {
                handler: handler.into(),
                ids: Arc::new(ids),
                accepts_client_ids: true,
                sets_request_ids: false,
                on_drain: None,
                on_crash: None,
                locate_panic: None,
                trace_id: None,
            }),
        }
    }

    /// Sets a function to call when the process has to
    /// [drain](crate::error::Decision::Drain): stop taking work, finish the work in
    /// flight, including this response, and exit.
    ///
    /// It is called for each bug, possibly several times, while the response is
    /// created. It runs on the thread that drives the service, so it must not block.
    /// A panic in it is logged as another bug.
    ///
    /// Without this function, the process responds to a bug and continues.
    ///
    /// ```
    /// use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use std::sync::mpsc;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// async fn serve(request: Request<usize>) -> Result<Response<String>, std::convert::Infallible> {
    ///     let stock = [1, 2, 3];
    ///     Ok(Response::new(stock[*request.body()].to_string()))
    /// }
    ///
    /// let (drain, drained) = mpsc::channel();
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7))
    ///     .on_drain(move || drain.send(()).unwrap());
    /// let service = layer.layer(service_fn(serve));
    ///
    /// # futures::executor::block_on(async {
    /// let response = service.clone().oneshot(Request::new(2)).await?;
    /// assert_eq!(response.status(), 200);
    /// assert!(drained.try_recv().is_err());
    ///
    /// let response = service.oneshot(Request::new(3)).await?;
    /// assert_eq!(response.status(), 500);
    /// assert!(drained.try_recv().is_ok());
    /// # Ok::<(), std::convert::Infallible>(())
    /// # }).unwrap();
    /// ```
    pub fn on_drain(mut self, drain: impl Fn() + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).on_drain = Some(Arc::new(drain));
        self
    }

    /// Sets a function to call when the process has to [exit at
    /// once](crate::error::Decision::Crash), which happens only under
    /// [`HandlerPolicy::Crash`](crate::error::HandlerPolicy::Crash). If the function
    /// returns, the client gets a response.
    ///
    /// Without this function, the process aborts.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, HandlerPolicy, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use std::sync::mpsc;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let (crash, crashed) = mpsc::channel();
    /// let layer = HandlerLayer::new(Handler::new().policy(HandlerPolicy::Crash), IdGenerator::new(7))
    ///     .on_crash(move || crash.send(()).unwrap());
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::bug("no cart"))
    /// }));
    /// let response = futures::executor::block_on(service.oneshot(Request::new(()))).unwrap();
    /// assert_eq!(response.status(), 500, "the hook returned");
    /// assert!(crashed.try_recv().is_ok());
    /// ```
    pub fn on_crash(mut self, crash: impl Fn() + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).on_crash = Some(Arc::new(crash));
        self
    }

    /// Sets a function that returns the location of the panic just caught on this
    /// thread. It is logged as `panicked_at`. Only a panic hook knows the location,
    /// so the hook has to store it.
    ///
    /// ```
    /// use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
    /// use std::{cell::Cell, panic};
    ///
    /// thread_local! {
    ///     static LAST: Cell<Option<String>> = const { Cell::new(None) };
    /// }
    ///
    /// panic::set_hook(Box::new(|panic| LAST.set(panic.location().map(ToString::to_string))));
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7)).locate_panics(|| LAST.take());
    /// # let _ = layer;
    /// ```
    pub fn locate_panics(
        mut self,
        locate: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.shared).locate_panic = Some(Arc::new(locate));
        self
    }

    /// Sets a function that returns the trace that a request belongs to, from its
    /// extensions. A layer outside this one has to read it from the request's headers.
    /// Its id appears in the log and in the problem.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Problem, TraceId, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7))
    ///     .trace_ids(|extensions| extensions.get().copied());
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
    /// }));
    /// let trace_id = TraceId::from_bytes([7; 16]).unwrap();
    /// let request = Request::builder().extension(trace_id).body(()).unwrap();
    /// let response = futures::executor::block_on(service.oneshot(request)).unwrap();
    /// let problem = response.extensions().get::<Problem>().unwrap();
    /// assert_eq!(problem.trace_id(), Some(trace_id));
    /// ```
    pub fn trace_ids(
        mut self,
        find: impl Fn(&Extensions) -> Option<TraceId> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.shared).trace_id = Some(Arc::new(find));
        self
    }

    /// Assigns an id to every request, not only to failed ones. The service finds it
    /// in the request header, to log it or pass it on, and the client finds it in
    /// every response.
    ///
    /// Generating and sending ids costs more than everything else that the layer does
    /// for a successful request.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7)).assign_request_ids();
    /// let service = layer.layer(service_fn(async |request: Request<()>| {
    ///     assert!(request.headers().contains_key("x-request-id"));
    ///     Ok::<_, AppError>(Response::new(String::new()))
    /// }));
    /// let response = futures::executor::block_on(service.oneshot(Request::new(()))).unwrap();
    /// assert_eq!(response.status(), 200);
    /// assert!(response.headers().contains_key("x-request-id"));
    /// ```
    pub fn assign_request_ids(mut self) -> Self {
        Arc::make_mut(&mut self.shared).sets_request_ids = true;
        self
    }

    /// Ignores the ids of clients, because a client may send the id of another
    /// client's request. By default a valid id is kept, so that a request has the
    /// same id across services.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7)).ignore_client_ids();
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
    /// }));
    /// let request = Request::get("/").header("x-request-id", "order-42").body(()).unwrap();
    /// let response = futures::executor::block_on(service.oneshot(request)).unwrap();
    /// assert_ne!(response.headers()["x-request-id"], "order-42");
    /// ```
    pub fn ignore_client_ids(mut self) -> Self {
        Arc::make_mut(&mut self.shared).accepts_client_ids = false;
        self
    }
}

impl<S> tower_layer::Layer<S> for HandlerLayer {
    type Service = HandlerService<S>;

    fn layer(&self, inner: S) -> HandlerService<S> {
        HandlerService::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for HandlerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerLayer")
            .field("handler", &self.shared.handler)
            .finish_non_exhaustive()
    }
}
