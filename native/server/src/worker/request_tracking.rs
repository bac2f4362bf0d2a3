//! A wrapper around the service that counts and times requests, and detects clients that
//! disconnect.

use super::{
    activity::ConnectionActivity, client_limit::ClientSlot, connection_limit::ConnectionLimit,
    request_log::RequestLog, transport::ConnectionClient,
};
use bytes::Buf;
use highwater::{BoxError, error::ErrorKind};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower_service::Service;

/// A tower service that responds to every HTTP request and is always ready.
pub(super) trait InfallibleService:
    Service<
        Request<Incoming>,
        Response = Response<Self::ResponseBody>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// The response body.
    type ResponseBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> InfallibleService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}

/// A service that tracks its requests.
#[derive(Debug)]
pub(super) struct TrackedService<S> {
    service: S,
    client: ConnectionClient,
    activity: Arc<ConnectionActivity>,
    connection_limit: Arc<ConnectionLimit>,
}

/// The service is never pinned.
impl<S> Unpin for TrackedService<S> {}

impl<S> TrackedService<S> {
    pub(super) fn new(
        service: S,
        client: ConnectionClient,
        activity: Arc<ConnectionActivity>,
        connection_limit: Arc<ConnectionLimit>,
    ) -> Self {
        TrackedService {
            service,
            client,
            activity,
            connection_limit,
        }
    }
}

impl<S: InfallibleService> hyper::service::Service<Request<Incoming>> for TrackedService<S> {
    type Response = Response<TrackedBody<S::ResponseBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let client_slot = self.client.identify(&mut request);
        let tracker = RequestTracker::new(&self.activity, &self.connection_limit, &mut request);
        let mut tracker = Box::new(tracker);
        tracker.client_slot = client_slot.unwrap_or_else(|_| {
            self.connection_limit.meter.rejected_requests.inc();
            None
        });
        let future = {
            let _entered = tracker.log.enter();
            self.service.clone().call(request)
        };
        ResponseFuture {
            future,
            tracker: Some(tracker),
        }
    }
}

pin_project! {
    /// The future of a tracked response.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        future: F,
        // Boxed, because futures and responses are moved several times.
        tracker: Option<Box<RequestTracker>>,
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body,
{
    type Output = Result<Response<TrackedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = {
            let _entered = this
                .tracker
                .as_ref()
                .and_then(|tracker| tracker.log.enter());
            this.future.poll(context)
        };
        let Ok(mut response) = ready!(polled);
        let mut tracker = this.tracker.take().expect("polled after completion");
        tracker.start_response(&mut response);
        let content_length = response.headers().get(header::CONTENT_LENGTH);
        let content_length = content_length.and_then(|length| length.to_str().ok()?.parse().ok());
        Poll::Ready(Ok(response.map(|body| {
            let remaining_bytes = content_length.or_else(|| body.size_hint().exact());
            if body.is_end_stream() || remaining_bytes == Some(0) {
                tracker.finish_body();
            }
            TrackedBody {
                body,
                remaining_bytes,
                tracker,
            }
        })))
    }
}

/// Tracks a request from its head until its response is complete or dropped.
#[derive(Debug)]
struct RequestTracker {
    activity: Arc<ConnectionActivity>,
    connection_limit: Arc<ConnectionLimit>,
    received_at: Instant,
    log: RequestLog,
    /// True for `HEAD`, whose response has no body.
    is_head: bool,
    /// True for `CONNECT`, whose response can change the protocol.
    is_connect: bool,
    version: Version,
    /// True if the body has produced a frame of HTTP/2, and hyper has not requested the
    /// next one.
    is_body_blocked: bool,
    state: RequestState,
    /// Held until the response is complete.
    client_slot: Option<ClientSlot>,
}

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestState {
    /// The head was received; the response has not started.
    Received,
    /// The response has started.
    Responding,
    /// The whole response body was produced, or producing it failed.
    Done,
    /// The client disconnected while sending the request.
    ClientGone,
}

