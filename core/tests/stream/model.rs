//! A model of a channel: a queue with high-water and low-water marks.

use highwater::stream::{Amount, Overflow};
use std::collections::VecDeque;

/// An item's number and weight.
pub(crate) type Item = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Close,
    Fail,
    Abort,
}

/// The outcome of an action.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Done,
    /// The item was sent and the channel is full. Only for `force_send`.
    SentAndFull,
    Full(Item),
    Closed(Option<Item>),
    Pending,
    Read(Item),
    Failed,
    Aborted,
    Ended,
}

/// The operation that a waiter is blocked in.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Send(Item),
    Ready,
    Reserve,
}

pub(crate) struct Waiter {
    pub(crate) id: usize,
    pub(crate) operation: Operation,
    pub(crate) is_woken: bool,
    /// Set if the waiter was woken but lost its slot.
    was_overtaken: bool,
}

pub(crate) struct Model {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) overflow: Overflow,
    pub(crate) queue: VecDeque<Item>,
    pub(crate) waiters: VecDeque<Waiter>,
    /// Number of slots reserved by permits.
    pub(crate) permits: usize,
    pub(crate) is_open: bool,
    pub(crate) end: Option<Ending>,
    /// Set once the reader has read the end.
    pub(crate) end_was_read: bool,
    pub(crate) sent: Amount,
    pub(crate) received: Amount,
    pub(crate) dropped: Amount,
    pub(crate) rejected: Amount,
    pub(crate) peak: usize,
}

pub(crate) fn add(amount: &mut Amount, item: Item) {
    amount.items += 1;
    amount.weight += item.1 as u64;
}

