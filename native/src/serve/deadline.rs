//! Deadlines of a request: for receiving its body and for starting its response.

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

/// Responds in time, even if the handler does not.
///
/// If the body is not complete in time, the client is at fault and the response is 408.
/// If the response has not started in time, it is 503. Either way the handler is
/// dropped. The length of a response is not limited: the trace of a run is streamed for
/// as long as the run lasts.
pub(super) async fn enforce_deadline(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let is_awaited = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let is_awaited = Arc::clone(&is_awaited);
        Body::new(MonitoredBody { body, is_awaited })
    });
    let mut response = pin!(next.run(request));
    // A response that is ready at once needs no timer.
    let at_once = poll_fn(|context| Poll::Ready(response.as_mut().poll(context))).await;
    if let Poll::Ready(response) = at_once {
        return response;
    }
    for limit in [limits.body.min(limits.response), limits.response] {
        if let Ok(response) = timeout_at(begin + limit, response.as_mut()).await {
            return response;
        }
        if is_awaited.load(Relaxed) {
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

/// Marks an error as caused by a client that disconnected, so that it is recognized
/// inside any wrapper.
fn mark_client_gone(error: axum::Error) -> axum::Error {
    let known = Classification::of(&error);
    if known.is_some_and(|known| known.kind() == ErrorKind::ClientGone) {
        return axum::Error::new(AppError::client_gone().with_source(error));
    }
    error
}

fn response_timeout() -> AppError {
    AppError::new(Classification::new(ErrorKind::Unavailable))
        .with_public_message("The server did not respond in time: try again later.")
        .with_retry_after(Duration::from_secs(1))
}

/// A request body that records whether the handler waits for more of it.
struct MonitoredBody {
    body: Body,
    is_awaited: Arc<AtomicBool>,
}

impl HttpBody for MonitoredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_awaited.store(frame.is_pending(), Relaxed);
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

    /// Returns the status of the response to a request with this body, and when the
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
        let begin = Instant::now();
        let Ok(response) = router.oneshot(Request::new(body)).await;
        (response.status(), begin.elapsed())
    }

    fn reader() -> Router<Limits> {
        Router::new().fallback(any(async |body: Bytes| body.len().to_string()))
    }

    fn endless() -> Body {
        let ticks = stream::unfold(interval(SECOND), async |mut ticks| {
            ticks.tick().await;
            Some((Ok::<_, Infallible>("x"), ticks))
        });
        Body::from_stream(ticks)
    }

    #[tokio::test(start_paused = true)]
    async fn endless_body_is_408() {
        let (status, after) = request(reader(), endless()).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(after.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_but_complete_body_is_read() {
        let body = endless();
        let body = Body::from_stream(body.into_data_stream().take(9));
        let (status, after) = request(reader(), body).await;
        assert_eq!(status, StatusCode::OK);
        assert!(after < 10 * SECOND, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn missing_response_is_503() {
        for body in [Body::empty(), Body::from("whole"), endless()] {
            let router = Router::new().fallback(any(async || pending::<()>().await));
            let (status, after) = request(router, body).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(after.as_secs(), 30);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn response_may_outlast_the_deadline() {
        let router: Router<Limits> = Router::new().fallback(any(async || {
            sleep(29 * SECOND).await;
            Body::from_stream(endless().into_data_stream().take(100))
        }));
        let router: Router = router
            .layer(from_fn_with_state(Limits::default(), enforce_deadline))
            .with_state(Limits::default());
        let Ok(response) = router.oneshot(Request::new(Body::empty())).await;
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.len(), 100);
    }
}
