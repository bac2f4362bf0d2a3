//! One client: what it asks, and when.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::running::Shared;
use crate::tally::{FailedRequest, Failure};

/// After a failure it does not try again at once: a server that is gone would
/// be asked a hundred thousand times a second, and its machine with it.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(2);

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Asks again on the connection it has, as soon as it is answered.
    KeepAlive,
    /// Opens a connection for each request, and says that it closes it.
    NewConnection,
    /// Keeps its connection, and leaves it idle for so long after each answer.
    ThinkTime(Duration),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::KeepAlive => f.write_str("keep-alive"),
            Client::NewConnection => f.write_str("new connection"),
            Client::ThinkTime(pause) => write!(f, "think time of {pause:?}"),
        }
    }
}

/// One of them, at work.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    /// Where its kind is in the ledger.
    pub(crate) group: usize,
    pub(crate) client: Client,
    /// When its requests are due, in an open loop.
    pub(crate) due: Option<Receiver<Instant>>,
}

impl Worker {
    /// Asks until it is over. What it has begun by then it finishes.
    pub(crate) async fn run(self) {
        let request = self.request();
        let mut connection = None;
        while let Some(due) = self.next(&mut connection).await {
            let started = Instant::now();
            self.shared.tally(self.group, |tally| tally.sent += 1);
            let mut worker = connection.as_ref().and_then(|it: &Connection| it.worker);
            let asked = self.ask(&mut connection, &request, &mut worker);
            let answered = timeout(self.shared.timeout, asked).await;
            let ended = Instant::now();
            match answered.unwrap_or(Err(Failure::TimedOut)) {
                Ok(status) => {
                    let latency = ended - due.unwrap_or(started);
                    self.shared
                        .tally(self.group, |tally| tally.answer(status, worker, latency));
                }
                Err(failure) => {
                    connection = None;
                    let failed = FailedRequest {
                        failure,
                        client: self.client,
                        started,
                        ended,
                        worker,
                    };
                    self.shared.tally(self.group, |tally| tally.fail(failed));
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
            if self.client == Client::NewConnection {
                connection = None;
            }
        }
    }

    /// Waits for its next request; when it was due, if it had to be at a certain
    /// moment. `None` when there is none any more.
    #[allow(
        clippy::option_option,
        reason = "one is the end, the other is the loop"
    )]
    async fn next(&self, connection: &mut Option<Connection>) -> Option<Option<Instant>> {
        if self.shared.is_over() {
            return None;
        }
        let pause = match self.client {
            Client::ThinkTime(pause) if connection.is_some() => Some(pause),
            _ => None,
        };
        if pause.is_none() && self.due.is_none() {
            self.forget_closed(connection);
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
                () = self.shared.over() => return None,
                () = closed => self.forget_closed(connection),
                next = &mut next => {
                    self.forget_closed(connection);
                    return next;
                }
            }
        }
    }

    /// Does not use a connection again of which it knows that it is closed.
    fn forget_closed(&self, connection: &mut Option<Connection>) {
        if connection.as_ref().is_some_and(Connection::is_closed) {
            *connection = None;
            self.shared
                .tally(self.group, |tally| tally.closed_idle += 1);
        }
    }

    /// Sends one request, on the connection it has or on a new one. `worker` is
    /// told as soon as it is known, also if there is no answer then.
    async fn ask(
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
        let answer = open.exchange(request).await;
        *worker = open.worker;
        let answer = answer?;
        *worker = answer.worker;
        if answer.closes {
            *connection = None;
        }
        Ok(answer.status)
    }

    fn request(&self) -> Vec<u8> {
        let Shared { addr, path, .. } = &*self.shared;
        let connection = match self.client {
            Client::NewConnection => "Connection: close\r\n",
            Client::KeepAlive | Client::ThinkTime(_) => "",
        };
        format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n{connection}\r\n").into_bytes()
    }
}
