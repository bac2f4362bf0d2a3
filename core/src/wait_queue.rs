//! The waiting line of a bounded queue: first come, first served.
//!
//! Channels and inboxes both have one. It is a part of what their lock guards, so
//! nothing here clones, drops or wakes a waker: wakers are moved in and out, and
//! the caller deals with them without the lock.
//!
//! A waiter is *asleep* until it is woken, and *woken* until it is polled. A woken
//! waiter has one place reserved for it. One that is never polled therefore costs
//! that one place, and nothing else: whoever is behind it is woken for the next.

use std::{collections::BTreeMap, task::Waker};

/// The waiters by ticket: each operation takes logarithmic time.
#[derive(Default)]
pub(crate) struct WaitQueue {
    asleep: BTreeMap<u64, Sleeper>,
    next_ticket: u64,
    /// The number of woken waiters.
    woken: usize,
    /// The number of woken waiters that lost a reserved place before.
    overtaken: usize,
}

/// A place in a line; its waiter keeps it. It gets a number when it first waits.
#[derive(Default)]
pub(crate) struct WaitTicket {
    number: Option<u64>,
    was_overtaken: bool,
}

struct Sleeper {
    waker: Waker,
    weight: usize,
    was_overtaken: bool,
}

/// The result of an attempt to wait.
pub(crate) enum WaitOutcome {
    /// It waits; this is the waker it had before.
    Waiting(Option<Waker>),
    /// A clone of its waker is needed, which must not be made under the lock.
    NeedsWaker,
}

impl WaitQueue {
    /// Returns the number of waiters.
    pub(crate) fn len(&self) -> usize {
        self.asleep.len() + self.woken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of places reserved for waiters that were woken.
    pub(crate) fn reserved(&self) -> usize {
        self.woken
    }

    /// Returns whether somebody is yet to be woken.
    pub(crate) fn has_sleeper(&self) -> bool {
        !self.asleep.is_empty()
    }

    /// Returns whether the reserved places must be left to their waiters: one of
    /// them lost its place before.
    pub(crate) fn is_firm(&self) -> bool {
        self.overtaken > 0
    }

    /// Returns whether a place is reserved for this waiter.
    pub(crate) fn is_woken(&self, ticket: &WaitTicket) -> bool {
        let number = ticket.number;
        number.is_some_and(|number| !self.asleep.contains_key(&number))
    }

    /// Returns whether this waiter, or a newcomer, comes before everybody asleep.
    pub(crate) fn is_first(&self, ticket: &WaitTicket) -> bool {
        match (ticket.number, self.asleep.first_key_value()) {
            (_, None) => true,
            (Some(number), Some((first, _))) => number <= *first,
            (None, Some(_)) => false,
        }
    }

    /// Puts a waiter to sleep: at its old place, or as the last one. `own` is a
    /// clone of `waker`, if there is one already.
    pub(crate) fn wait(
        &mut self,
        ticket: &mut WaitTicket,
        waker: &Waker,
        own: &mut Option<Waker>,
        weight: usize,
    ) -> WaitOutcome {
        if let Some(number) = ticket.number
            && let Some(sleeper) = self.asleep.get_mut(&number)
        {
            if sleeper.waker.will_wake(waker) {
                return WaitOutcome::Waiting(None);
            }
            return match own.take() {
                Some(own) => WaitOutcome::Waiting(Some(std::mem::replace(&mut sleeper.waker, own))),
                None => WaitOutcome::NeedsWaker,
            };
        }
        let Some(own) = own.take() else {
            return WaitOutcome::NeedsWaker;
        };
        let number = if let Some(number) = ticket.number {
            // It was woken, and somebody was quicker.
            self.forget_woken(ticket);
            ticket.was_overtaken = true;
            number
        } else {
            self.next_ticket += 1;
            self.next_ticket
        };
        ticket.number = Some(number);
        let sleeper = Sleeper {
            waker: own,
            weight,
            was_overtaken: ticket.was_overtaken,
        };
        self.asleep.insert(number, sleeper);
        WaitOutcome::Waiting(None)
    }

    /// Takes a waiter out of the line. Returns its waker if it was asleep.
    pub(crate) fn remove(&mut self, ticket: &mut WaitTicket) -> Option<Waker> {
        let number = ticket.number?;
        let left = self.asleep.remove(&number);
        if left.is_none() {
            self.forget_woken(ticket);
        }
        *ticket = WaitTicket::default();
        left.map(|sleeper| sleeper.waker)
    }

    /// Wakes the first one asleep. Returns its waker and its weight.
    pub(crate) fn wake_first(&mut self) -> Option<(Waker, usize)> {
        let (_, first) = self.asleep.pop_first()?;
        self.woken += 1;
        self.overtaken += usize::from(first.was_overtaken);
        Some((first.waker, first.weight))
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&mut self, wakers: &mut Wakers) {
        while let Some((waker, _)) = self.wake_first() {
            wakers.push(waker);
        }
    }

    fn forget_woken(&mut self, ticket: &WaitTicket) {
        self.woken -= 1;
        self.overtaken -= usize::from(ticket.was_overtaken);
    }
}

impl WaitTicket {
    /// Returns whether its waiter is in a line.
    pub(crate) fn is_held(&self) -> bool {
        self.number.is_some()
    }
}

/// Wakes a waker that was taken out under a lock, without it.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Wakers that were taken out under a lock. They are woken when this is dropped,
/// which has to be without the lock: also if something panics before.
#[derive(Default)]
#[must_use = "wakers are woken when this is dropped"]
pub(crate) struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    pub(crate) fn extend(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.push(waker);
        }
    }

    /// Wakes all of them.
    pub(crate) fn wake(self) {
        drop(self);
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        /// Wakes the rest even if a waker panics.
        struct Rest<'a>(std::vec::Drain<'a, Waker>);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                for waker in self.0.by_ref() {
                    waker.wake();
                }
            }
        }
        let Some(first) = self.first.take() else {
            return;
        };
        let rest = Rest(self.others.drain(..));
        first.wake();
        drop(rest);
    }
}
