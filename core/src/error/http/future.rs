//! The response future.

use super::{
    HandlerBody,
    request_context::RequestContext,
    response::{error_response, pass_through},
};
use crate::{error::AppError, panics::catch_panic, sync::Arc};
use http::Response;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// A future that completes with the service's response, or with a response to its
    /// error. Dropping it, for example because the client disconnected, drops the
    /// service's future. That is not an error, but a panic in its destructor is
    /// handled.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, http::{HandlerFuture, HandlerLayer}};
    /// use http::{Request, Response};
    /// use tower::{Layer, Service, service_fn};
    ///
    /// let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7));
    /// let mut service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
    /// }));
    /// let future: HandlerFuture<_> = service.call(Request::new(()));
    /// assert_eq!(futures::executor::block_on(future).unwrap().status(), 404);
    /// ```
    ///
    /// # Panics
    ///
    /// If it is polled after completion.
    #[must_use = "futures do nothing unless polled"]
    pub struct HandlerFuture<F> {
        #[pin]
        state: FutureState<F>,
        // `None` after completion.
        request_context: Option<RequestContext>,
    }

    impl<F> PinnedDrop for HandlerFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let drop_result = catch_panic(|| this.state.set(FutureState::Completed));
            if let (Err(panic), Some(mut request_context)) = (drop_result, this.request_context.take()) {
                request_context.handle_panic(&*panic);
            }
        }
    }
}

pin_project! {
    #[project = FutureStateProjection]
    enum FutureState<F> {
        Called { #[pin] future: F },
        Failed { error: Option<AppError> },
        Completed,
    }
}

impl<F> HandlerFuture<F> {
    pub(super) fn new(call_result: Result<F, AppError>, request_context: RequestContext) -> Self {
        let state = match call_result {
            Ok(future) => FutureState::Called { future },
            Err(error) => FutureState::Failed { error: Some(error) },
        };
        HandlerFuture {
            state,
            request_context: Some(request_context),
        }
    }
}

impl<F, B, E> Future for HandlerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<AppError>,
{
    type Output = Result<Response<HandlerBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().project() {
            FutureStateProjection::Called { future } => {
                let mut polled = Poll::Pending;
                // Assigned in the closure, because returning a large response is
                // slow. The conversion of an error may panic as well.
                let poll_result = catch_panic(|| polled = future.poll(context).map_err(Into::into));
                if let Err(panic) = poll_result {
                    let mut request_context = this.request_context.take().expect(POLLED_AGAIN);
                    let bug = request_context.bug(&*panic);
                    // A second panic in the destructor is ignored.
                    let _second_panic = catch_panic(|| this.state.set(FutureState::Completed));
                    return Poll::Ready(Ok(error_response(
                        Arc::new(bug),
                        &mut request_context,
                        None,
                    )));
                }
                ready!(polled)
            }
            FutureStateProjection::Failed { error } => Err(error.take().expect(POLLED_AGAIN)),
            FutureStateProjection::Completed => panic!("{POLLED_AGAIN}"),
        };
        let mut request_context = this.request_context.take().expect(POLLED_AGAIN);
        // The destructor of the service's future may panic.
        if let Err(panic) = catch_panic(|| this.state.set(FutureState::Completed)) {
            request_context.handle_panic(&*panic);
        }
        Poll::Ready(Ok(match outcome {
            Ok(response) => pass_through(response, request_context),
            Err(error) => error_response(Arc::new(error), &mut request_context, None),
        }))
    }
}

const POLLED_AGAIN: &str = "polled after completion";

impl<F> fmt::Debug for HandlerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture")
            .field("request_context", &self.request_context)
            .finish_non_exhaustive()
    }
}
