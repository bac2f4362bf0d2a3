//! Who is let in, and what all connections of a worker have in common.

use super::{Phase, episode::Episode, limits::Limits};
use crate::serve::metrics::Meter;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What all connections of a worker share.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) meter: Arc<Meter>,
    limits: Limits,
    phase: watch::Receiver<Phase>,
    strain: watch::Sender<Strain>,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    /// The system has no room for another one.
    is_short: AtomicBool,
    fullness: Episode,
    shortage: Episode,
}

/// What connections have to know of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strain {
    /// There is room for all.
    Calm,
    /// There are more clients than connections: an answer is the last on its
    /// connection, so that all get their turn.
    Full,
    /// Connections that ask nothing are closed.
    Closing,
}

impl Gate {
    pub(super) fn new(limits: Limits, meter: Arc<Meter>, phase: watch::Receiver<Phase>) -> Self {
        let places = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Gate {
            meter,
            limits: Limits {
                connections: places,
                ..limits
            },
            phase,
            strain: watch::Sender::new(Strain::Calm),
            places: Arc::new(Semaphore::new(places)),
            is_short: AtomicBool::new(false),
            fullness: Episode::default(),
            shortage: Episode::default(),
        }
    }

    /// What holds for a connection now.
    pub(super) fn limits(&self) -> Limits {
        let limits = self.limits;
        match *self.strain.borrow() {
            Strain::Calm => limits,
            Strain::Full => Limits {
                idle: limits.idle.min(limits.idle_when_full),
                ..limits
            },
            Strain::Closing => Limits {
                idle: limits.idle.min(limits.grace),
                head: limits.head.min(limits.grace),
                ..limits
            },
        }
    }

    /// Tells of each change of the strain.
    pub(super) fn strain(&self) -> watch::Receiver<Strain> {
        self.strain.subscribe()
    }

    /// Whether a client is to ask no more on its connection.
    pub(super) fn says_goodbye(&self) -> bool {
        *self.phase.borrow() > Phase::Serves || *self.strain.borrow() > Strain::Calm
    }

    /// Whether what is not finished is cut short.
    pub(super) fn is_ending(&self) -> bool {
        *self.phase.borrow() >= Phase::Ends
    }

    /// A place for a connection, when there is one.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let places = Arc::clone(&self.places);
        let permit = if let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            Some(permit)
        } else {
            self.meter.is_full();
            self.change(Strain::Calm, Strain::Full);
            if self.fullness.begins() {
                super::log(&format!(
                    "all {} connections that there may be are open: others wait in the queue of \
                     the socket",
                    self.limits.connections
                ));
            }
            // It is never closed.
            places.acquire_owned().await.ok()
        };
        self.hand_out(permit)
    }

    /// A place for a connection, if there is one now.
    pub(super) fn free_place(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(self.hand_out(Some(permit)))
    }

    fn hand_out(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Place {
        Place {
            gate: Arc::clone(self),
            is_taken: false,
            _permit: permit,
        }
    }

    /// The system has no room for another connection, though there is a place:
    /// some of those that are open are to go.
    pub(super) fn is_short(&self, error: &io::Error) {
        self.is_short.store(true, Relaxed);
        if self.shortage.begins() {
            super::log(&format!(
                "no connection can be accepted ({error}): they wait in the queue of the socket"
            ));
        }
        self.change(Strain::Calm, Strain::Full);
    }

    /// Closes connections that ask nothing, and the others once they are answered.
    pub(super) fn close(&self) {
        self.strain.send_replace(Strain::Closing);
    }

    /// Completes when no connection is open, and lets none in after that.
    pub(super) async fn is_empty(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        if let Ok(places) = self.places.acquire_many(all).await {
            places.forget();
        }
    }

    /// Not at the first place that is free again: who waits takes that.
    fn has_room(&self) {
        let enough = (self.limits.connections / 8).max(2);
        let is_enough = self.places.available_permits() + 1 >= enough;
        if is_enough && !self.is_short.load(Relaxed) {
            self.change(Strain::Full, Strain::Calm);
        }
    }

    fn change(&self, from: Strain, to: Strain) {
        self.strain.send_if_modified(|strain| {
            let is_it = *strain == from;
            if is_it {
                *strain = to;
            }
            is_it
        });
    }
}

/// A connection's place. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    is_taken: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// A connection was accepted.
    pub(super) fn take(&mut self) {
        self.is_taken = true;
        self.gate.meter.has_accepted();
        self.gate.is_short.store(false, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_taken {
            self.gate.meter.has_closed();
        }
        self.gate.has_room();
    }
}
