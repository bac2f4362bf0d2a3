//! Serving a single connection.

#[cfg(feature = "http2")]
mod http2;

use super::{
    activity::ConnectionActivity,
    connection_limit::{ConnectionLimit, ConnectionPermit, Pressure},
    malformed::MalformedRequests,
    request_tracking::{InfallibleService, TrackedService},
    socket::Socket,
    transport::ConnectionClient,
};
use crate::{
    limits::{Limits, MAX_BUFFER_BYTES},
    metrics::ConnectionTimeout,
};
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

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

/// A connection of hyper, for each version of HTTP.
trait HttpConnection: Future<Output = hyper::Result<()>> + Unpin {
    /// The pressure that ends the connection.
    const SHUTDOWN_PRESSURE: Pressure;

    /// True if the server announces the end of a connection (GOAWAY), and which requests
    /// it has not received.
    const HAS_GOAWAY: bool;

    /// Ends the connection after the requests in flight.
    fn shut_down(&mut self);
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

/// Drives a connection until it ends, times out or is aborted.
async fn drive<C: HttpConnection>(
    connection: &mut C,
    activity: &ConnectionActivity,
    connection_limit: &ConnectionLimit,
) -> hyper::Result<()> {
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut pressure = connection_limit.pressure();
    let mut is_ending = C::HAS_GOAWAY && *pressure.borrow() >= C::SHUTDOWN_PRESSURE;
    let mut goaway_sent = None;
    loop {
        let poll_connection = poll_fn(|context| {
            let result = Pin::new(&mut *connection).poll(context);
            // The end is announced after the first request. Otherwise the client would have
            // connected in vain.
            let is_due = C::HAS_GOAWAY && is_ending && goaway_sent.is_none();
            if is_due && result.is_pending() && activity.has_received_request() {
                connection.shut_down();
                goaway_sent = Some(Instant::now());
                return Pin::new(&mut *connection).poll(context);
            }
            result
        });
        tokio::select! {
            // Polled in this order, so that received bytes are read before timeouts are
            // checked.
            biased;
            result = poll_connection => return result,
            _ = pressure.changed() => {
                let pressure = *pressure.borrow();
                if pressure == Pressure::Aborted {
                    return Ok(());
                }
                is_ending = pressure >= C::SHUTDOWN_PRESSURE;
                if pressure == Pressure::Closing {
                    connection.shut_down();
                    goaway_sent.get_or_insert_with(Instant::now);
                }
            }
            () = timer.as_mut() => {}
        }
        let limits = connection_limit.limits();
        let timeout = match activity.check_timeouts(&limits) {
            Ok(next) => {
                timer.as_mut().reset(next);
                continue;
            }
            Err(timeout) => timeout,
        };
        if C::HAS_GOAWAY && timeout == ConnectionTimeout::Idle {
            // A request may be on its way. The client has time to learn that it was not
            // received.
            let sent = *goaway_sent.get_or_insert_with(|| {
                connection.shut_down();
                connection_limit.meter.connection_timed_out(timeout);
                Instant::now()
            });
            if sent.elapsed() < limits.grace {
                timer.as_mut().reset(sent + limits.grace);
                continue;
            }
        } else {
            connection_limit.meter.connection_timed_out(timeout);
        }
        return Ok(());
    }
}
