//! The service that a layer creates.

use super::{
    HandlerBody, HandlerFuture,
    request_context::{LayerContext, RequestContext},
};
use crate::{error::AppError, panics::catch_panic, sync::Arc};
use http::{Request, Response};
use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// A service that never fails, created by a [`HandlerLayer`](super::HandlerLayer).
///
/// It is ready when the inner service is. If the inner service fails to become ready,
/// the response to the next request is that error.
///
/// ```
/// use highwater::error::{AppError, Handler, IdGenerator, http::{HandlerLayer, HandlerService}};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7));
/// let service: HandlerService<_> = layer.layer(service_fn(async |_: Request<()>| {
///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
/// }));
/// let response = futures::executor::block_on(service.oneshot(Request::new(()))).unwrap();
/// assert_eq!(response.status(), 404);
/// ```
pub struct HandlerService<S> {
    inner: S,
    shared: Arc<LayerContext>,
    /// The error with which the inner service failed to become ready.
    readiness_error: Option<AppError>,
}

impl<S> HandlerService<S> {
    pub(super) fn new(inner: S, shared: Arc<LayerContext>) -> Self {
        HandlerService {
            inner,
            shared,
            readiness_error: None,
        }
    }
}

impl<S, Q, B> Service<Request<Q>> for HandlerService<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<AppError>,
{
    type Response = Response<HandlerBody<B>>;
    type Error = Infallible;
    type Future = HandlerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.readiness_error.is_none() {
            let ready = catch_panic(|| self.inner.poll_ready(context).map_err(Into::into));
            self.readiness_error = match ready {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(ready)) => ready.err(),
                Err(panic) => Some(self.shared.bug(&*panic)),
            };
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Q>) -> HandlerFuture<S::Future> {
        let request_context = RequestContext::new(&mut request, &self.shared);
        let call_result = match self.readiness_error.take() {
            Some(error) => Err(error),
            None => {
                catch_panic(|| self.inner.call(request)).map_err(|panic| self.shared.bug(&*panic))
            }
        };
        HandlerFuture::new(call_result, request_context)
    }
}

impl<S: Clone> Clone for HandlerService<S> {
    fn clone(&self) -> Self {
        HandlerService::new(self.inner.clone(), Arc::clone(&self.shared))
    }
}

impl<S: fmt::Debug> fmt::Debug for HandlerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService")
            .field("inner", &self.inner)
            .field("handler", &self.shared.handler)
            .finish_non_exhaustive()
    }
}
