//! A first-come, first-served queue of tasks that wait for room.
//!
//! The bounded queue's lock protects it. User code must not run
//! under that lock, so nothing here clones, drops or wakes a waker: wakers move in
//! and out, and the caller handles them after it has released the lock.
//!
//! A waiter is *asleep* until it is woken, and *woken* until it is polled. One slot
//! is reserved for each woken waiter. A waiter that is never polled again therefore
//! costs that one slot and nothing else: the next waiter is woken for the next slot.

use std::{collections::BTreeMap, task::Waker};

/// The waiters, ordered by ticket. Every operation takes logarithmic time.
#[derive(Default)]
pub(super) struct WaitQueue {
    asleep: BTreeMap<u64, SleepingWaiter>,
    next_ticket: u64,
    /// The number of woken waiters.
    woken: usize,
    /// The number of woken waiters that have already lost a reserved slot once.
    overtaken: usize,
}

/// A waiter's position in a [`WaitQueue`]. It gets its number when it first waits.
#[derive(Default)]
pub(crate) struct WaitTicket {
    number: Option<u64>,
    was_overtaken: bool,
}

struct SleepingWaiter {
    waker: Waker,
    weight: usize,
    was_overtaken: bool,
}

/// The result of [`WaitQueue::wait`].
pub(super) enum WaitOutcome {
    /// The waiter is asleep. Holds its previous waker, to be dropped without the lock.
    Waiting(Option<Waker>),
    /// The caller has to clone the waker, without the lock, and try again.
    NeedsWaker,
}

impl WaitQueue {
    /// Returns the number of waiters.
    pub(super) fn len(&self) -> usize {
        self.asleep.len() + self.woken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of slots reserved for woken waiters.
    pub(super) fn reserved(&self) -> usize {
        self.woken
    }

    /// Returns whether any waiter is still asleep.
    pub(super) fn has_sleeper(&self) -> bool {
        !self.asleep.is_empty()
    }

    /// Returns whether reserved slots must stay with their waiters, because one of
    /// the woken waiters has already lost a slot once.
    pub(super) fn is_firm(&self) -> bool {
        self.overtaken > 0
    }

    /// Returns whether this waiter was woken and has a slot reserved.
    pub(super) fn is_woken(&self, ticket: &WaitTicket) -> bool {
        let number = ticket.number;
        number.is_some_and(|number| !self.asleep.contains_key(&number))
    }

    /// Returns whether this waiter comes before all sleeping ones. For a ticket
    /// without a number, returns whether no waiter is asleep.
    pub(super) fn is_first(&self, ticket: &WaitTicket) -> bool {
        match (ticket.number, self.asleep.first_key_value()) {
            (_, None) => true,
            (Some(number), Some((first, _))) => number <= *first,
            (None, Some(_)) => false,
        }
    }

    /// Puts a waiter to sleep at its old position, or at the end of the queue.
    /// `own` is a clone of `waker`, if the caller already has one.
    pub(super) fn wait(
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
            // It was woken, but another sender took the slot first.
            self.forget_woken(ticket);
            ticket.was_overtaken = true;
            number
        } else {
            self.next_ticket += 1;
            self.next_ticket
        };
        ticket.number = Some(number);
        let sleeper = SleepingWaiter {
            waker: own,
            weight,
            was_overtaken: ticket.was_overtaken,
        };
        self.asleep.insert(number, sleeper);
        WaitOutcome::Waiting(None)
    }

    /// Removes a waiter. Returns its waker if it was asleep.
    pub(super) fn remove(&mut self, ticket: &mut WaitTicket) -> Option<Waker> {
        let number = ticket.number?;
        let left = self.asleep.remove(&number);
        if left.is_none() {
            self.forget_woken(ticket);
        }
        *ticket = WaitTicket::default();
        left.map(|sleeper| sleeper.waker)
    }

    /// Marks the first sleeping waiter as woken. Returns its waker and weight.
    pub(super) fn wake_first(&mut self) -> Option<(Waker, usize)> {
        let (_, first) = self.asleep.pop_first()?;
        self.woken += 1;
        self.overtaken += usize::from(first.was_overtaken);
        Some((first.waker, first.weight))
    }

    /// Marks all waiters as woken and moves their wakers into `wakers`.
    pub(super) fn wake_all(&mut self, wakers: &mut Wakers) {
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
    /// Returns whether the waiter is in a queue.
    pub(super) fn is_held(&self) -> bool {
        self.number.is_some()
    }
}

/// Wakes a waker that was taken out under a lock. Call it without the lock.
#[inline]
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Wakers that were taken out under a lock, woken on drop even after a panic.
///
/// It must be dropped after the lock is released.
#[derive(Default)]
#[must_use = "wakers are woken when this is dropped"]
pub(super) struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    pub(super) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    #[inline]
    pub(super) fn extend(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.push(waker);
        }
    }

    /// Wakes them all.
    #[inline]
    pub(super) fn wake(self) {
        drop(self);
    }
}

impl Drop for Wakers {
    #[inline]
    fn drop(&mut self) {
        match self.first.take() {
            Some(first) if self.others.is_empty() => first.wake(),
            Some(first) => wake_all(first, &mut self.others),
            None => {}
        }
    }
}

#[cold]
fn wake_all(first: Waker, others: &mut Vec<Waker>) {
    /// Wakes the remaining wakers even if one panics.
    struct Rest<'a>(std::vec::Drain<'a, Waker>);
    impl Drop for Rest<'_> {
        fn drop(&mut self) {
            for waker in self.0.by_ref() {
                waker.wake();
            }
        }
    }
    let rest = Rest(others.drain(..));
    first.wake();
    drop(rest);
}
