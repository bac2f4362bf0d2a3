//! What a channel is to do, as a plain queue with marks.

use highwater::stream::{Amount, Overflow};
use std::collections::VecDeque;

/// A number, and its weight.
pub(crate) type Item = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Close,
    Fail,
    Abort,
}

/// What an action came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    /// Only `force_send`: there is no room for another.
    Last,
    Full(Item),
    Closed(Option<Item>),
    Pending,
    Read(Item),
    Failed,
    Aborted,
    Ended,
}

/// What somebody waits for.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    Send(Item),
    Ready,
    Reserve,
}

/// Somebody who waits.
pub(crate) struct Waiting {
    pub(crate) id: usize,
    pub(crate) wish: Wish,
    pub(crate) is_woken: bool,
    /// It was woken and found its place taken.
    was_overtaken: bool,
}

pub(crate) struct Model {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) overflow: Overflow,
    pub(crate) queue: VecDeque<Item>,
    pub(crate) line: VecDeque<Waiting>,
    /// Places that permits hold.
    pub(crate) held: usize,
    pub(crate) is_open: bool,
    pub(crate) end: Option<Ending>,
    /// The reader has seen the end.
    pub(crate) is_told: bool,
    pub(crate) sent: Amount,
    pub(crate) received: Amount,
    pub(crate) dropped: Amount,
    pub(crate) refused: Amount,
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
            line: VecDeque::new(),
            held: 0,
            is_open: true,
            end: None,
            is_told: false,
            sent: Amount::default(),
            received: Amount::default(),
            dropped: Amount::default(),
            refused: Amount::default(),
            peak: 0,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        self.queue.iter().map(|item| item.1).sum()
    }

    fn total(&self) -> usize {
        self.weight() + self.held
    }

    pub(crate) fn has_room(&self) -> bool {
        self.total() < self.high
    }

    fn reserved(&self) -> usize {
        self.line.iter().filter(|waiting| waiting.is_woken).count()
    }

    fn first_asleep(&self) -> Option<usize> {
        self.line.iter().position(|waiting| !waiting.is_woken)
    }

    /// Whether there is room beside the places that are reserved.
    fn fits(&self, weight: usize) -> bool {
        let reserved = self.reserved();
        self.has_room() && (reserved == 0 || self.total() + reserved + weight <= self.high)
    }

    /// Whether somebody who comes now may have room.
    pub(crate) fn admits(&self, weight: usize) -> bool {
        let mut woken = self.line.iter().filter(|waiting| waiting.is_woken);
        let may_overtake = self.total() == 0 && !woken.any(|waiting| waiting.was_overtaken);
        self.first_asleep().is_none() && (self.fits(weight) || may_overtake)
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.queue.push_back(item);
        add(&mut self.sent, item);
        self.peak = self.peak.max(self.weight());
        self.is_open &= self.has_room();
    }

    pub(crate) fn hold(&mut self) {
        self.held += 1;
        self.is_open &= self.has_room();
    }

    /// What is queued is no more than the low mark.
    fn has_drained(&self) -> bool {
        self.total() <= self.low || self.weight() == 0 && self.has_room()
    }

    /// The gate opens at the low mark.
    pub(crate) fn settle(&mut self) {
        self.is_open |= self.has_drained();
    }

    /// The next in line is woken, if the gate is open.
    fn wake_next(&mut self) {
        self.settle();
        if self.is_open {
            self.wake_sleepers();
        }
    }

    /// One is woken if a place can be reserved for it; if nothing is left to be
    /// read, as many as there is room for.
    fn wake_sleepers(&mut self) {
        let mut woken = self.total();
        while woken < self.high && self.total() + self.reserved() < self.high {
            let Some(first) = self.first_asleep() else {
                return;
            };
            self.line[first].is_woken = true;
            if self.weight() > 0 {
                return;
            }
            let weight = match self.line[first].wish {
                Wish::Send(item) => item.1,
                Wish::Ready | Wish::Reserve => 1,
            };
            woken += weight.clamp(1, self.high.div_ceil(16));
        }
    }

    pub(crate) fn send(&mut self, item: Item, may_wait: bool) -> Answer {
        if self.end.is_some() {
            return Answer::Closed(Some(item));
        }
        let has_turn = match self.overflow {
            Overflow::Wait => self.admits(item.1),
            _ => self.has_room(),
        };
        if has_turn {
            self.push(item);
            return Answer::Done;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return Answer::Pending,
            Overflow::Wait | Overflow::Fail => {
                add(&mut self.refused, item);
                return Answer::Full(item);
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
                self.settle();
                if self.has_room() {
                    self.push(item);
                } else {
                    add(&mut self.sent, item);
                    add(&mut self.dropped, item);
                }
                self.wake_next();
            }
        }
        Answer::Done
    }

    pub(crate) fn try_reserve(&mut self) -> Answer {
        if self.end.is_some() {
            return Answer::Closed(None);
        }
        if !self.admits(1) {
            return Answer::Full((0, 0));
        }
        self.hold();
        Answer::Done
    }

    /// Sends at a place that is held, or gives it back.
    pub(crate) fn permit(&mut self, item: Option<Item>) -> Answer {
        self.held -= 1;
        match item {
            None => self.wake_sleepers(),
            Some(item) if self.end.is_some() => return Answer::Closed(Some(item)),
            Some(item) => {
                self.settle();
                self.push(item);
                self.wake_next();
            }
        }
        Answer::Done
    }

    pub(crate) fn poll(&mut self, id: usize) -> Answer {
        let index = self.line.iter().position(|waiting| waiting.id == id);
        let index = index.unwrap();
        let Waiting { wish, is_woken, .. } = self.line[index];
        if self.end.is_some() {
            self.line.remove(index);
            return match wish {
                Wish::Send(item) => Answer::Closed(Some(item)),
                Wish::Ready | Wish::Reserve => Answer::Closed(None),
            };
        }
        let is_first = self.first_asleep() == Some(index);
        let may_pass = match wish {
            Wish::Ready => (is_woken || is_first) && self.is_open,
            Wish::Send(_) | Wish::Reserve if is_woken => self.has_room(),
            Wish::Send(item) => is_first && self.fits(item.1),
            Wish::Reserve => is_first && self.fits(1),
        };
        if !may_pass {
            self.line[index].was_overtaken |= is_woken;
            self.line[index].is_woken = false;
            return Answer::Pending;
        }
        self.line.remove(index);
        match wish {
            Wish::Send(item) => self.push(item),
            Wish::Reserve => self.hold(),
            Wish::Ready => {}
        }
        self.wake_next();
        Answer::Done
    }

    pub(crate) fn wait(&mut self, id: usize, wish: Wish) -> Answer {
        let is_newcomer_admitted = matches!(wish, Wish::Reserve) && self.admits(1);
        if self.end.is_none() && is_newcomer_admitted {
            self.hold();
            self.wake_next();
            return Answer::Done;
        }
        self.line.push_back(Waiting {
            id,
            wish,
            is_woken: false,
            was_overtaken: false,
        });
        self.poll(id)
    }

    pub(crate) fn cancel(&mut self, id: usize) {
        self.line.retain(|waiting| waiting.id != id);
        self.wake_next();
    }

    pub(crate) fn read(&mut self) -> Answer {
        if let Some(item) = self.queue.pop_front() {
            add(&mut self.received, item);
            if self.has_drained() {
                self.is_open = true;
                self.wake_sleepers();
            }
            return Answer::Read(item);
        }
        let is_told = std::mem::replace(&mut self.is_told, self.end.is_some());
        match self.end {
            None => Answer::Pending,
            Some(Ending::Fail) if !is_told => Answer::Failed,
            Some(Ending::Abort) if !is_told => Answer::Aborted,
            Some(_) => Answer::Ended,
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
