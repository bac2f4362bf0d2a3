//! The tasks that run the clients of a load test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::connection::Connection;
use crate::ledger::Ledger;
use crate::tally::{FailedRequest, Failure, Tally};

/// The pause after a failure. Without it, clients would make a hundred thousand
/// connection attempts per second to a server that is down.
pub(crate) const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(2);

/// The number of requests that an HTTP/2 client without pauses sends at the same time.
const HTTP2_STREAMS: usize = 8;

/// The task that runs one client.
pub(crate) struct ClientTask {
    pub(crate) shared: Arc<Shared>,
    /// Index of the client's group in the ledger.
    pub(crate) group: usize,
    pub(crate) client: Client,
    /// Due times of the requests. Only in an open loop.
    pub(crate) due: Option<Receiver<Instant>>,
}

impl ClientTask {
    /// Sends requests until the load test is stopped. Completes a request in flight.
    pub(crate) async fn run(self) {
        match self.client {
            Client::Http2 => self.run_http2(HTTP2_STREAMS, None).await,
            Client::Http2ThinkTime(pause) => self.run_http2(1, Some(pause)).await,
            Client::KeepAlive | Client::NewConnection | Client::ThinkTime(_) => {
                self.run_http1().await;
            }
        }
    }

    async fn run_http1(&self) {
        let request = self.request();
        let mut connection = None;
        let mut previous: Option<Instant> = None;
        while let Some(due) = self.next(&mut connection).await {
            let started = Instant::now();
            let since_previous = previous.filter(|_| connection.is_some());
            let since_previous = since_previous.map(|previous| started - previous);
            previous = Some(started);
            self.shared.tally(self.group, |tally| tally.sent += 1);
            let mut worker = connection.as_ref().and_then(|it: &Connection| it.worker);
            let exchange = self.exchange(&mut connection, &request, &mut worker);
            let outcome = timeout(self.shared.timeout, exchange).await;
            let ended = Instant::now();
            match outcome.unwrap_or(Err(Failure::TimedOut)) {
                Ok(status) => {
                    let latency = ended - due.unwrap_or(started);
                    self.shared.tally(self.group, |tally| {
                        tally.add_response(status, worker, latency);
                    });
                }
                Err(failure) => {
                    connection = None;
                    let failed = FailedRequest {
                        failure,
                        client: self.client,
                        started,
                        ended,
                        worker,
                        since_previous,
                    };
                    self.shared
                        .tally(self.group, |tally| tally.add_failure(failed));
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
            if self.client == Client::NewConnection {
                connection = None;
            }
        }
    }

    /// Waits until the next request is due. Returns `None` once the load test is
    /// stopped, and otherwise the due time, which exists only in an open loop.
    #[allow(
        clippy::option_option,
        reason = "the outer option is `None` at the end, the inner one in a closed loop"
    )]
    pub(crate) async fn next_due(&self, pause: Option<Duration>) -> Option<Option<Instant>> {
        if self.shared.is_stopped() {
            return None;
        }
        if pause.is_none() && self.due.is_none() {
            return Some(None);
        }
        let next = async {
            if let Some(pause) = pause {
                sleep(pause).await;
            }
            match &self.due {
                Some(due) => due.recv().await.ok().map(Some),
                None => Some(None),
            }
        };
        tokio::select! {
            biased;
            () = self.shared.stopped() => None,
            next = next => next,
        }
    }

    /// Like [`next_due`](Self::next_due), and drops the connection when the server closes
    /// it.
    #[allow(
        clippy::option_option,
        reason = "the outer option is `None` at the end, the inner one in a closed loop"
    )]
    async fn next(&self, connection: &mut Option<Connection>) -> Option<Option<Instant>> {
        let pause = match self.client {
            Client::ThinkTime(pause) if connection.is_some() => Some(pause),
            _ => None,
        };
        let next = self.next_due(pause);
        tokio::pin!(next);
        loop {
            let closed = async {
                match connection {
                    Some(connection) => connection.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                next = &mut next => {
                    self.drop_if_closed(connection);
                    return next;
                }
                () = closed => self.drop_if_closed(connection),
            }
        }
    }

    /// Drops the connection if the server has closed it.
    fn drop_if_closed(&self, connection: &mut Option<Connection>) {
        if connection.as_ref().is_some_and(Connection::is_closed) {
            *connection = None;
            self.shared
                .tally(self.group, |tally| tally.closed_idle += 1);
        }
    }

    /// Sends one request, on the open connection or on a new one. Sets `worker` as soon
    /// as it is known, even if the response fails later.
    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        request: &[u8],
        worker: &mut Option<u32>,
    ) -> Result<u16, Failure> {
        let open = if let Some(open) = connection {
            open
        } else {
            let opened = Connection::open(self.shared.addr).await?;
            self.shared
                .tally(self.group, |tally| tally.connections += 1);
            connection.insert(opened)
        };
        let response = open.exchange(request).await;
        *worker = open.worker;
        let response = response?;
        *worker = response.worker;
        if response.closes_connection {
            *connection = None;
        }
        Ok(response.status)
    }

    fn request(&self) -> Vec<u8> {
        let Shared { addr, path, .. } = &*self.shared;
        let connection = match self.client {
            Client::NewConnection => "Connection: close\r\n",
            _ => "",
        };
        format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n{connection}\r\n").into_bytes()
    }
}

/// State shared by the clients.
pub(crate) struct Shared {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) ledger: Mutex<Ledger>,
}

impl Shared {
    pub(crate) fn tally(&self, group: usize, update: impl FnOnce(&mut Tally)) {
        update(&mut self.lock().tallies[group].1);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Completes when the load test is stopped.
    pub(crate) async fn stopped(&self) {
        // An error means that the sender was dropped, which also stops the load test.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
