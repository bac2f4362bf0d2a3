//! The service, as a connection calls it: counted, timed and told of the end.

use super::{gate::Gate, pulse::Pulse};
use axum::{
    BoxError,
    body::{Bytes, HttpBody},
    http::{HeaderValue, Request, Response, header},
};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
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
        let under_way = UnderWay::new(&self.pulse, &self.gate, !request.body().is_end_stream());
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
{
    type Output = Result<Response<Reply<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.future.poll(context));
        let mut under_way = this.under_way.take().expect("polled after completion");
        under_way.is_answered(&mut response);
        Poll::Ready(Ok(response.map(|body| Reply {
            body,
            _under_way: under_way,
        })))
    }
}

/// A request from its head to the end of its answer, whichever way that comes.
#[derive(Debug)]
struct UnderWay {
    pulse: Arc<Pulse>,
    gate: Arc<Gate>,
    asked: Instant,
    has_answer: bool,
}

impl UnderWay {
    fn new(pulse: &Arc<Pulse>, gate: &Arc<Gate>, has_body: bool) -> Self {
        gate.meter.is_asked();
        UnderWay {
            asked: pulse.is_asked(has_body),
            pulse: Arc::clone(pulse),
            gate: Arc::clone(gate),
            has_answer: false,
        }
    }

    fn is_answered<B>(&mut self, response: &mut Response<B>) {
        self.has_answer = true;
        self.pulse.has_answer();
        if response.headers().contains_key(header::CONNECTION) {
            self.pulse.is_refused();
        }
        let meter = &self.gate.meter;
        meter.is_answered(response.status(), self.asked.elapsed());
        if self.gate.says_goodbye() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.gate.meter.is_over(self.has_answer);
        self.pulse.is_answered();
    }
}

pin_project! {
    /// The body of an answer. It is under way until this is dropped.
    #[derive(Debug)]
    pub(super) struct Reply<B> {
        #[pin]
        body: B,
        _under_way: UnderWay,
    }
}

impl<B: HttpBody> HttpBody for Reply<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
