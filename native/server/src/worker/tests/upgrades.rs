//! Tests of connections whose protocol changes.

use super::*;
use hyper_util::rt::TokioIo;
use std::cell::Cell;

const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\n";
/// The error responses that hyper sends itself look like this.
const LOOKALIKE: &str =
    "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

thread_local! {
    /// The kind of the error that ended an upgraded connection. Each test has a thread.
    static END: Cell<Option<io::ErrorKind>> = const { Cell::new(None) };
}

/// Changes to a protocol that echoes all bytes.
pub(super) fn upgrade(request: Request<hyper::body::Incoming>) -> Response<Body> {
    let headers = request.headers().clone();
    tokio::spawn(async {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
        let echoed = tokio::io::copy(&mut reader, &mut writer).await;
        END.set(echoed.map_err(|error| error.kind()).err());
        let _ = writer.shutdown().await;
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", &headers["upgrade"])
        .body(Body::empty())
        .unwrap()
}

/// Connects a client whose protocol has changed.
async fn connect_upgraded(server: &Server) -> Client {
    let mut client = server.connect(UPGRADE).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with(SWITCHED), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    client
}

impl Client {
    async fn assert_echo(&mut self, text: &str) {
        self.send(text).await;
        let mut echo = vec![0; text.len()];
        self.stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, text.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn upgraded_connection_has_no_time_limits() {
    let server = Server::start(Limits::default());
    let mut client = connect_upgraded(&server).await;
    client.assert_echo("ping").await;
    sleep(1_000 * SECOND).await;
    client.assert_echo(LOOKALIKE).await;
    let meter = &server.meter;
    assert_eq!(
        (
            meter.open_connections.get(),
            meter.open_upgraded_connections.get(),
            meter.in_flight.get()
        ),
        (1, 1, 0)
    );
    drop(client);
    sleep(SECOND).await;
    let meter = &server.meter;
    assert_eq!(
        (
            meter.open_connections.get(),
            meter.open_upgraded_connections.get()
        ),
        (0, 0)
    );
    assert_eq!(
        (meter.upgraded_connections.get(), meter.disconnects.get()),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn upgraded_connection_counts_against_the_limit() {
    let server = Server::start(Limits::new().connections(1));
    let upgraded = connect_upgraded(&server).await;
    let mut waiting = server.connect(GET).await;
    assert!(timeout(100 * SECOND, waiting.response()).await.is_err());
    drop(upgraded);
    waiting.response().await;
}

#[tokio::test(start_paused = true)]
async fn client_can_stop_sending_first() {
    let server = Server::start(Limits::default());
    let mut client = connect_upgraded(&server).await;
    client.send(LOOKALIKE).await;
    client.stream.shutdown().await.unwrap();
    assert_duration(client.wait_for_close().await, Duration::ZERO);
    assert_eq!(client.received, LOOKALIKE);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_when_the_upgraded_connection_closes() {
    let server = Server::start(Limits::default());
    let mut client = connect_upgraded(&server).await;
    advance(&server.phase, Phase::Draining);
    sleep(20 * SECOND).await;
    client.assert_echo("ping").await;
    assert!(!server.serving.is_finished());
    drop(client);
    assert_duration(server.finish().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn upgraded_connections_are_aborted_at_the_deadline() {
    let server = Server::start(Limits::default());
    let mut client = connect_upgraded(&server).await;
    advance(&server.phase, Phase::Draining);
    assert_duration(server.finish().await, 32 * SECOND);
    assert_duration(client.wait_for_close().await, Duration::ZERO);
    assert_eq!(END.get(), Some(io::ErrorKind::ConnectionAborted));
}

#[tokio::test(start_paused = true)]
async fn requests_before_the_upgrade_are_served() {
    let server = Server::start(Limits::default());
    let mut client = server.connect(GET).await;
    client.response().await;
    client.send(UPGRADE).await;
    client.send("early").await;
    while !client.received.ends_with("early") {
        client
            .received
            .push(char::from(client.stream.read_u8().await.unwrap()));
    }
    assert!(client.received.starts_with(SWITCHED), "{}", client.received);
}
