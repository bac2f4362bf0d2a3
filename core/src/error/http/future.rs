//! The answer to a request, under way.

use super::{
    HandlerBody,
    answer::{answer, pass},
    asked::Asked,
};
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
    /// Dropped, as when the client goes away, it drops what the service was doing.
    /// That is no error; a panic in there is handled.
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
        // Until it has completed.
        asked: Option<Asked>,
    }

    impl<F> PinnedDrop for HandlerFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let dropped = guarded(|| this.state.set(State::Completed));
            if let (Err(panic), Some(mut asked)) = (dropped, this.asked.take()) {
                asked.handle_panic(&*panic);
            }
        }
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Called { #[pin] future: F },
        Failed { error: Option<AppError> },
        Completed,
    }
}

impl<F> HandlerFuture<F> {
    pub(super) fn new(called: Result<F, AppError>, asked: Asked) -> Self {
        let state = match called {
            Ok(future) => State::Called { future },
            Err(error) => State::Failed { error: Some(error) },
        };
        HandlerFuture {
            state,
            asked: Some(asked),
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
            StateProjection::Called { future } => {
                let mut polled = Poll::Pending;
                // Set in there, as a response is large to hand on. Also what an
                // error says of itself may panic.
                let polling = guarded(|| polled = future.poll(context).map_err(Into::into));
                if let Err(panic) = polling {
                    let mut asked = this.asked.take().expect(AGAIN);
                    let bug = asked.bug(&*panic);
                    // That it panics again as it is cleared away is no news.
                    let _again = guarded(|| this.state.set(State::Completed));
                    return Poll::Ready(Ok(answer(Arc::new(bug), &mut asked, None)));
                }
                ready!(polled)
            }
            StateProjection::Failed { error } => Err(error.take().expect(AGAIN)),
            StateProjection::Completed => panic!("{AGAIN}"),
        };
        let mut asked = this.asked.take().expect(AGAIN);
        // What is left of it may panic as it is dropped.
        if let Err(panic) = guarded(|| this.state.set(State::Completed)) {
            asked.handle_panic(&*panic);
        }
        Poll::Ready(Ok(match outcome {
            Ok(response) => pass(response, asked),
            Err(error) => answer(Arc::new(error), &mut asked, None),
        }))
    }
}

const AGAIN: &str = "polled after completion";

impl<F> fmt::Debug for HandlerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
