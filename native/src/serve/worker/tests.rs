//! A worker from outside: bytes in, bytes out, and time that passes at once.

mod accepting;
mod connections;
mod draining;

use super::*;
use axum::{
    body::Body,
    http::{Request, Response},
};
use std::{collections::VecDeque, convert::Infallible, future::pending};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
/// Is answered after five seconds.
const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: test\r\n\r\n";
/// Is never answered.
const NEVER: &str = "GET /never HTTP/1.1\r\nhost: test\r\n\r\n";
/// Is answered with more than fits in any buffer.
const LONG: &str = "GET /long HTTP/1.1\r\nhost: test\r\n\r\n";

/// A worker, and what may come to its socket.
struct Server {
    queue: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    phase: Arc<watch::Sender<Phase>>,
    meter: Arc<Meter>,
    bug: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What comes out of a socket's queue, errors included.
struct Incoming {
    arriving: mpsc::UnboundedReceiver<io::Result<DuplexStream>>,
    arrived: VecDeque<io::Result<DuplexStream>>,
}

impl Incoming {
    fn new(arriving: mpsc::UnboundedReceiver<io::Result<DuplexStream>>) -> Self {
        Incoming {
            arriving,
            arrived: VecDeque::new(),
        }
    }
}

impl Accept for Incoming {
    type Stream = DuplexStream;

    async fn arrival(&mut self) -> io::Result<()> {
        match self.arriving.recv().await {
            Some(accepted) => self.arrived.push_back(accepted),
            None => pending().await,
        }
        Ok(())
    }

    fn is_pending(&mut self) -> bool {
        !self.arrived.is_empty() || !self.arriving.is_empty()
    }

    fn try_accept(&mut self) -> io::Result<DuplexStream> {
        let arrived = self.arrived.pop_front();
        let arrived = arrived.or_else(|| self.arriving.try_recv().ok());
        arrived.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }
}

impl Server {
    fn start(limits: Limits) -> Self {
        let (queue, connections) = mpsc::unbounded_channel();
        let listener = Incoming::new(connections);
        Self::start_on(listener, queue, limits)
    }

    fn start_on(
        listener: impl Accept<Stream = DuplexStream> + 'static,
        queue: mpsc::UnboundedSender<io::Result<DuplexStream>>,
        limits: Limits,
    ) -> Self {
        Self::start_with(listener, queue, limits, Turns::unshared())
    }

    fn start_with(
        listener: impl Accept<Stream = DuplexStream> + 'static,
        queue: mpsc::UnboundedSender<io::Result<DuplexStream>>,
        limits: Limits,
        turns: Turns,
    ) -> Self {
        let phase = Arc::new(watch::Sender::new(Phase::Serving));
        let meter = Arc::new(Meter::default());
        let bug = watch::Sender::new(false);
        let serving = serve_on(
            listener,
            turns,
            service_fn(answer),
            ConnectionContext {
                limits,
                meter: Arc::clone(&meter),
                phase: Arc::clone(&phase),
                bug: bug.subscribe(),
                malformed: MalformedRequests::new(errors::handler()),
            },
        );
        Server {
            queue,
            phase,
            meter,
            bug,
            serving: tokio::spawn(serving),
        }
    }

    /// A client that has sent something.
    async fn ask(&self, what: &str) -> Client {
        let (client, server) = duplex(4096);
        self.queue.send(Ok(server)).unwrap();
        let mut client = Client {
            stream: client,
            read: String::new(),
        };
        client.send(what).await;
        client
    }

    /// How long it takes to end from now.
    async fn ends(self) -> Duration {
        let begin = Instant::now();
        self.serving.await.unwrap();
        begin.elapsed()
    }
}

async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Infallible> {
    match request.uri().path() {
        "/slow" => sleep(5 * SECOND).await,
        "/never" => pending().await,
        "/long" => return Ok(Response::new(Body::from(vec![b'x'; 1 << 20]))),
        _ => {}
    }
    Ok(Response::new(Body::from("hello")))
}

struct Client {
    stream: DuplexStream,
    read: String,
}

impl Client {
    async fn send(&mut self, what: &str) {
        self.stream.write_all(what.as_bytes()).await.unwrap();
    }

    /// The head of the next answer, without its five bytes of body.
    async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nhello") {
            let byte = self.stream.read_u8().await.expect("an answer");
            answer.push(byte);
        }
        String::from_utf8(answer).unwrap()
    }

    /// How long it takes from now until the connection is closed. All that comes
    /// until then is in `read`.
    async fn closes(&mut self) -> Duration {
        let begin = Instant::now();
        // An error is as good as the end.
        let _ = self.stream.read_to_string(&mut self.read).await;
        begin.elapsed()
    }
}

/// Time is as exact as tokio's timers are, which is to the millisecond.
#[track_caller]
fn assert_is(took: Duration, expected: Duration) {
    let off = took.abs_diff(expected);
    assert!(
        off < Duration::from_millis(50),
        "{took:?} and not {expected:?}"
    );
}

fn is_last(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}
