//! Tests of HTTP/2 connections.

use super::*;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::error::Error;
use tokio::task::yield_now;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// A client and the task of its connection.
struct Http2Client {
    requests: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2Client {
    async fn connect(server: &Server) -> Self {
        Self::connect_with(server, Builder::new(TokioExecutor::new())).await
    }

    async fn connect_with(server: &Server, mut builder: Builder<TokioExecutor>) -> Self {
        let stream = TokioIo::new(server.connect_stream(None));
        let (requests, connection) = builder
            .timer(TokioTimer::new())
            .handshake(stream)
            .await
            .unwrap();
        Http2Client {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    fn send(
        &mut self,
        path: &str,
    ) -> impl Future<Output = hyper::Result<Response<hyper::body::Incoming>>> + use<> {
        let uri = format!("http://test{path}");
        let request = Request::get(uri).body(Empty::new()).unwrap();
        self.requests.send_request(request)
    }

    /// Returns the text of a successful response.
    async fn get(&mut self, path: &str) -> String {
        read(self.send(path).await.unwrap()).await
    }

    /// Waits until the connection is closed, and returns the elapsed time.
    async fn wait_for_close(self) -> Duration {
        let begin = Instant::now();
        let closed = timeout(1_000 * SECOND, self.connection).await;
        let _ = closed.expect("the connection stays open").unwrap();
        begin.elapsed()
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> String {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("connection"), None);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

/// Returns a frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Connects a client that sends frames by hand.
async fn connect_raw(server: &Server) -> DuplexStream {
    let mut stream = server.connect_stream(None);
    stream.write_all(PREFACE).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&settings).await.unwrap();
    stream
}

/// Reads until the connection is closed. Returns the payload of the last frame of this
/// kind.
async fn last_payload(stream: &mut DuplexStream, kind: u8) -> Option<Vec<u8>> {
    let mut last = None;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == kind {
            last = Some(payload);
        }
    }
    last
}

#[tokio::test(start_paused = true)]
async fn requests_share_a_connection() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    let slow = client.send("/slow");
    assert_eq!(client.get("/").await, "hello");
    assert_eq!(server.meter.in_flight.get(), 1);
    assert_eq!(read(slow.await.unwrap()).await, "hello");
    let meter = &server.meter;
    assert_eq!(
        (
            meter.accepted_connections.get(),
            meter.open_connections.get()
        ),
        (1, 1)
    );
    assert_eq!((meter.responses[1].get(), meter.in_flight.get()), (2, 0));
    assert_eq!(meter.malformed_requests.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn preface_may_arrive_byte_by_byte() {
    let server = Server::start(Limits::default());
    let mut stream = server.connect_stream(None);
    for byte in PREFACE {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(SECOND / 10).await;
    }
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], SETTINGS);
}

#[tokio::test(start_paused = true)]
async fn preface_after_a_request_is_rejected() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(GET).await;
    client.response().await;
    client.send(std::str::from_utf8(PREFACE).unwrap()).await;
    client.wait_for_close().await;
    let received = &client.received;
    assert!(
        received.is_empty() || received.starts_with("HTTP/1.1 505 "),
        "{received}"
    );
    assert_eq!(server.meter.malformed_requests.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn open_request_keeps_the_connection() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    let hanging = client.send("/never");
    assert!(timeout(1_000 * SECOND, hanging).await.is_err());
    assert_eq!(server.meter.open_connections.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_request_leaves_the_connection_open() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    assert!(timeout(SECOND, client.send("/never")).await.is_err());
    assert_eq!(client.get("/").await, "hello");
    let meter = &server.meter;
    assert_eq!(
        (
            meter.disconnects.get(),
            meter.in_flight.get(),
            meter.open_connections.get()
        ),
        (1, 0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connection_closes_with_a_goaway() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    for _ in 0..3 {
        sleep(50 * SECOND).await;
        client.get("/").await;
    }
    let begin = Instant::now();
    assert!(client.connection.await.unwrap().is_ok());
    assert_duration(begin.elapsed(), 60 * SECOND);
    assert_eq!(server.meter.idle_timeouts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_keep_an_idle_connection() {
    let server = Server::start(Limits::default());
    let stream = connect_raw(&server).await;
    let begin = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    while writer.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
        sleep(SECOND).await;
    }
    let _ = reading.await.unwrap();
    // The client does not acknowledge the ping by which the connection closes.
    let elapsed = begin.elapsed();
    assert!((62..=63).contains(&elapsed.as_secs()), "{elapsed:?}");
    assert_eq!(server.meter.idle_timeouts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn unread_response_times_out() {
    let server = Server::start(Limits::default());
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535);
    let mut client = Http2Client::connect_with(&server, builder).await;
    let begin = Instant::now();
    let response = client.send("/stream").await.unwrap();
    assert_eq!(server.meter.in_flight.get(), 1);
    client.wait_for_close().await;
    assert_duration(begin.elapsed(), 30 * SECOND);
    let meter = &server.meter;
    assert_eq!(
        (meter.stall_timeouts.get(), meter.open_connections.get()),
        (1, 0)
    );
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn slow_reader_does_not_time_out() {
    let server = Server::start(Limits::default());
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535);
    let mut client = Http2Client::connect_with(&server, builder).await;
    let mut body = client.send("/stream").await.unwrap().into_body();
    for _ in 0..300 {
        sleep(SECOND).await;
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(server.meter.stall_timeouts.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn silent_client_times_out() {
    let server = Server::start(Limits::default());
    let mut stream = connect_raw(&server).await;
    // `GET /never`: an open stream.
    let head = b"\x82\x86\x04\x06/never\x41\x04test";
    stream.write_all(&frame(1, 5, 1, head)).await.unwrap();
    let begin = Instant::now();
    last_payload(&mut stream, GOAWAY).await;
    assert_duration(begin.elapsed(), 60 * SECOND);
    let meter = &server.meter;
    assert_eq!((meter.stall_timeouts.get(), meter.in_flight.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_wait() {
    let server = Server::start(Limits::new().concurrent_streams(2));
    let mut client = Http2Client::connect(&server).await;
    client.get("/").await;
    let begin = Instant::now();
    let slow: Vec<_> = (0..6).map(|_| client.send("/slow")).collect();
    for response in slow {
        read(response.await.unwrap()).await;
    }
    assert_duration(begin.elapsed(), 15 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn large_head_is_rejected() {
    let server = Server::start(Limits::new().head_bytes(10_000));
    let mut client = Http2Client::connect(&server).await;
    let mut status = async |bytes| {
        let request = Request::get("http://test/").header("x", "x".repeat(bytes));
        let request = request.body(Empty::new()).unwrap();
        let response = client.requests.send_request(request).await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(status(9_000).await, 200);
    assert_eq!(status(10_000).await, 431);
}

#[tokio::test(start_paused = true)]
async fn flood_of_resets_ends_the_connection() {
    let server = Server::start(Limits::default());
    let mut stream = connect_raw(&server).await;
    let mut flood = Vec::new();
    for number in 0..50 {
        let id = 2 * number + 1;
        flood.extend(frame(1, 5, id, b"\x82\x86\x84\x41\x04test"));
        flood.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    stream.write_all(&flood).await.unwrap();
    let goaway = last_payload(&mut stream, GOAWAY).await.unwrap();
    // ENHANCE_YOUR_CALM
    assert_eq!(goaway[4..8], 11_u32.to_be_bytes());
    let meter = &server.meter;
    assert_eq!(
        (
            meter.http2_errors.get(),
            meter.open_connections.get(),
            meter.in_flight.get()
        ),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connection_closes_when_the_worker_drains() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    client.get("/").await;
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, Duration::ZERO);
    assert!(client.connection.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn open_requests_are_finished_when_the_worker_drains() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    let slow = client.send("/slow");
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    sleep(SECOND).await;
    assert_eq!(read(slow.await.unwrap()).await, "hello");
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_drain_are_answered_or_not_received() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    client.get("/").await;
    let mut outcomes = Vec::new();
    for number in 0..50 {
        outcomes.push(client.send("/"));
        if number == 25 {
            advance(&server.phase, Phase::Draining);
        }
        yield_now().await;
    }
    let mut answered = 1;
    for outcome in outcomes {
        match outcome.await {
            Ok(response) => {
                assert_eq!(read(response).await, "hello");
                answered += 1;
            }
            Err(error) => assert!(is_unprocessed(&error), "{error:?}"),
        }
    }
    assert!((26..50).contains(&answered), "{answered}");
    assert_eq!(server.meter.responses[1].get(), answered);
    assert_duration(server.finish().await, Duration::ZERO);
}

/// Returns true if the server has told the client that it has not received the request.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let cause = error.source();
    let cause = cause.and_then(<dyn Error>::downcast_ref::<h2::Error>);
    let is_goaway = |error: &h2::Error| {
        error.is_remote() && error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)
    };
    error.is_canceled() || cause.is_some_and(is_goaway)
}

#[tokio::test(start_paused = true)]
async fn new_connection_closes_after_its_first_request() {
    let server = Server::start(Limits::default());
    let connecting = Http2Client::connect(&server);
    advance(&server.phase, Phase::Draining);
    let mut client = connecting.await;
    sleep(SECOND / 2).await;
    assert_eq!(client.get("/").await, "hello");
    client.wait_for_close().await;
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn unfinished_requests_are_aborted_at_the_deadline() {
    let server = Server::start(Limits::default());
    let mut client = Http2Client::connect(&server).await;
    let hanging = tokio::spawn(client.send("/never"));
    sleep(SECOND).await;
    advance(&server.phase, Phase::Draining);
    let meter = Arc::clone(&server.meter);
    assert_duration(server.finish().await, 32 * SECOND);
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(meter.disconnects.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn dead_client_does_not_delay_draining() {
    let server = Server::start(Limits::default());
    let _silent = connect_raw(&server).await;
    sleep(10 * SECOND).await;
    advance(&server.phase, Phase::Draining);
    // After the linger time, it does not acknowledge that the connection ends.
    assert_duration(server.finish().await, 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn full_worker_ends_connections() {
    let server = Server::start(Limits::new().connections(1));
    let mut first = Http2Client::connect(&server).await;
    first.get("/").await;
    let mut waiting = server.connect(GET).await;
    waiting.response().await;
    assert!(first.wait_for_close().await.is_zero());
}
