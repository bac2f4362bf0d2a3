//! Serving a single connection.

#[cfg(feature = "http2")]
mod http2;
mod http_connection;

use super::{
    activity::ConnectionActivity,
    connection_limit::{ConnectionLimit, ConnectionPermit, Pressure},
    malformed::MalformedRequests,
    request_tracking::{InfallibleService, TrackedService},
    socket::Socket,
    transport::ConnectionClient,
};
use crate::limits::{Limits, MAX_BUFFER_BYTES};
use http_connection::{HttpConnection, drive};
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::TokioIo;
use std::{pin::Pin, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves a connection until the client closes it, it times out, or the worker drains. A
/// draining worker finishes the requests in flight first. If the protocol changes, the
/// service owns the connection, which keeps its permit.
pub(super) async fn serve<I, S>(
    stream: I,
    client: ConnectionClient,
    service: S,
    connection_limit: Arc<ConnectionLimit>,
    malformed: Arc<MalformedRequests>,
    permit: ConnectionPermit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: InfallibleService,
{
    let activity = Arc::new(ConnectionActivity::new());
    let socket = Socket::new(
        stream,
        Arc::clone(&activity),
        Arc::clone(&connection_limit),
        permit,
    );
    let service = TrackedService::new(
        service,
        client,
        Arc::clone(&activity),
        Arc::clone(&connection_limit),
    );
    let mut connection = http1_builder(&connection_limit.limits())
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    // After any other error, the client has disconnected.
    let result = drive(&mut connection, &activity, &connection_limit).await;
    if let Err(error) = result
        && error.is_parse()
        && let Some(parts) = connection.into_parts()
    {
        let socket = parts.io.into_inner();
        #[cfg(feature = "http2")]
        if http2::is_preface(&parts.read_buf) && !activity.has_received_request() {
            let service = parts.service;
            http2::serve(socket, parts.read_buf, service, activity, &connection_limit).await;
            return;
        }
        malformed
            .respond(error, &parts.read_buf, socket, &connection_limit)
            .await;
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(limits.head_bytes.max(MAX_BUFFER_BYTES))
        .max_header_size(limits.head_bytes);
    builder
}

impl<I, S> HttpConnection for UpgradeableConnection<TokioIo<Socket<I>>, TrackedService<S>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: InfallibleService,
{
    const SHUTDOWN_PRESSURE: Pressure = Pressure::Closing;
    const HAS_GOAWAY: bool = false;

    fn shut_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}
