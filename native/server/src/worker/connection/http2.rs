//! HTTP/2 connections.

use super::http_connection::{HttpConnection, drive};
use crate::{
    limits::{Limits, MAX_BUFFER_BYTES},
    metrics::ConnectionTimeout,
    worker::{
        activity::ConnectionActivity,
        connection_limit::{ConnectionLimit, Pressure},
        request_tracking::{InfallibleService, TrackedService},
        socket::Socket,
    },
};
use bytes::Bytes;
use hyper::{
    rt::Executor,
    server::conn::http2::{Builder, Connection},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite};

/// The first bytes that a client sends ([RFC 9113, section 3.4]). To a server of HTTP/1.1
/// they are a request with an unknown version.
///
/// [RFC 9113, section 3.4]: https://www.rfc-editor.org/rfc/rfc9113#section-3.4
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The number of streams that a client can reset before the service has seen them. More
/// are a flood, which ends the connection (CVE-2023-44487). This is h2's default.
const MAX_PENDING_RESETS: usize = 20;

/// The number of streams that the server resets because of errors of the client, before it
/// ends the connection (RUSTSEC-2024-0003). This is hyper's default.
const MAX_ERROR_RESETS: usize = 1024;

/// The part of the preface that no request of HTTP/1.1 begins with.
const MIN_PREFACE: &[u8] = b"PRI * HTTP/2";

/// Returns true if these bytes start a connection of HTTP/2. They may be incomplete.
pub(super) fn is_preface(bytes: &[u8]) -> bool {
    bytes.starts_with(MIN_PREFACE) && (bytes.starts_with(PREFACE) || PREFACE.starts_with(bytes))
}

/// Serves a connection whose first bytes, the preface, were already read.
pub(super) async fn serve<I, S>(
    mut socket: Socket<I>,
    preface: Bytes,
    service: TrackedService<S>,
    activity: Arc<ConnectionActivity>,
    connection_limit: &ConnectionLimit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: InfallibleService,
{
    activity.multiplexed();
    socket.unread(preface);
    let streams = StreamSpawner(Arc::clone(&activity));
    let mut connection = builder(&connection_limit.limits(), streams)
        .serve_connection(TokioIo::new(socket), service);
    let Err(error) = drive(&mut connection, &activity, connection_limit).await else {
        return;
    };
    let meter = &connection_limit.meter;
    if error.is_timeout() {
        // The client did not answer a ping.
        meter.connection_timed_out(ConnectionTimeout::Stall);
    } else if !error.source().is_some_and(<dyn Error>::is::<io::Error>) {
        meter.http2_error();
    }
}

fn builder(limits: &Limits, streams: StreamSpawner) -> Builder<StreamSpawner> {
    let ping = limits.stall.max(Duration::from_secs(1));
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .max_send_buf_size(MAX_BUFFER_BYTES)
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping);
    builder
}

impl<I, S> HttpConnection for Connection<TokioIo<Socket<I>>, TrackedService<S>, StreamSpawner>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: InfallibleService,
{
    /// Each response of HTTP/1.1 closes its connection from this pressure on.
    const SHUTDOWN_PRESSURE: Pressure = Pressure::Full;
    const HAS_GOAWAY: bool = true;

    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// Spawns and counts the tasks of a connection: one for each stream, also after its
/// protocol has changed.
#[derive(Clone)]
struct StreamSpawner(Arc<ConnectionActivity>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamSpawner {
    fn execute(&self, future: F) {
        self.0.stream_opened();
        let open = OpenStream(Arc::clone(&self.0));
        tokio::spawn(StreamTask {
            future,
            _open: open,
        });
    }
}

/// Counts as an open stream until it is dropped.
struct OpenStream(Arc<ConnectionActivity>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.stream_closed();
    }
}

pin_project! {
    struct StreamTask<F> {
        #[pin]
        future: F,
        _open: OpenStream,
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(context)
    }
}
