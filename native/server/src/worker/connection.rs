//! Serving a single connection.

use super::{
    activity::ConnectionActivity,
    connection_limit::{ConnectionLimit, ConnectionPermit, Pressure},
    malformed::MalformedRequests,
    request_tracking::{InfallibleService, TrackedService},
    socket::Socket,
};
use crate::limits::MAX_BUFFER_BYTES;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::{pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

/// Serves a connection until the client closes it, it times out, or the worker drains. A
/// draining worker finishes the request in flight first.
pub(super) async fn serve<I, S>(
    stream: I,
    service: S,
    connection_limit: Arc<ConnectionLimit>,
    malformed: Arc<MalformedRequests>,
    permit: ConnectionPermit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: InfallibleService,
{
    let activity = Arc::new(ConnectionActivity::new());
    let socket = Socket::new(stream, Arc::clone(&activity), Arc::clone(&connection_limit));
    let service = TrackedService::new(
        service,
        Arc::clone(&activity),
        Arc::clone(&connection_limit),
    );
    let mut connection = http1::Builder::new()
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut pressure = connection_limit.pressure();
    let result = loop {
        tokio::select! {
            // Polled in this order, so that received bytes are read before timeouts are
            // checked.
            biased;
            result = &mut connection => break result,
            _ = pressure.changed() => {
                if *pressure.borrow() == Pressure::Closing {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
            () = timer.as_mut() => {}
        }
        match activity.check_timeouts(&connection_limit.limits()) {
            Ok(next) => timer.as_mut().reset(next),
            Err(timeout) => {
                connection_limit.meter.connection_timed_out(timeout);
                break Ok(());
            }
        }
    };
    // After any other error, the client has disconnected.
    if let Err(error) = result
        && error.is_parse()
    {
        let parts = connection.into_parts();
        let socket = parts.io.into_inner();
        malformed
            .respond(error, &parts.read_buf, socket, &connection_limit)
            .await;
    }
    drop(permit);
}
