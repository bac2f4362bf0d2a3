//! Request deadlines: for receiving the body and for starting the response.

use super::worker::Limits;
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use highwater::error::{AppError, Classification, ErrorKind};
use http_body::{Frame, SizeHint};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Ensures a response within the time limits, even if the handler exceeds them.
///
/// Returns 408 if the client does not send the whole body in time, and 503 if the handler
/// does not start the response in time. In both cases the handler is dropped. The
/// duration of a response is not limited: a run's trace is streamed for as long as the
/// run lasts.
pub(super) async fn enforce_deadline(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let started_at = Instant::now();
    let is_body_awaited = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let is_body_awaited = Arc::clone(&is_body_awaited);
        Body::new(MonitoredBody {
            body,
            is_body_awaited,
        })
    });
    let mut response = pin!(next.run(request));
    // A response that is ready immediately needs no timer.
    let first_poll = poll_fn(|context| Poll::Ready(response.as_mut().poll(context))).await;
    if let Poll::Ready(response) = first_poll {
        return response;
    }
    for limit in [limits.body.min(limits.response), limits.response] {
        if let Ok(response) = timeout_at(started_at + limit, response.as_mut()).await {
            return response;
        }
        if is_body_awaited.load(Relaxed) {
            return body_timeout().into_response();
        }
    }
    response_timeout().into_response()
}

fn body_timeout() -> AppError {
    let timeout =
        Classification::new(ErrorKind::Timeout).with_status(StatusCode::REQUEST_TIMEOUT.as_u16());
    AppError::new(timeout).with_public_message("The request was not received in time.")
}

/// Marks an error that was caused by a client disconnect, so that it is recognised even
/// when wrapped.
fn mark_client_gone(error: axum::Error) -> axum::Error {
    let classification = Classification::of(&error);
    if classification.is_some_and(|classification| classification.kind() == ErrorKind::ClientGone) {
        return axum::Error::new(AppError::client_gone().with_source(error));
    }
    error
}

fn response_timeout() -> AppError {
    AppError::new(Classification::new(ErrorKind::Unavailable))
        .with_public_message("The server did not respond in time. Try again later.")
        .with_retry_after(Duration::from_secs(1))
}

/// A request body that records whether the handler is waiting for more data.
struct MonitoredBody {
    body: Body,
    is_body_awaited: Arc<AtomicBool>,
}

impl HttpBody for MonitoredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_body_awaited.store(frame.is_pending(), Relaxed);
        frame.map_err(mark_client_gone)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::to_bytes, middleware::from_fn_with_state, routing::any};
    use futures::{StreamExt, stream};
    use std::{convert::Infallible, future::pending};
    use tokio::time::{interval, sleep};
    use tower::ServiceExt;

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends a request with this body. Returns the response status and the time until the
    /// response started.
    async fn request(router: Router<Limits>, body: Body) -> (StatusCode, Duration) {
        let limits = Limits {
            body: 10 * SECOND,
            response: 30 * SECOND,
            ..Limits::default()
        };
        let router: Router = router
            .layer(from_fn_with_state(limits, enforce_deadline))
            .with_state(limits);
        let started_at = Instant::now();
        let Ok(response) = router.oneshot(Request::new(body)).await;
        (response.status(), started_at.elapsed())
    }

    fn body_length_router() -> Router<Limits> {
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
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(elapsed.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_is_accepted_before_the_deadline() {
        let body = endless_body();
        let body = Body::from_stream(body.into_data_stream().take(9));
        let (status, elapsed) = request(body_length_router(), body).await;
        assert_eq!(status, StatusCode::OK);
        assert!(elapsed < 10 * SECOND, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn handler_timeout_returns_503() {
        for body in [Body::empty(), Body::from("whole"), endless_body()] {
            let router = Router::new().fallback(any(async || pending::<()>().await));
            let (status, elapsed) = request(router, body).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(elapsed.as_secs(), 30);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn response_can_outlast_the_deadline() {
        let router: Router<Limits> = Router::new().fallback(any(async || {
            sleep(29 * SECOND).await;
            Body::from_stream(endless_body().into_data_stream().take(100))
        }));
        let router: Router = router
            .layer(from_fn_with_state(Limits::default(), enforce_deadline))
            .with_state(Limits::default());
        let Ok(response) = router.oneshot(Request::new(Body::empty())).await;
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.len(), 100);
    }
}
