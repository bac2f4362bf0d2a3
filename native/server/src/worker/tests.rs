//! Black-box tests of a worker: bytes in, bytes out, on a paused clock.

mod accepting;
mod connections;
mod draining;
#[cfg(feature = "http2")]
mod http2;
mod transport;
mod upgrades;

use super::{accept::Accepted, *};
use crate::client_addr::ClientAddr;
use axum::{
    body::Body,
    http::{Request, Response},
};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use std::{
    collections::VecDeque, convert::Infallible, future::pending, net::SocketAddr, time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
/// A request whose response takes five seconds.
const SLOW_GET: &str = "GET /slow HTTP/1.1\r\nhost: test\r\n\r\n";
/// A request that never gets a response.
const HANGING_GET: &str = "GET /never HTTP/1.1\r\nhost: test\r\n\r\n";
/// A request whose client sends the body once the service reads it.
const EXPECT: &str = "expect: 100-continue\r\ncontent-length: 4\r\n\r\n";
/// A request whose response does not fit in any buffer.
const LONG_GET: &str = "GET /long HTTP/1.1\r\nhost: test\r\n\r\n";

/// A worker and the sender of its connections.
struct Server {
    queue: mpsc::UnboundedSender<io::Result<Accepted<DuplexStream>>>,
    phase: Arc<watch::Sender<Phase>>,
    meter: Arc<Meter>,
    has_bug: watch::Sender<bool>,
    tasks: TaskTracker,
    serving: JoinHandle<()>,
}

/// An accept queue of connections and errors.
struct Incoming {
    receiver: mpsc::UnboundedReceiver<io::Result<Accepted<DuplexStream>>>,
    buffered: VecDeque<io::Result<Accepted<DuplexStream>>>,
}

impl Incoming {
    fn new(receiver: mpsc::UnboundedReceiver<io::Result<Accepted<DuplexStream>>>) -> Self {
        Incoming {
            receiver,
            buffered: VecDeque::new(),
        }
    }
}

impl AcceptQueue for Incoming {
    type Stream = DuplexStream;

    async fn arrival(&mut self) -> io::Result<()> {
        match self.receiver.recv().await {
            Some(accepted) => self.buffered.push_back(accepted),
            None => pending().await,
        }
        Ok(())
    }

    fn has_connection(&mut self) -> bool {
        !self.buffered.is_empty() || !self.receiver.is_empty()
    }

    fn try_accept(&mut self) -> io::Result<Accepted<DuplexStream>> {
        let buffered = self.buffered.pop_front();
        let buffered = buffered.or_else(|| self.receiver.try_recv().ok());
        buffered.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }
}

impl Server {
    fn start(limits: Limits) -> Self {
        let (queue, connections) = mpsc::unbounded_channel();
        let listener = Incoming::new(connections);
        Self::start_with_listener(listener, queue, limits)
    }

    fn start_with_listener(
        listener: impl AcceptQueue<Stream = DuplexStream> + 'static,
        queue: mpsc::UnboundedSender<io::Result<Accepted<DuplexStream>>>,
        limits: Limits,
    ) -> Self {
        Self::start_with_turns(listener, queue, limits, Turns::unshared())
    }

    fn start_with_turns(
        listener: impl AcceptQueue<Stream = DuplexStream> + 'static,
        queue: mpsc::UnboundedSender<io::Result<Accepted<DuplexStream>>>,
        limits: Limits,
        turns: Turns,
    ) -> Self {
        Self::start_with_proxies(listener, queue, limits, turns, None)
    }

    fn start_with_proxies(
        listener: impl AcceptQueue<Stream = DuplexStream> + 'static,
        queue: mpsc::UnboundedSender<io::Result<Accepted<DuplexStream>>>,
        limits: Limits,
        turns: Turns,
        proxies: Option<TrustedProxies>,
    ) -> Self {
        let id = WorkerId::new(0, 0);
        let handler = error_layer::handler(Handler::new(), id);
        let malformed = Arc::new(MalformedRequests::new(handler));
        let transport = Transport::new(proxies, None, &limits, Arc::clone(&malformed));
        let phase = Arc::new(watch::Sender::new(Phase::Serving));
        let meter = Arc::new(Meter::default());
        let has_bug = watch::Sender::new(false);
        let tasks = TaskTracker::new();
        let serving = serve_queue(
            listener,
            turns,
            service_fn(respond),
            ConnectionContext {
                limits,
                transport,
                meter: Arc::clone(&meter),
                phase: Arc::clone(&phase),
                has_bug: has_bug.subscribe(),
                malformed,
                request_logs: RequestLogs::new(id, None),
                tasks: tasks.clone(),
            },
        );
        Server {
            queue,
            phase,
            meter,
            has_bug,
            tasks,
            serving: tokio::spawn(serving),
        }
    }

    /// Connects a client with this address.
    fn connect_stream(&self, peer: Option<SocketAddr>) -> DuplexStream {
        let (client, stream) = duplex(4096);
        self.queue.send(Ok(Accepted { stream, peer })).unwrap();
        client
    }

    /// Connects a client that sends the text.
    async fn connect(&self, text: &str) -> Client {
        self.connect_from(None, text).await
    }

    /// Connects a client with this address that sends the text.
    async fn connect_from(&self, peer: Option<SocketAddr>, text: &str) -> Client {
        let mut client = Client {
            stream: self.connect_stream(peer),
            received: String::new(),
        };
        client.send(text).await;
        client
    }

    /// Waits until the worker has finished, and returns the elapsed time.
    async fn finish(self) -> Duration {
        let begin = Instant::now();
        self.serving.await.unwrap();
        begin.elapsed()
    }
}

async fn respond(request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Infallible> {
    match request.uri().path() {
        "/upgrade" => return Ok(upgrades::upgrade(request)),
        "/read" => drop(request.into_body().collect().await),
        "/stream" => {
            let chunks = futures_util::stream::repeat(Ok::<_, Infallible>([b'x'; 1024]));
            return Ok(Response::new(Body::from_stream(chunks.map_ok(Vec::from))));
        }
        "/client" => {
            let client = request.extensions().get::<ClientAddr>().unwrap();
            return Ok(Response::new(Body::from(client.to_string())));
        }
        "/slow" => sleep(5 * SECOND).await,
        "/never" => pending().await,
        "/long" => return Ok(Response::new(Body::from(vec![b'x'; 1 << 20]))),
        _ => {}
    }
    Ok(Response::new(Body::from("hello")))
}

struct Client {
    stream: DuplexStream,
    received: String,
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Returns the next response: its head and the five bytes of its body.
    async fn response(&mut self) -> String {
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\nhello") {
            let byte = self
                .stream
                .read_u8()
                .await
                .expect("the response is incomplete");
            response.push(byte);
        }
        String::from_utf8(response).unwrap()
    }

    /// Waits until the connection is closed, and returns the elapsed time. The received
    /// bytes are appended to `received`.
    async fn wait_for_close(&mut self) -> Duration {
        let begin = Instant::now();
        // An error closes the connection too.
        let _ = self.stream.read_to_string(&mut self.received).await;
        begin.elapsed()
    }
}

/// Compares durations with a tolerance, because tokio's timers have a resolution of one
/// millisecond.
#[track_caller]
fn assert_duration(actual: Duration, expected: Duration) {
    let difference = actual.abs_diff(expected);
    assert!(
        difference < Duration::from_millis(50),
        "took {actual:?}, expected {expected:?}"
    );
}

fn closes_connection(response: &str) -> bool {
    response.contains("\r\nconnection: close\r\n")
}
