//! Puts the handler around a service.

use super::{HandlerService, request_context::LayerContext};
use crate::{
    error::{Handler, Ids},
    sync::Arc,
};
use std::fmt;

/// Turns all that goes wrong in a service into answers, by one
/// [`Handler`]. See the [module](super) for what and how.
///
/// It belongs outside of whatever may fail: routes, limits, timeouts. The service
/// inside may fail with an [`AppError`](crate::error::AppError) or with anything
/// that [is classified](crate::error::Classify); of one that fails with a box,
/// `map_err` it by [`AppError::from_boxed`](crate::error::AppError::from_boxed).
/// The service that comes out never fails. Its responses may have any body: what
/// goes wrong in that is [handled as well](super::HandlerBody).
///
/// It knows no runtime, and starts nothing. A service that is cloned, as servers
/// do for each connection, shares it.
///
/// It retries nothing, even if its handler would: a request is gone once it was
/// served.
///
/// ```
/// use highwater::error::{AppError, Handler, Ids, http::HandlerLayer};
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
/// let layer = HandlerLayer::new(Handler::new(), Ids::new(7));
/// let service = layer.layer(service_fn(serve));
///
/// # futures::executor::block_on(async {
/// let request = Request::get("/orders").header("x-request-id", "order-42");
/// let answer = service.oneshot(request.body(String::new())?).await?;
/// assert_eq!(answer.status(), 503);
/// assert_eq!(answer.headers()["content-type"], "application/problem+json");
/// assert_eq!(answer.headers()["x-request-id"], "order-42");
/// let body = answer.into_body().collect().await?.to_bytes();
/// assert_eq!(body, concat!(
///     r#"{"type":"about:blank","title":"Service Unavailable","status":503,"#,
///     r#""detail":"A service that is needed for this is unavailable.","#,
///     r#""code":"unavailable","id":"order-42"}"#,
/// ));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "it does nothing by itself"]
pub struct HandlerLayer {
    shared: Arc<LayerContext>,
}

impl HandlerLayer {
    /// One with a handler, which others may share, and ids for requests that come
    /// without one.
    ///
    /// ```
    /// use highwater::error::{Handler, Ids, http::HandlerLayer};
    /// use std::sync::Arc;
    ///
    /// let handler = Arc::new(Handler::new());
    /// let _pages = HandlerLayer::new(Arc::clone(&handler), Ids::new(7));
    /// let _orders = HandlerLayer::new(Arc::clone(&handler), Ids::new(8));
    /// assert_eq!(Arc::strong_count(&handler), 3);
    /// ```
    pub fn new(handler: impl Into<Arc<Handler>>, ids: Ids) -> Self {
        HandlerLayer {
            shared: Arc::new(LayerContext {
                handler: handler.into(),
                ids: Arc::new(ids),
                accepts_client_ids: true,
                sets_request_ids: false,
                on_drain: None,
                on_crash: None,
                locate_panic: None,
            }),
        }
    }

    /// Called when the process is to
    /// [drain](crate::error::Decision::Drain): to take no more work, finish what
    /// is under way, this answer included, and end.
    ///
    /// It is called as the answer is made, for each bug, so it may be called more
    /// than once; and on whatever drives the service, so it has to return soon.
    /// Should it panic, that is one more bug in the log, and nothing else.
    ///
    /// Without it, a bug is answered and the process goes on.
    ///
    /// ```
    /// use highwater::error::{Handler, Ids, http::HandlerLayer};
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
    /// let layer = HandlerLayer::new(Handler::new(), Ids::new(7))
    ///     .on_drain(move || drain.send(()).unwrap());
    /// let service = layer.layer(service_fn(serve));
    ///
    /// # futures::executor::block_on(async {
    /// let answer = service.clone().oneshot(Request::new(2)).await?;
    /// assert_eq!(answer.status(), 200);
    /// assert!(drained.try_recv().is_err());
    ///
    /// let answer = service.oneshot(Request::new(3)).await?;
    /// assert_eq!(answer.status(), 500);
    /// assert!(drained.try_recv().is_ok());
    /// # Ok::<(), std::convert::Infallible>(())
    /// # }).unwrap();
    /// ```
    pub fn on_drain(mut self, drain: impl Fn() + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).on_drain = Some(Arc::new(drain));
        self
    }

    /// Called when the process is to [end at once](crate::error::Decision::Crash),
    /// which it is under [`HandlerPolicy::Crash`](crate::error::HandlerPolicy::Crash) only.
    /// Should it come back, the bug is answered.
    ///
    /// Without it, the process aborts.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, HandlerPolicy, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use std::sync::mpsc;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let (crash, crashed) = mpsc::channel();
    /// let layer = HandlerLayer::new(Handler::new().policy(HandlerPolicy::Crash), Ids::new(7))
    ///     .on_crash(move || crash.send(()).unwrap());
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::bug("no cart"))
    /// }));
    /// let answer = futures::executor::block_on(service.oneshot(Request::new(()))).unwrap();
    /// assert_eq!(answer.status(), 500, "as it came back");
    /// assert!(crashed.try_recv().is_ok());
    /// ```
    pub fn on_crash(mut self, crash: impl Fn() + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).on_crash = Some(Arc::new(crash));
        self
    }

    /// RequestContext where a panic was that was just caught on this thread; the log has it
    /// as `panicked_at`. Only a panic hook is ever told that, so it has to have
    /// left it somewhere.
    ///
    /// ```
    /// use highwater::error::{Handler, Ids, http::HandlerLayer};
    /// use std::{cell::Cell, panic};
    ///
    /// thread_local! {
    ///     static LAST: Cell<Option<String>> = const { Cell::new(None) };
    /// }
    ///
    /// panic::set_hook(Box::new(|panic| LAST.set(panic.location().map(ToString::to_string))));
    /// let layer = HandlerLayer::new(Handler::new(), Ids::new(7)).locate_panics(|| LAST.take());
    /// # let _ = layer;
    /// ```
    pub fn locate_panics(
        mut self,
        locate: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.shared).locate_panic = Some(Arc::new(locate));
        self
    }

    /// Gives each request an id at once, and not only those that go wrong: the
    /// service finds it in the header of the request, to log it and to hand it on,
    /// and the client in that of every response.
    ///
    /// To make an id and to send it is more than all else that the layer does
    /// while all is well.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), Ids::new(7)).set_request_ids();
    /// let service = layer.layer(service_fn(async |request: Request<()>| {
    ///     assert!(request.headers().contains_key("x-request-id"));
    ///     Ok::<_, AppError>(Response::new(String::new()))
    /// }));
    /// let answer = futures::executor::block_on(service.oneshot(Request::new(()))).unwrap();
    /// assert_eq!(answer.status(), 200);
    /// assert!(answer.headers().contains_key("x-request-id"));
    /// ```
    pub fn set_request_ids(mut self) -> Self {
        Arc::make_mut(&mut self.shared).sets_request_ids = true;
        self
    }

    /// Takes no id of a client: nothing stops it from sending that of somebody
    /// else's request. Otherwise a good one is kept, so that what a request causes
    /// in several services has one id.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, http::HandlerLayer};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), Ids::new(7)).ignore_client_ids();
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
    /// }));
    /// let request = Request::get("/").header("x-request-id", "order-42").body(()).unwrap();
    /// let answer = futures::executor::block_on(service.oneshot(request)).unwrap();
    /// assert_ne!(answer.headers()["x-request-id"], "order-42");
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
