//! A request under way.

use super::answer::{Asked, Shared};
use crate::{
    error::{AppError, text::guarded},
    sync::Arc,
};
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
    /// Completes with the service's answer, or with one to what went wrong.
    /// Dropped, it drops what the service was doing.
    ///
    /// ```
    /// # use highwater::error::{AppError, Handler, Ids, http::{HandlerFuture, HandlerLayer}};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, Service, service_fn};
    /// let layer = HandlerLayer::new(Handler::new(), Ids::new(7));
    /// let mut service = layer.layer(service_fn(async |_: Request<()>| {
    ///     Err::<Response<String>, _>(AppError::not_found("There is no such page."))
    /// }));
    /// let future: HandlerFuture<_> = service.call(Request::new(()));
    /// assert_eq!(futures::executor::block_on(future).unwrap().status(), 404);
    /// ```
    ///
    /// # Panics
    ///
    /// If it is polled once it has completed, as other futures do.
    pub struct HandlerFuture<F> {
        #[pin]
        state: State<F>,
        asked: Asked,
        shared: Arc<Shared>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Called { #[pin] future: F },
        Failed { error: Option<AppError> },
    }
}

impl<F> HandlerFuture<F> {
    pub(super) fn new(called: Result<F, AppError>, asked: Asked, shared: Arc<Shared>) -> Self {
        let state = match called {
            Ok(future) => State::Called { future },
            Err(error) => State::Failed { error: Some(error) },
        };
        HandlerFuture {
            state,
            asked,
            shared,
        }
    }
}

impl<F, B, E> Future for HandlerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<AppError>,
    B: From<String>,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let error = match this.state.as_mut().project() {
            StateProjection::Called { future } => match guarded(|| future.poll(context)) {
                Ok(outcome) => match ready!(outcome) {
                    Ok(response) => return Poll::Ready(Ok(this.shared.pass(response, this.asked))),
                    Err(error) => error.into(),
                },
                Err(panic) => {
                    let bug = this.shared.bug(&*panic);
                    // What a panic has left may panic again as it is dropped.
                    // That it panicked is known.
                    let _again = guarded(|| this.state.set(State::Failed { error: None }));
                    bug
                }
            },
            StateProjection::Failed { error } => error.take().expect("polled after completion"),
        };
        Poll::Ready(Ok(this.shared.answer(Arc::new(error), this.asked, None)))
    }
}

impl<F> fmt::Debug for HandlerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
