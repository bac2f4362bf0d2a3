//! The services that a server runs, and their request bodies.

use bytes::Bytes;
use highwater::{
    BoxError,
    error::{AppError, Classification, ErrorKind},
};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tower_service::Service;

/// A service that a server can run: any `tower` service for HTTP requests, such as an
/// axum `Router`.
///
/// It is implemented for every matching service, and not meant to be implemented. Each
/// request is served by a clone of the service, once that clone is ready. Errors that the
/// service returns become problem details, as described in
/// [`highwater::error::http`].
///
/// ```
/// use highwater::error::AppError;
/// use highwater_server::{HttpService, RequestBody};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::body::Bytes;
///
/// async fn greet(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, AppError> {
///     match request.uri().path() {
///         "/" => Ok(Response::new("Hello.".into())),
///         _ => Err(AppError::not_found("There is no such page.")),
///     }
/// }
///
/// fn is_a_service(_: impl HttpService) {}
/// is_a_service(tower::service_fn(greet));
/// is_a_service(axum::Router::new());
/// ```
pub trait HttpService:
    Service<
        Request<RequestBody>,
        Response = Response<Self::ResponseBody>,
        Error: Into<AppError>,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// The response body.
    type ResponseBody: Body<Data: From<String> + Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<AppError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: From<String> + Send,
    B::Error: Into<BoxError>,
{
    type ResponseBody = B;
}

/// The body of a request.
///
/// It reports to the server whether the service is waiting for more of it. If the time
/// limit passes then, the client was too slow, otherwise the service. An error means that
/// the client disconnected, or that it sent something invalid.
pub struct RequestBody {
    body: AnyBody,
    /// True while the service waits for data. `None` if the body was complete at once.
    is_awaited: Option<Arc<AtomicBool>>,
}

enum AnyBody {
    Received(Incoming),
    Other(UnsyncBoxBody<Bytes, BoxError>),
}

impl RequestBody {
    /// Creates a body that was not received from a client, for tests of a service.
    ///
    /// ```
    /// use highwater_server::RequestBody;
    /// use http_body_util::{BodyExt, Full};
    ///
    /// # futures::executor::block_on(async {
    /// let body = RequestBody::new(Full::from("name=Ada"));
    /// assert_eq!(body.collect().await?.to_bytes(), "name=Ada");
    /// # Ok::<_, highwater::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        RequestBody {
            body: AnyBody::Other(body.map_err(Into::into).boxed_unsync()),
            is_awaited: None,
        }
    }

    /// Starts to record whether the service is waiting for data, unless the body is
    /// complete.
    pub(crate) fn monitor(&mut self) -> Option<Arc<AtomicBool>> {
        if !self.is_end_stream() {
            self.is_awaited = Some(Arc::default());
        }
        self.is_awaited.clone()
    }
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> Self {
        RequestBody {
            body: AnyBody::Received(body),
            is_awaited: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.body {
            AnyBody::Received(body) => Pin::new(body).poll_frame(context).map_err(BoxError::from),
            AnyBody::Other(body) => Pin::new(body).poll_frame(context),
        };
        if let Some(is_awaited) = &self.is_awaited {
            is_awaited.store(frame.is_pending(), Relaxed);
        }
        frame.map_err(mark_client_gone)
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnyBody::Received(body) => body.is_end_stream(),
            AnyBody::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnyBody::Received(body) => body.size_hint(),
            AnyBody::Other(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// Marks an error that was caused by a client disconnect, so that it is recognised even
/// when wrapped.
fn mark_client_gone(error: BoxError) -> BoxError {
    let classification = Classification::of(&*error);
    if classification.is_some_and(|classification| classification.kind() == ErrorKind::ClientGone) {
        return AppError::client_gone().with_source(error).into();
    }
    error
}
