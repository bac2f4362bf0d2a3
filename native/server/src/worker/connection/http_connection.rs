//! Driving a connection of either version of HTTP.

use crate::{
    metrics::ConnectionTimeout,
    worker::{
        activity::ConnectionActivity,
        connection_limit::{ConnectionLimit, Pressure},
    },
};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
};
use tokio::time::{Instant, sleep_until};

/// A connection of hyper, for each version of HTTP.
pub(super) trait HttpConnection: Future<Output = hyper::Result<()>> + Unpin {
    /// The pressure that ends the connection.
    const SHUTDOWN_PRESSURE: Pressure;

    /// True if the server announces the end of a connection (GOAWAY), and which requests
    /// it has not received.
    const HAS_GOAWAY: bool;

    /// Ends the connection after the requests in flight.
    fn shut_down(&mut self);
}

/// Drives a connection until it ends, times out or is aborted.
pub(super) async fn drive<C: HttpConnection>(
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
