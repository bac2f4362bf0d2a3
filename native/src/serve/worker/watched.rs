//! The service, as a connection calls it: counted, timed and told of the end.

use super::{gate::Gate, pulse::Pulse};
use crate::logging;
use axum::{
    BoxError,
    body::{Bytes, HttpBody},
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};
use highwater::error::Kind;
use http_body::{Frame, SizeHint};
use hyper::body::{Buf, Incoming};
use log::Level;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower::Service;

/// What is served on connections: anything of tower's that never fails.
pub(in crate::serve) trait Served:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Unpin
    + 'static
{
    /// The bodies of its answers.
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Served for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Unpin
        + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// A service that notes what becomes of its requests.
#[derive(Debug)]
pub(super) struct Watched<S> {
    service: S,
    pulse: Arc<Pulse>,
    gate: Arc<Gate>,
}

impl<S> Watched<S> {
    pub(super) fn new(service: S, pulse: Arc<Pulse>, gate: Arc<Gate>) -> Self {
        Watched {
            service,
            pulse,
            gate,
        }
    }
}

impl<S: Served> hyper::service::Service<Request<Incoming>> for Watched<S> {
    type Response = Response<Reply<S::Body>>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = UnderWay::new(&self.pulse, &self.gate, &request);
        Answering {
            // What is served here is always ready.
            future: self.service.clone().call(request),
            under_way: Some(under_way),
        }
    }
}

pin_project! {
    /// A request whose answer has not begun.
    pub(super) struct Answering<F> {
        #[pin]
        future: F,
        under_way: Option<UnderWay>,
    }
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: HttpBody,
{
    type Output = Result<Response<Reply<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.future.poll(context));
        let mut under_way = this.under_way.take().expect("polled after completion");
        under_way.is_answered(&mut response);
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Poll::Ready(Ok(response.map(|body| {
            let left = length.or_else(|| body.size_hint().exact());
            if body.is_end_stream() || left == Some(0) {
                under_way.complete();
            }
            Reply {
                body,
                left,
                under_way,
            }
        })))
    }
}

/// A request from its head to the end of its answer, whichever way that comes.
#[derive(Debug)]
struct UnderWay {
    pulse: Arc<Pulse>,
    gate: Arc<Gate>,
    asked: Instant,
    /// The method and the path, if hang-ups are logged.
    operation: Option<String>,
    /// The answer has no body.
    is_head: bool,
    progress: Progress,
}

/// The progress of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Asked,
    Begun,
    /// All of the body was produced, or it failed.
    Over,
    /// The client hung up while it sent the request.
    ForNobody,
}

impl UnderWay {
    fn new(pulse: &Arc<Pulse>, gate: &Arc<Gate>, request: &Request<Incoming>) -> Self {
        gate.meter.is_asked();
        let operation = || format!("{} {}", request.method(), request.uri().path());
        UnderWay {
            asked: pulse.is_asked(!request.body().is_end_stream()),
            pulse: Arc::clone(pulse),
            gate: Arc::clone(gate),
            operation: logging::is_enabled(Level::Debug).then(operation),
            is_head: request.method() == Method::HEAD,
            progress: Progress::Asked,
        }
    }

    fn is_answered<B>(&mut self, response: &mut Response<B>) {
        self.pulse.has_answer();
        if response.headers().contains_key(header::CONNECTION) {
            self.pulse.is_refused();
        }
        let status = response.status();
        let has_no_body = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        self.progress = if status.as_u16() == Kind::ClientGone.status() {
            Progress::ForNobody
        } else if self.is_head || has_no_body {
            Progress::Over
        } else {
            Progress::Begun
        };
        let meter = &self.gate.meter;
        meter.is_answered(status, self.asked.elapsed());
        if self.gate.says_goodbye() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    /// Notes that no more of the answer will come.
    fn complete(&mut self) {
        if self.progress == Progress::Begun {
            self.progress = Progress::Over;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let is_ours = self.pulse.is_cut_off() || self.gate.is_ending();
        let when = match self.progress {
            Progress::ForNobody => Some("while it sent the request"),
            Progress::Asked if !is_ours => Some("before the answer began"),
            Progress::Begun if !is_ours => Some("before the end of the answer"),
            _ => None,
        };
        self.gate.meter.is_over(when.is_some());
        if let (Some(when), Some(operation)) = (when, &self.operation) {
            logging::debug(format_args!(
                "a client hung up {when}: operation=\"{}\"",
                operation.escape_debug()
            ));
        }
        self.pulse.is_answered();
    }
}

pin_project! {
    /// The body of an answer. It is under way until this is dropped.
    #[derive(Debug)]
    pub(super) struct Reply<B> {
        #[pin]
        body: B,
        // The bytes that are left, if known. After the last one hyper drops the body
        // without polling for its end.
        left: Option<u64>,
        under_way: UnderWay,
    }
}

impl<B: HttpBody> HttpBody for Reply<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(context);
        let is_last = match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                *this.left = this.left.map(|left| left.saturating_sub(bytes));
                *this.left == Some(0) || this.body.is_end_stream()
            }
            Poll::Ready(Some(Err(_)) | None) => true,
            Poll::Pending => false,
        };
        if is_last {
            this.under_way.complete();
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
