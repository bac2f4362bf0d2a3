//! Those that wait for room, first come, first served.

use std::{collections::VecDeque, task::Waker, time::Duration};

#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
    /// Time that somebody waited, up to `since`.
    stalled: Duration,
    /// When the first in an empty line began to wait.
    since: Duration,
}

/// A place in the line. It gets its number when it first waits.
#[derive(Default)]
pub(super) struct Ticket(Option<u64>);

struct Waiting {
    ticket: u64,
    waker: Waker,
    /// It has been told that there is room, and has not looked yet.
    is_woken: bool,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_first(&self, ticket: &Ticket) -> bool {
        match (ticket.0, self.waiting.front()) {
            (_, None) => true,
            (Some(ticket), Some(first)) => first.ticket == ticket,
            (None, Some(_)) => false,
        }
    }

    /// Keeps a place in the line, or gives the last one. Returns the waker it
    /// had, to be dropped without the lock.
    pub(super) fn wait(
        &mut self,
        ticket: &mut Ticket,
        waker: Waker,
        now: Option<Duration>,
    ) -> Option<Waker> {
        let mut waiting = self.waiting.iter_mut();
        if let Some(found) = waiting.find(|waiting| Some(waiting.ticket) == ticket.0) {
            found.is_woken = false;
            return Some(std::mem::replace(&mut found.waker, waker));
        }
        if self.is_empty() {
            self.since = now.unwrap_or_default();
        }
        let own = self.next_ticket;
        self.next_ticket += 1;
        ticket.0 = Some(own);
        self.waiting.push_back(Waiting {
            ticket: own,
            waker,
            is_woken: false,
        });
        None
    }

    /// Takes a place out of the line. Its waker is to be dropped without the
    /// lock.
    pub(super) fn leave(&mut self, ticket: &mut Ticket, now: Option<Duration>) -> Option<Waker> {
        let own = ticket.0.take()?;
        let mut waiting = self.waiting.iter();
        let index = waiting.position(|waiting| waiting.ticket == own)?;
        let left = self.waiting.remove(index)?;
        if self.is_empty() {
            self.stalled = self.stalled(now, true);
        }
        Some(left.waker)
    }

    /// Whether the first one has yet to be told of room.
    pub(super) fn is_asleep(&self) -> bool {
        self.waiting.front().is_some_and(|first| !first.is_woken)
    }

    /// The first one, to be woken without the lock.
    pub(super) fn call(&mut self) -> Option<Waker> {
        let first = self.waiting.front_mut()?;
        first.is_woken = true;
        Some(first.waker.clone())
    }

    /// Everybody, to be woken without the lock.
    pub(super) fn call_all(&mut self) -> Vec<Waker> {
        let waiting = self.waiting.iter_mut();
        let wakers = waiting.map(|waiting| {
            waiting.is_woken = true;
            waiting.waker.clone()
        });
        wakers.collect()
    }

    pub(super) fn stalled(&self, now: Option<Duration>, is_waiting: bool) -> Duration {
        let running = match now {
            Some(now) if is_waiting => now.saturating_sub(self.since),
            _ => Duration::ZERO,
        };
        self.stalled + running
    }
}

impl Ticket {
    pub(super) fn is_held(&self) -> bool {
        self.0.is_some()
    }
}
