//! Who is let in, and what all connections of a worker have in common.

use super::{Phase, limits::Limits};
use crate::serve::metrics::Meter;
use std::{
    io,
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

/// What all connections of a worker share.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    pub(super) meter: Arc<Meter>,
    limits: Limits,
    phase: watch::Receiver<Phase>,
    pressure: watch::Sender<Pressure>,
    /// One for each connection that may be open.
    permits: Arc<Semaphore>,
    /// The system has no room for another one.
    out_of_resources: AtomicBool,
    limit_log: LogThrottle,
    resource_log: LogThrottle,
}

/// What connections have to know of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pressure {
    /// There is room for all.
    Calm,
    /// There are more clients than connections: an answer is the last on its
    /// connection, so that all get their turn.
    Full,
    /// Connections that ask nothing are closed.
    Closing,
}

impl ConnectionLimit {
    pub(super) fn new(limits: Limits, meter: Arc<Meter>, phase: watch::Receiver<Phase>) -> Self {
        let permits = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        ConnectionLimit {
            meter,
            limits: Limits {
                connections: permits,
                ..limits
            },
            phase,
            pressure: watch::Sender::new(Pressure::Calm),
            permits: Arc::new(Semaphore::new(permits)),
            out_of_resources: AtomicBool::new(false),
            limit_log: LogThrottle::default(),
            resource_log: LogThrottle::default(),
        }
    }

    /// What holds for a connection now.
    pub(super) fn limits(&self) -> Limits {
        let limits = self.limits;
        match *self.pressure.borrow() {
            Pressure::Calm => limits,
            Pressure::Full => Limits {
                idle: limits.idle.min(limits.idle_when_full),
                ..limits
            },
            Pressure::Closing => Limits {
                idle: limits.idle.min(limits.grace),
                head: limits.head.min(limits.grace),
                ..limits
            },
        }
    }

    /// Tells of each change_pressure of the pressure.
    pub(super) fn pressure(&self) -> watch::Receiver<Pressure> {
        self.pressure.subscribe()
    }

    /// Whether a client is to ask no more on its connection.
    pub(super) fn is_last_response(&self) -> bool {
        *self.phase.borrow() > Phase::Serving || *self.pressure.borrow() > Pressure::Calm
    }

    /// Whether what is not finished is cut short.
    pub(super) fn is_ending(&self) -> bool {
        *self.phase.borrow() >= Phase::Stopping
    }

    /// A permit for a connection, when there is one.
    pub(super) async fn acquire(self: &Arc<Self>) -> ConnectionPermit {
        let permits = Arc::clone(&self.permits);
        let permit = if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            Some(permit)
        } else {
            self.meter.limit_reached();
            self.change_pressure(Pressure::Calm, Pressure::Full);
            if self.limit_log.should_log() {
                super::log(&format!(
                    "all {} connections that there may be are open: others wait in the queue of \
                     the socket",
                    self.limits.connections
                ));
            }
            // It is never closed.
            permits.acquire_owned().await.ok()
        };
        self.new_permit(permit)
    }

    /// A permit for a connection, if there is one now.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(self.new_permit(Some(permit)))
    }

    fn new_permit(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> ConnectionPermit {
        ConnectionPermit {
            connection_limit: Arc::clone(self),
            is_used: false,
            _permit: permit,
        }
    }

    /// The system has no room for another connection, though there is a permit:
    /// some of those that are open are to go.
    pub(super) fn out_of_resources(&self, error: &io::Error) {
        self.out_of_resources.store(true, Relaxed);
        if self.resource_log.should_log() {
            super::log(&format!(
                "no connection can be accepted ({error}): they wait in the queue of the socket"
            ));
        }
        self.change_pressure(Pressure::Calm, Pressure::Full);
    }

    /// Closes connections that ask nothing, and the others once they are answered.
    pub(super) fn close(&self) {
        self.pressure.send_replace(Pressure::Closing);
    }

    /// Completes when no connection is open, and lets none in after that.
    pub(super) async fn all_closed(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.acquire_many(all).await {
            permits.forget();
        }
    }

    /// Not at the first permit that is free again: who waits takes that.
    fn relax(&self) {
        let enough = (self.limits.connections / 8).max(2);
        let is_enough = self.permits.available_permits() + 1 >= enough;
        if is_enough && !self.out_of_resources.load(Relaxed) {
            self.change_pressure(Pressure::Full, Pressure::Calm);
        }
    }

    fn change_pressure(&self, from: Pressure, to: Pressure) {
        self.pressure.send_if_modified(|pressure| {
            let is_it = *pressure == from;
            if is_it {
                *pressure = to;
            }
            is_it
        });
    }
}

/// A connection's permit. Dropped, it is free.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    connection_limit: Arc<ConnectionLimit>,
    is_used: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionPermit {
    /// A connection was accepted.
    pub(super) fn mark_used(&mut self) {
        self.is_used = true;
        self.connection_limit.meter.connection_accepted();
        self.connection_limit.out_of_resources.store(false, Relaxed);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if self.is_used {
            self.connection_limit.meter.connection_closed();
        }
        self.connection_limit.relax();
    }
}

/// So long without it, and the next time is worker_events.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// A trouble that comes and goes, many times a second perhaps.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    last: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// It happens; whether that is worth a line in the log.
    pub(super) fn should_log(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(now);
        before.is_none_or(|before| now - before >= QUIET_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_however_long_it_lasts() {
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
