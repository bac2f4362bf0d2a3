//! Response bodies.

use super::request_context::RequestContext;
use crate::{BoxError, error::AppError, panics::catch_panic};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The service's response body, or a problem.
    ///
    /// When a body fails or panics, the headers have already been sent, so the client
    /// cannot get another response. The error is still handled: it is logged and
    /// counted once, and after a panic the process drains. The body then ends with an
    /// [`AppError`], which makes the server close the connection, so that the client
    /// does not mistake the partial body for a complete one. It remains one error
    /// with one id even if it passes several layers that wrap it.
    ///
    /// Dropping it early, for example because the client disconnected, drops the
    /// service's body. That is not an error, but a panic in its destructor is
    /// handled.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use highwater::error::{AppError, Handler, IdGenerator, http::{HandlerBody, HandlerLayer}};
    /// use http::{Request, Response};
    /// use http_body_util::{BodyExt, StreamBody};
    /// use std::sync::Arc;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// let handler = Arc::new(Handler::new());
    /// let layer = HandlerLayer::new(Arc::clone(&handler), IdGenerator::new(7));
    /// let service = layer.layer(service_fn(async |_: Request<()>| {
    ///     let rows = futures::stream::once(async {
    ///         Err::<http_body::Frame<axum::body::Bytes>, _>(AppError::unavailable("the database"))
    ///     });
    ///     Ok::<_, AppError>(Response::new(StreamBody::new(rows)))
    /// }));
    /// let response = block_on(service.oneshot(Request::new(()))).unwrap();
    /// assert_eq!(response.status(), 200, "the body has not failed yet");
    ///
    /// let body: HandlerBody<_> = response.into_body();
    /// let error = block_on(body.collect()).unwrap_err();
    /// assert_eq!(error.downcast::<AppError>().unwrap().code(), "unavailable");
    /// assert_eq!(handler.stats().codes, [("unavailable", 1)]);
    /// ```
    pub struct HandlerBody<B> {
        #[pin]
        state: BodyState<B>,
        // `None` once an error has been handled.
        request_context: Option<RequestContext>,
    }

    impl<B> PinnedDrop for HandlerBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let drop_result = catch_panic(|| this.state.set(BodyState::Ended));
            if let (Err(panic), Some(mut request_context)) = (drop_result, this.request_context.take()) {
                request_context.handle_panic(&*panic);
            }
        }
    }
}

pin_project! {
    #[project = BodyStateProjection]
    enum BodyState<B> {
        Service { #[pin] body: B },
        Problem { problem: Option<String> },
        Ended,
    }
}

impl<B> HandlerBody<B> {
    /// Wraps the service's response body.
    pub(super) fn from_service(body: B, request_context: RequestContext) -> Self {
        HandlerBody {
            state: BodyState::Service { body },
            request_context: Some(request_context),
        }
    }

    /// Creates a body that contains a problem.
    pub(super) fn from_problem(problem: String) -> Self {
        HandlerBody {
            state: BodyState::Problem {
                problem: Some(problem),
            },
            request_context: None,
        }
    }
}

impl<B> Body for HandlerBody<B>
where
    B: Body,
    B::Data: From<String>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let polled = match this.state.as_mut().project() {
            BodyStateProjection::Service { body } => {
                catch_panic(|| match body.poll_frame(context) {
                    Poll::Ready(Some(Err(error))) => {
                        Poll::Ready(Some(Err(AppError::from_body(error.into()))))
                    }
                    Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
                    Poll::Ready(None) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                })
            }
            BodyStateProjection::Problem { problem } => {
                let frame = problem.take().map(|text| Ok(Frame::data(text.into())));
                return Poll::Ready(frame);
            }
            BodyStateProjection::Ended => return Poll::Ready(None),
        };
        let error = match polled {
            Ok(Poll::Ready(Some(Err(error)))) => error,
            Ok(Poll::Ready(Some(Ok(frame)))) => return Poll::Ready(Some(Ok(frame))),
            Ok(Poll::Ready(None)) => return Poll::Ready(None),
            Ok(Poll::Pending) => return Poll::Pending,
            Err(panic) => match this.request_context {
                Some(request_context) => request_context.bug(&*panic),
                None => AppError::from_panic(&*panic),
            },
        };
        let error = error.with_context("response", "cut short");
        if let Some(mut request_context) = this.request_context.take() {
            let _unsent_problem = request_context.handle(&error);
            if let Err(panic) = catch_panic(|| this.state.set(BodyState::Ended)) {
                request_context.handle_panic(&*panic);
            }
        }
        Poll::Ready(Some(Err(Box::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            BodyState::Service { body } => body.is_end_stream(),
            BodyState::Problem { problem } => problem.is_none(),
            BodyState::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            BodyState::Service { body } => body.size_hint(),
            BodyState::Problem { problem } => {
                let length = problem.as_ref().map_or(0, String::len);
                SizeHint::with_exact(length as u64)
            }
            BodyState::Ended => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for HandlerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBody")
            .field("request_context", &self.request_context)
            .finish_non_exhaustive()
    }
}
