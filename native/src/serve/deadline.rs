//! How long a request may take: to come whole, and to be answered.

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

/// Answers in time, even if what is asked does not.
///
/// A body that does not come whole in time is the client's fault, and 408. An
/// answer that does not begin in time is not, and 503. Either way what was being
/// done is dropped. How long an answer goes on is not limited: the trace of a run
/// is told for as long as the run lasts.
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
    let mut answer = pin!(next.run(request));
    // What is there at once needs no timer.
    let at_once = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
    if let Poll::Ready(answer) = at_once {
        return answer;
    }
    for limit in [limits.body.min(limits.answer), limits.answer] {
        if let Ok(answer) = timeout_at(begin + limit, answer.as_mut()).await {
            return answer;
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
    AppError::new(timeout).with_public("The request did not come whole in time.")
}

/// Marks the error of a connection that the client closed, so that it is recognised
/// whatever wraps it.
fn mark_client_gone(error: axum::Error) -> axum::Error {
    let known = Classification::of(&error);
    if known.is_some_and(|known| known.kind() == ErrorKind::ClientGone) {
        return axum::Error::new(AppError::client_gone().with_source(error));
    }
    error
}

/// The client did nothing wrong, and may try again.
fn response_timeout() -> AppError {
    AppError::new(Classification::new(ErrorKind::Unavailable))
        .with_public("There was no answer in time: try again later.")
        .with_retry_after(Duration::from_secs(1))
}

/// A request's body that notes whether somebody waits for more of it.
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

    /// The status of the answer to a request with that body, and when it came.
    async fn request(router: Router<Limits>, body: Body) -> (StatusCode, Duration) {
        let limits = Limits {
            body: 10 * SECOND,
            answer: 30 * SECOND,
            ..Limits::default()
        };
        let router: Router = router
            .layer(from_fn_with_state(limits, enforce_deadline))
            .with_state(limits);
        let begin = Instant::now();
        let Ok(answer) = router.oneshot(Request::new(body)).await;
        (answer.status(), begin.elapsed())
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
    async fn a_body_without_an_end_is_the_client_s_fault() {
        let (status, after) = request(reader(), endless()).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(after.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_slowly_but_whole_is_read() {
        let body = endless();
        let body = Body::from_stream(body.into_data_stream().take(9));
        let (status, after) = request(reader(), body).await;
        assert_eq!(status, StatusCode::OK);
        assert!(after < 10 * SECOND, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_not_the_client_s_fault() {
        for body in [Body::empty(), Body::from("whole"), endless()] {
            let router = Router::new().fallback(any(async || pending::<()>().await));
            let (status, after) = request(router, body).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(after.as_secs(), 30);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_go_on_for_longer() {
        let router: Router<Limits> = Router::new().fallback(any(async || {
            sleep(29 * SECOND).await;
            Body::from_stream(endless().into_data_stream().take(100))
        }));
        let router: Router = router
            .layer(from_fn_with_state(Limits::default(), enforce_deadline))
            .with_state(Limits::default());
        let Ok(answer) = router.oneshot(Request::new(Body::empty())).await;
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.len(), 100);
    }
}
