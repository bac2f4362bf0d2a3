//! The limit on open connections, and the state shared by all connections of a worker.

use super::client_limit::ClientSlot;
use super::request_log::RequestLogs;
use crate::logging;
use crate::metrics::Meter;
use crate::{limits::Limits, phase::Phase};
use log::Level;
use std::{
    io, process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

/// Limits a worker's open connections and stores the state that they share.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    pub(super) meter: Arc<Meter>,
    pub(super) request_logs: RequestLogs,
    limits: Limits,
    phase: watch::Receiver<Phase>,
    pressure: watch::Sender<Pressure>,
    /// One permit for each allowed connection.
    permits: Arc<Semaphore>,
    /// True while the system has no resources for another connection.
    is_out_of_resources: AtomicBool,
    limit_log: LogThrottle,
    resource_log: LogThrottle,
}

/// The demand to close connections, which determines how long they stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pressure {
    /// The limit is not reached.
    Normal,
    /// Clients are waiting for a connection. Each response closes its connection to make
    /// room for them.
    Full,
    /// The worker is draining, and still serves open connections. HTTP/2 clients open
    /// another one.
    Draining,
    /// The time for open connections has passed. Idle connections are closed.
    Closing,
    /// The time for unfinished requests has passed. All connections are aborted.
    Aborted,
}

impl ConnectionLimit {
    pub(super) fn new(
        limits: Limits,
        meter: Arc<Meter>,
        phase: watch::Receiver<Phase>,
        request_logs: RequestLogs,
    ) -> Self {
        let connections = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        ConnectionLimit {
            meter,
            request_logs,
            limits: Limits {
                connections,
                ..limits
            },
            phase,
            pressure: watch::Sender::new(Pressure::Normal),
            permits: Arc::new(Semaphore::new(connections)),
            is_out_of_resources: AtomicBool::new(false),
            limit_log: LogThrottle::default(),
            resource_log: LogThrottle::default(),
        }
    }

    /// Returns the limits of a connection under the current pressure.
    pub(super) fn limits(&self) -> Limits {
        let limits = self.limits;
        match *self.pressure.borrow() {
            Pressure::Normal | Pressure::Draining => limits,
            Pressure::Full => Limits {
                idle: limits.idle.min(limits.idle_when_full),
                ..limits
            },
            Pressure::Closing | Pressure::Aborted => Limits {
                idle: limits.idle.min(limits.grace),
                head: limits.head.min(limits.grace),
                ..limits
            },
        }
    }

    /// Returns a receiver that is notified when the pressure changes.
    pub(super) fn pressure(&self) -> watch::Receiver<Pressure> {
        self.pressure.subscribe()
    }

    /// Returns true if a response that starts now closes its connection.
    pub(super) fn should_close_after_response(&self) -> bool {
        *self.phase.borrow() > Phase::Serving || *self.pressure.borrow() > Pressure::Normal
    }

    /// Returns true if the worker is stopping and aborts unfinished requests.
    pub(super) fn is_stopping(&self) -> bool {
        *self.phase.borrow() >= Phase::Stopping
    }

    /// Waits for a connection permit.
    pub(super) async fn acquire(self: &Arc<Self>) -> ConnectionPermit {
        let permits = Arc::clone(&self.permits);
        let permit = if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            Some(permit)
        } else {
            self.meter.limit_reached();
            self.change_pressure(Pressure::Normal, Pressure::Full);
            if self.limit_log.should_log() {
                log(&format!(
                    "connection limit reached ({} open); new connections wait in the accept queue",
                    self.limits.connections
                ));
            }
            // The semaphore is never closed.
            permits.acquire_owned().await.ok()
        };
        self.new_permit(permit)
    }

    /// Returns a connection permit if one is available.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(self.new_permit(Some(permit)))
    }

    fn new_permit(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> ConnectionPermit {
        ConnectionPermit {
            limit: Arc::clone(self),
            is_used: false,
            client_slot: None,
            _permit: permit,
        }
    }

    /// Records that the system has no resources for another connection although the limit
    /// is not reached. Idle connections are then closed sooner.
    pub(super) fn record_resource_error(&self, error: &io::Error) {
        self.is_out_of_resources.store(true, Relaxed);
        if self.resource_log.should_log() {
            log(&format!(
                "cannot accept connections ({error}); new connections wait in the accept queue"
            ));
        }
        self.change_pressure(Pressure::Normal, Pressure::Full);
    }

    /// Raises the pressure: [`Pressure::Closing`] closes idle connections immediately, and
    /// the others after their response. It never falls again.
    pub(super) fn raise_pressure(&self, to: Pressure) {
        self.pressure.send_if_modified(|pressure| {
            let is_change = *pressure < to;
            *pressure = to.max(*pressure);
            is_change
        });
    }

    /// Completes when all connections are aborted.
    pub(super) fn aborted(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut pressure = self.pressure.subscribe();
        async move {
            // An error means that the worker is gone.
            let _ = pressure.wait_for(|it| *it == Pressure::Aborted).await;
        }
    }

    /// Completes when no connection is open. After that, no more permits are issued.
    pub(super) async fn all_closed(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.acquire_many(all).await {
            permits.forget();
        }
    }

    /// Returns to normal pressure once enough permits are free. A single free permit is
    /// not enough: a waiting connection takes it.
    fn relieve_pressure(&self) {
        let required = (self.limits.connections / 8).max(2);
        let has_room = self.permits.available_permits() + 1 >= required;
        if has_room && !self.is_out_of_resources.load(Relaxed) {
            self.change_pressure(Pressure::Full, Pressure::Normal);
        }
    }

    fn change_pressure(&self, from: Pressure, to: Pressure) {
        self.pressure.send_if_modified(|pressure| {
            let is_change = *pressure == from;
            if is_change {
                *pressure = to;
            }
            is_change
        });
    }
}

/// A permit for one connection, released on drop.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    is_used: bool,
    client_slot: Option<ClientSlot>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionPermit {
    /// Records that a connection was accepted with this permit.
    pub(super) fn mark_used(&mut self) {
        self.is_used = true;
        self.limit.meter.connection_accepted();
        self.limit.is_out_of_resources.store(false, Relaxed);
    }

    /// Holds the slot of the client as long as the connection is open.
    pub(super) fn hold(&mut self, client_slot: ClientSlot) {
        self.client_slot = Some(client_slot);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if self.is_used {
            self.limit.meter.connection_closed();
        }
        self.limit.relieve_pressure();
    }
}

/// After this time without an event, the next event is logged again.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// Suppresses repeated log lines about an event until it has not occurred for
/// [`QUIET_PERIOD`].
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    last_event: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// Records an event. Returns true if it should be logged.
    pub(super) fn should_log(&self) -> bool {
        let now = Instant::now();
        let mut last_event = self
            .last_event
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let previous = last_event.replace(now);
        previous.is_none_or(|previous| now - previous >= QUIET_PERIOD)
    }
}

/// Logs a line with the id of this process.
pub(super) fn log(line: &str) {
    logging::line_at(Level::Warn, &format!("process {}: {line}", process::id()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn repeated_events_are_logged_once() {
        let throttle = LogThrottle::default();
        assert!(throttle.should_log());
        for _ in 0..100 {
            advance(QUIET_PERIOD / 2).await;
            assert!(!throttle.should_log());
        }
        advance(QUIET_PERIOD).await;
        assert!(throttle.should_log());
    }
}
