//! One connection, from its first byte to its last.

use super::{
    activity::Activity,
    connection_limit::{ConnectionLimit, ConnectionPermit, Pressure},
    malformed::MalformedRequests,
    request_tracking::{HttpService, TrackedService},
    socket::Socket,
};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::{pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

/// What a client may make us keep of a head, or of an answer that it does not
/// take.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Serves a connection until the client closes it, it is overdue, or the worker
/// has drained. A request that is under way then is answered first, as the last.
pub(super) async fn serve<I, S>(
    stream: I,
    service: S,
    connection_limit: Arc<ConnectionLimit>,
    malformed: Arc<MalformedRequests>,
    permit: ConnectionPermit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    let activity = Arc::new(Activity::new());
    let socket = Socket::new(stream, Arc::clone(&activity), Arc::clone(&connection_limit));
    let service = TrackedService::new(
        service,
        Arc::clone(&activity),
        Arc::clone(&connection_limit),
    );
    let mut connection = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut pressure = connection_limit.pressure();
    let served = loop {
        tokio::select! {
            // In this order: what has come is read before anything is overdue.
            biased;
            served = &mut connection => break served,
            _ = pressure.changed() => {
                if *pressure.borrow() == Pressure::Closing {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
            () = timer.as_mut() => {}
        }
        match activity.check_timeouts(&connection_limit.limits()) {
            Ok(next) => timer.as_mut().reset(next),
            Err(overdue) => {
                connection_limit.meter.connection_timed_out(overdue);
                break Ok(());
            }
        }
    };
    // Of the other errors nobody is left who could be told.
    if let Err(error) = served
        && error.is_parse()
    {
        let parts = connection.into_parts();
        let socket = parts.io.into_inner();
        malformed
            .answer(error, &parts.read_buf, socket, &connection_limit)
            .await;
    }
    drop(permit);
}
