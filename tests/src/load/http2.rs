//! Clients that speak HTTP/2.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::client_task::{ClientTask, PAUSE_AFTER_FAILURE};
use crate::connection;
use crate::tally::{FailedRequest, Failure};

type Requests = SendRequest<Empty<Bytes>>;

/// A response, without its body.
struct Response {
    status: u16,
    worker: Option<u32>,
}

/// The outcome of a request without a response.
enum NoResponse {
    Failed(Failure),
    /// The server has not received the request, so it is sent again.
    NotReceived,
}

impl ClientTask {
    /// Sends requests over one connection at a time, up to `streams` of them at the same
    /// time, until the load test is stopped. Completes the requests in flight.
    pub(crate) async fn run_http2(&self, streams: usize, pause: Option<Duration>) {
        let connection = Http2Connection {
            addr: self.shared.addr,
            requests: Mutex::new(None),
        };
        join_all((0..streams).map(|_| self.run_stream(&connection, pause))).await;
    }

    /// Sends one request at a time.
    async fn run_stream(&self, connection: &Http2Connection, pause: Option<Duration>) {
        let mut has_sent = false;
        while let Some(due) = self.next_due(pause.filter(|_| has_sent)).await {
            has_sent = true;
            let started = Instant::now();
            self.shared.tally(self.group, |tally| tally.sent += 1);
            let sending = self.send_until_received(connection);
            let outcome = timeout(self.shared.timeout, sending).await;
            let ended = Instant::now();
            match outcome.unwrap_or(Err(Failure::TimedOut)) {
                Ok(response) => {
                    let latency = ended - due.unwrap_or(started);
                    self.shared.tally(self.group, |tally| {
                        tally.add_response(response.status, response.worker, latency);
                    });
                }
                Err(failure) => {
                    let failed = FailedRequest {
                        failure,
                        client: self.client,
                        started,
                        ended,
                        worker: None,
                        since_previous: None,
                    };
                    self.shared
                        .tally(self.group, |tally| tally.add_failure(failed));
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Sends a request, on a new connection whenever the server has not received it because
    /// it is closing the connection.
    async fn send_until_received(&self, connection: &Http2Connection) -> Result<Response, Failure> {
        let uri = format!("http://{}{}", self.shared.addr, self.shared.path);
        loop {
            let (mut requests, is_new) = connection.requests().await?;
            if is_new {
                self.shared
                    .tally(self.group, |tally| tally.connections += 1);
            }
            match exchange(&mut requests, &uri).await {
                Ok(response) => return Ok(response),
                Err(NoResponse::Failed(failure)) => return Err(failure),
                Err(NoResponse::NotReceived) => {
                    self.shared.tally(self.group, |tally| tally.sent_again += 1);
                }
            }
        }
    }
}

/// The connection that the streams of a client share.
struct Http2Connection {
    addr: SocketAddr,
    requests: Mutex<Option<Requests>>,
}

impl Http2Connection {
    /// Returns the sender of the open connection, or of a new one.
    async fn requests(&self) -> Result<(Requests, bool), Failure> {
        let mut current = self.requests.lock().await;
        if let Some(open) = current.as_ref().filter(|requests| !requests.is_closed()) {
            return Ok((open.clone(), false));
        }
        let stream = TokioIo::new(connection::connect(self.addr).await?);
        let (requests, connection) = handshake(TokioExecutor::new(), stream)
            .await
            .map_err(|_| Failure::Reset)?;
        // Its errors are those of its requests.
        tokio::spawn(connection);
        *current = Some(requests.clone());
        Ok((requests, true))
    }
}

/// Sends a request and reads the whole response.
async fn exchange(requests: &mut Requests, uri: &str) -> Result<Response, NoResponse> {
    let request = Request::get(uri).body(Empty::new());
    let request = request.map_err(|_| NoResponse::Failed(Failure::NotConnected))?;
    let response = requests.send_request(request).await.map_err(|error| {
        if is_not_received(&error) {
            NoResponse::NotReceived
        } else {
            NoResponse::Failed(Failure::Reset)
        }
    })?;
    let worker = response.headers().get("x-worker");
    let head = Response {
        status: response.status().as_u16(),
        worker: worker.and_then(|worker| worker.to_str().ok()?.parse().ok()),
    };
    let body = response.into_body().collect().await;
    body.map_err(|_| NoResponse::Failed(Failure::Cut))?;
    Ok(head)
}

/// Returns whether a request was not sent, or its stream is above the last one that the
/// server accepts before it closes the connection (GOAWAY), or was refused. Only then does
/// sending the request again never execute it twice.
fn is_not_received(error: &hyper::Error) -> bool {
    let cause = error.source();
    let cause = cause.and_then(<dyn Error>::downcast_ref::<h2::Error>);
    let is_rejected = |error: &h2::Error| match error.reason() {
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        reason => reason == Some(h2::Reason::REFUSED_STREAM),
    };
    error.is_canceled() || cause.is_some_and(is_rejected)
}