impl RequestTracker {
    fn new(
        activity: &Arc<ConnectionActivity>,
        connection_limit: &Arc<ConnectionLimit>,
        request: &mut Request<Incoming>,
    ) -> Self {
        connection_limit.meter.request_started();
        let received_at = activity.request_started(!request.body().is_end_stream());
        RequestTracker {
            received_at,
            activity: Arc::clone(activity),
            connection_limit: Arc::clone(connection_limit),
            log: RequestLog::new(&connection_limit.request_logs, request, received_at),
            is_head: request.method() == Method::HEAD,
            is_connect: request.method() == Method::CONNECT,
            version: request.version(),
            is_body_blocked: false,
            state: RequestState::Received,
            client_slot: None,
        }
    }

    /// Records the start of the response, and marks it if it is the last one of the
    /// connection.
    fn start_response<B>(&mut self, response: &mut Response<B>) {
        let status = response.status();
        // In HTTP/2, only a stream is upgraded.
        let is_upgrade = self.version < Version::HTTP_2
            && (status == StatusCode::SWITCHING_PROTOCOLS
                || self.is_connect && status.is_success());
        self.activity.response_ready();
        if is_upgrade {
            self.connection_limit.meter.connection_upgraded();
            self.activity.upgraded();
        } else if response.headers().contains_key(header::CONNECTION) {
            self.activity.response_is_last();
        }
        self.log.response_started(status);
        let has_no_body =
            is_upgrade || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        self.state = if status.as_u16() == ErrorKind::ClientGone.status() {
            RequestState::ClientGone
        } else if self.is_head || has_no_body {
            RequestState::Done
        } else {
            RequestState::Responding
        };
        let meter = &self.connection_limit.meter;
        meter.response_started(status, self.received_at.elapsed());
        // An HTTP/2 connection is closed by a frame.
        let has_keep_alive = !is_upgrade && self.version < Version::HTTP_2;
        if has_keep_alive && self.connection_limit.should_close_after_response() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    /// Records that the body has produced a frame that is not the last one, or that the next
    /// frame is requested.
    fn set_body_blocked(&mut self, is_blocked: bool) {
        if self.version == Version::HTTP_2 && self.is_body_blocked != is_blocked {
            self.is_body_blocked = is_blocked;
            if is_blocked {
                self.activity.body_blocked();
            } else {
                self.activity.body_unblocked();
            }
        }
    }

    /// Records that the whole body was produced.
    fn finish_body(&mut self) {
        if self.state == RequestState::Responding {
            self.state = RequestState::Done;
        }
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        let is_closed_by_server =
            self.activity.has_timed_out() || self.connection_limit.is_stopping();
        let disconnect_stage = match self.state {
            RequestState::ClientGone => Some("while sending the request"),
            RequestState::Received if !is_closed_by_server => Some("before the response started"),
            RequestState::Responding if !is_closed_by_server => {
                Some("before the response was complete")
            }
            _ => None,
        };
        self.connection_limit
            .meter
            .request_finished(disconnect_stage.is_some());
        let is_complete = self.state == RequestState::Done;
        self.log.finish(is_complete, disconnect_stage);
        self.set_body_blocked(false);
        self.activity.request_finished();
    }
}

pin_project! {
    /// The body of a tracked response. The request is in flight until the body is
    /// dropped.
    #[derive(Debug)]
    pub(super) struct TrackedBody<B> {
        #[pin]
        body: B,
        // The number of remaining bytes, if known. After the last byte hyper drops the
        // body without polling for its end.
        remaining_bytes: Option<u64>,
        tracker: Box<RequestTracker>,
    }
}

impl<B: Body> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        this.tracker.set_body_blocked(false);
        let frame = {
            let _entered = this.tracker.log.enter();
            this.body.as_mut().poll_frame(context)
        };
        let is_complete = match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                this.tracker.log.body_sent(bytes);
                *this.remaining_bytes = this
                    .remaining_bytes
                    .map(|remaining| remaining.saturating_sub(bytes));
                *this.remaining_bytes == Some(0) || this.body.is_end_stream()
            }
            Poll::Ready(Some(Err(_))) => {
                this.tracker.log.body_failed();
                true
            }
            Poll::Ready(None) => true,
            Poll::Pending => false,
        };
        if is_complete {
            this.tracker.finish_body();
        } else if frame.is_ready() {
            this.tracker.set_body_blocked(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
