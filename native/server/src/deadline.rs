//! Request deadlines: for receiving the body and for starting the response.

use crate::{
    limits::Limits,
    service::{HttpService, RequestBody},
};
use highwater::error::{AppError, Classification, ErrorKind};
use http::{Request, StatusCode};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

/// A service that responds within the time limits, even if the inner service exceeds
/// them.
///
/// It fails with 408 if the client does not send the whole body in time, and with 503 if
/// the inner service does not start the response in time. In both cases the inner future
/// is dropped. The duration of a response is not limited.
#[derive(Clone, Debug)]
pub(crate) struct DeadlineService<S> {
    service: S,
    body_limit: Duration,
    response_limit: Duration,
}

impl<S> DeadlineService<S> {
    pub(crate) fn new(service: S, limits: &Limits) -> Self {
        DeadlineService {
            service,
            body_limit: limits.body.min(limits.response),
            response_limit: limits.response,
        }
    }
}

impl<S: HttpService, B: Into<RequestBody>> Service<Request<B>> for DeadlineService<S> {
    type Response = S::Response;
    type Error = AppError;
    type Future = DeadlineFuture<S, S::Future>;

    /// The future waits until the inner service is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Into::into);
        let is_body_awaited = request.body_mut().monitor();
        // Most services are always ready, and need not be polled again.
        let mut context = Context::from_waker(Waker::noop());
        let state = match self.service.poll_ready(&mut context) {
            Poll::Ready(Ok(())) => CallState::Called {
                future: self.service.call(request),
            },
            Poll::Ready(Err(error)) => CallState::Failed {
                error: Some(error.into()),
            },
            Poll::Pending => CallState::Waiting {
                call: Some(Box::new((self.service.clone(), request))),
            },
        };
        DeadlineFuture {
            state,
            is_body_awaited,
            body_limit: self.body_limit,
            response_limit: self.response_limit,
            timer: None,
        }
    }
}

pin_project! {
    /// The future of a response that must start before the deadline.
    pub(crate) struct DeadlineFuture<S, F> {
        #[pin]
        state: CallState<S, F>,
        is_body_awaited: Option<Arc<AtomicBool>>,
        body_limit: Duration,
        response_limit: Duration,
        // A response that is ready immediately needs no timer.
        timer: Option<Box<Timer>>,
    }
}

pin_project! {
    #[project = CallStateProjection]
    enum CallState<S, F> {
        // Boxed, because it is rare and large.
        Waiting {
            call: Option<Box<(S, Request<RequestBody>)>>,
        },
        Called {
            #[pin]
            future: F,
        },
        Failed {
            error: Option<AppError>,
        },
    }
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    response_deadline: Instant,
}

impl<S: HttpService> Future for DeadlineFuture<S, S::Future> {
    type Output = Result<S::Response, AppError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(response) = poll_response(this.state.as_mut(), context) {
            return Poll::Ready(response);
        }
        let timer = this.timer.get_or_insert_with(|| {
            let now = Instant::now();
            Box::new(Timer {
                sleep: Box::pin(sleep_until(now + *this.body_limit)),
                response_deadline: now + *this.response_limit,
            })
        });
        loop {
            ready!(timer.sleep.as_mut().poll(context));
            let is_body_awaited = this.is_body_awaited.as_ref();
            if is_body_awaited.is_some_and(|is_body_awaited| is_body_awaited.load(Relaxed)) {
                return Poll::Ready(Err(body_timeout()));
            }
            if timer.sleep.deadline() >= timer.response_deadline {
                return Poll::Ready(Err(response_timeout()));
            }
            timer.sleep.as_mut().reset(timer.response_deadline);
        }
    }
}

/// Waits until the service is ready, calls it, and polls its response.
fn poll_response<S: HttpService>(
    mut state: Pin<&mut CallState<S, S::Future>>,
    context: &mut Context<'_>,
) -> Poll<Result<S::Response, AppError>> {
    loop {
        let future = match state.as_mut().project() {
            CallStateProjection::Called { future } => {
                return future.poll(context).map_err(Into::into);
            }
            CallStateProjection::Failed { error } => {
                return Poll::Ready(Err(error.take().expect(POLLED_AGAIN)));
            }
            CallStateProjection::Waiting { call } => {
                let (service, _) = &mut **call.as_mut().expect(POLLED_AGAIN);
                ready!(service.poll_ready(context)).map_err(Into::into)?;
                let (mut service, request) = *call.take().expect(POLLED_AGAIN);
                service.call(request)
            }
        };
        state.set(CallState::Called { future });
    }
}

const POLLED_AGAIN: &str = "polled after completion";

fn body_timeout() -> AppError {
    let timeout =
        Classification::new(ErrorKind::Timeout).with_status(StatusCode::REQUEST_TIMEOUT.as_u16());
    AppError::new(timeout).with_public_message("The request was not received in time.")
}

fn response_timeout() -> AppError {
    AppError::new(Classification::new(ErrorKind::Unavailable))
        .with_public_message("The server did not respond in time. Try again later.")
        .with_retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        Router,
        body::{Body, Bytes, to_bytes},
        routing::any,
    };
    use futures_util::{StreamExt, stream};
    use std::{convert::Infallible, future::pending};
    use tokio::time::{interval, sleep};
    use tower::ServiceExt;

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends a request with this body. Returns the response status and the time until the
    /// response started.
    async fn request(service: impl HttpService, body: Body) -> (u16, Duration) {
        let limits = Limits::new().body(10 * SECOND).response(30 * SECOND);
        let service = DeadlineService::new(service, &limits);
        let started_at = Instant::now();
        let response = service.oneshot(Request::new(RequestBody::new(body))).await;
        let status = match response {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.status(),
        };
        (status, started_at.elapsed())
    }

    fn body_length_router() -> Router {
        Router::new().fallback(any(async |body: Bytes| body.len().to_string()))
    }

    fn endless_body() -> Body {
        let ticks = stream::unfold(interval(SECOND), async |mut ticks| {
            ticks.tick().await;
            Some((Ok::<_, Infallible>("x"), ticks))
        });
        Body::from_stream(ticks)
    }

    #[tokio::test(start_paused = true)]
    async fn endless_body_returns_408() {
        let (status, elapsed) = request(body_length_router(), endless_body()).await;
        assert_eq!(status, 408);
        assert_eq!(elapsed.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_is_accepted_before_the_deadline() {
        let body = endless_body();
        let body = Body::from_stream(body.into_data_stream().take(9));
        let (status, elapsed) = request(body_length_router(), body).await;
        assert_eq!(status, 200);
        assert!(elapsed < 10 * SECOND, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn service_timeout_returns_503() {
        for body in [Body::empty(), Body::from("whole"), endless_body()] {
            let router = Router::new().fallback(any(async || pending::<()>().await));
            let (status, elapsed) = request(router, body).await;
            assert_eq!(status, 503);
            assert_eq!(elapsed.as_secs(), 30);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn service_that_is_never_ready_times_out() {
        let busy = tower::limit::ConcurrencyLimit::new(body_length_router(), 0);
        let (status, elapsed) = request(busy, Body::empty()).await;
        assert_eq!(status, 503);
        assert_eq!(elapsed.as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn response_can_outlast_the_deadline() {
        let router = Router::new().fallback(any(async || {
            sleep(29 * SECOND).await;
            Body::from_stream(endless_body().into_data_stream().take(100))
        }));
        let service = DeadlineService::new(router, &Limits::new());
        let request = Request::new(RequestBody::new(Body::empty()));
        let response = service.oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.len(), 100);
    }
}