impl Model {
    pub(crate) fn new(high: usize, low: usize, overflow: Overflow) -> Self {
        Model {
            high,
            low,
            overflow,
            queue: VecDeque::new(),
            waiters: VecDeque::new(),
            permits: 0,
            is_open: true,
            end: None,
            end_was_read: false,
            sent: Amount::default(),
            received: Amount::default(),
            dropped: Amount::default(),
            rejected: Amount::default(),
            peak: 0,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        self.queue.iter().map(|item| item.1).sum()
    }

    fn total(&self) -> usize {
        self.weight() + self.permits
    }

    pub(crate) fn has_room(&self) -> bool {
        self.total() < self.high
    }

    fn reserved(&self) -> usize {
        self.waiters.iter().filter(|waiter| waiter.is_woken).count()
    }

    fn first_sleeping(&self) -> Option<usize> {
        self.waiters.iter().position(|waiter| !waiter.is_woken)
    }

    /// Returns whether there is room in addition to the reserved slots.
    fn fits(&self, weight: usize) -> bool {
        let reserved = self.reserved();
        self.has_room() && (reserved == 0 || self.total() + reserved + weight <= self.high)
    }

    /// Returns whether a new item can be queued.
    pub(crate) fn admits(&self, weight: usize) -> bool {
        let mut woken = self.waiters.iter().filter(|waiter| waiter.is_woken);
        let can_overtake = self.total() == 0 && !woken.any(|waiter| waiter.was_overtaken);
        self.first_sleeping().is_none() && (self.fits(weight) || can_overtake)
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.queue.push_back(item);
        add(&mut self.sent, item);
        self.peak = self.peak.max(self.weight());
        self.is_open &= self.has_room();
    }

    pub(crate) fn reserve(&mut self) {
        self.permits += 1;
        self.is_open &= self.has_room();
    }

    /// Returns whether the queue has drained to the low-water mark.
    fn has_drained(&self) -> bool {
        self.total() <= self.low || self.weight() == 0 && self.has_room()
    }

    /// Opens the queue if it has drained.
    pub(crate) fn reopen_if_drained(&mut self) {
        self.is_open |= self.has_drained();
    }

    /// Wakes the next waiter if the queue is open.
    fn wake_next(&mut self) {
        self.reopen_if_drained();
        if self.is_open {
            self.wake_waiters();
        }
    }

    /// Wakes one waiter if a slot can be reserved for it. An empty queue wakes as many
    /// waiters as it has room for.
    fn wake_waiters(&mut self) {
        let mut woken = self.total();
        while woken < self.high && self.total() + self.reserved() < self.high {
            let Some(first) = self.first_sleeping() else {
                return;
            };
            self.waiters[first].is_woken = true;
            if self.weight() > 0 {
                return;
            }
            let weight = match self.waiters[first].operation {
                Operation::Send(item) => item.1,
                Operation::Ready | Operation::Reserve => 1,
            };
            woken += weight.clamp(1, self.high.div_ceil(16));
        }
    }

    pub(crate) fn send(&mut self, item: Item, can_wait: bool) -> Outcome {
        if self.end.is_some() {
            return Outcome::Closed(Some(item));
        }
        let is_admitted = match self.overflow {
            Overflow::Wait => self.admits(item.1),
            _ => self.has_room(),
        };
        if is_admitted {
            self.push(item);
            return Outcome::Done;
        }
        match self.overflow {
            Overflow::Wait if can_wait => return Outcome::Pending,
            Overflow::Wait | Overflow::Fail => {
                add(&mut self.rejected, item);
                return Outcome::Full(item);
            }
            Overflow::DropNewest => {
                add(&mut self.sent, item);
                add(&mut self.dropped, item);
            }
            Overflow::DropOldest | Overflow::Latest => {
                let is_latest = self.overflow == Overflow::Latest;
                while !self.queue.is_empty() && (is_latest || !self.has_room()) {
                    let oldest = self.queue.pop_front().unwrap();
                    add(&mut self.dropped, oldest);
                }
                self.reopen_if_drained();
                if self.has_room() {
                    self.push(item);
                } else {
                    add(&mut self.sent, item);
                    add(&mut self.dropped, item);
                }
                self.wake_next();
            }
        }
        Outcome::Done
    }

    pub(crate) fn try_reserve(&mut self) -> Outcome {
        if self.end.is_some() {
            return Outcome::Closed(None);
        }
        if !self.admits(1) {
            return Outcome::Full((0, 0));
        }
        self.reserve();
        Outcome::Done
    }

    /// Sends an item with a permit, or releases the permit.
    pub(crate) fn use_permit(&mut self, item: Option<Item>) -> Outcome {
        self.permits -= 1;
        match item {
            None => self.wake_waiters(),
            Some(item) if self.end.is_some() => return Outcome::Closed(Some(item)),
            Some(item) => {
                self.reopen_if_drained();
                self.push(item);
                self.wake_next();
            }
        }
        Outcome::Done
    }

    pub(crate) fn poll(&mut self, id: usize) -> Outcome {
        let index = self.waiters.iter().position(|waiter| waiter.id == id);
        let index = index.unwrap();
        let Waiter {
            operation,
            is_woken,
            ..
        } = self.waiters[index];
        if self.end.is_some() {
            self.waiters.remove(index);
            return match operation {
                Operation::Send(item) => Outcome::Closed(Some(item)),
                Operation::Ready | Operation::Reserve => Outcome::Closed(None),
            };
        }
        let is_first = self.first_sleeping() == Some(index);
        let can_proceed = match operation {
            Operation::Ready => (is_woken || is_first) && self.is_open,
            Operation::Send(_) | Operation::Reserve if is_woken => self.has_room(),
            Operation::Send(item) => is_first && self.fits(item.1),
            Operation::Reserve => is_first && self.fits(1),
        };
        if !can_proceed {
            self.waiters[index].was_overtaken |= is_woken;
            self.waiters[index].is_woken = false;
            return Outcome::Pending;
        }
        self.waiters.remove(index);
        match operation {
            Operation::Send(item) => self.push(item),
            Operation::Reserve => self.reserve(),
            Operation::Ready => {}
        }
        self.wake_next();
        Outcome::Done
    }

    pub(crate) fn wait(&mut self, id: usize, operation: Operation) -> Outcome {
        let is_admitted = matches!(operation, Operation::Reserve) && self.admits(1);
        if self.end.is_none() && is_admitted {
            self.reserve();
            self.wake_next();
            return Outcome::Done;
        }
        self.waiters.push_back(Waiter {
            id,
            operation,
            is_woken: false,
            was_overtaken: false,
        });
        self.poll(id)
    }

    pub(crate) fn cancel(&mut self, id: usize) {
        self.waiters.retain(|waiter| waiter.id != id);
        self.wake_next();
    }

    pub(crate) fn read(&mut self) -> Outcome {
        if let Some(item) = self.queue.pop_front() {
            add(&mut self.received, item);
            if self.has_drained() {
                self.is_open = true;
                self.wake_waiters();
            }
            return Outcome::Read(item);
        }
        let end_was_read = std::mem::replace(&mut self.end_was_read, self.end.is_some());
        match self.end {
            None => Outcome::Pending,
            Some(Ending::Fail) if !end_was_read => Outcome::Failed,
            Some(Ending::Abort) if !end_was_read => Outcome::Aborted,
            Some(_) => Outcome::Ended,
        }
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        if ending == Ending::Abort {
            while let Some(item) = self.queue.pop_front() {
                add(&mut self.dropped, item);
            }
            self.end = Some(ending);
        }
        self.end.get_or_insert(ending);
    }
}
