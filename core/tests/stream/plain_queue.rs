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

/// Somebody who waits: to send an item, or to be ready.
pub(crate) struct Waiting {
    pub(crate) id: usize,
    pub(crate) item: Option<Item>,
    pub(crate) is_woken: bool,
}

pub(crate) struct Model {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) overflow: Overflow,
    pub(crate) queue: VecDeque<Item>,
    pub(crate) line: VecDeque<Waiting>,
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

    pub(crate) fn has_room(&self) -> bool {
        self.weight() < self.high
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.queue.push_back(item);
        add(&mut self.sent, item);
        self.peak = self.peak.max(self.weight());
        self.is_open &= self.has_room();
    }

    pub(crate) fn drop_oldest(&mut self) {
        let oldest = self.queue.pop_front().unwrap();
        add(&mut self.dropped, oldest);
        // Nobody is told yet: the new item comes first.
        self.is_open |= self.weight() <= self.low;
    }

    /// The gate opens at the low mark, and the first in line is told.
    pub(crate) fn settle(&mut self) {
        self.is_open |= self.weight() <= self.low;
        if self.is_open
            && let Some(first) = self.line.front_mut()
        {
            first.is_woken = true;
        }
    }

    pub(crate) fn send(&mut self, item: Item, may_wait: bool) -> Answer {
        if self.end.is_some() {
            return Answer::Closed(Some(item));
        }
        let has_turn = self.line.is_empty() || self.overflow != Overflow::Wait;
        if has_turn && self.has_room() {
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
            Overflow::DropOldest => {
                while !self.has_room() {
                    self.drop_oldest();
                }
                self.push(item);
            }
            Overflow::Latest => {
                while !self.queue.is_empty() {
                    self.drop_oldest();
                }
                self.push(item);
            }
        }
        Answer::Done
    }

    pub(crate) fn poll(&mut self, id: usize) -> Answer {
        let index = self.line.iter().position(|waiting| waiting.id == id);
        let index = index.unwrap();
        let item = self.line[index].item;
        if self.end.is_some() {
            self.line.remove(index);
            return Answer::Closed(item);
        }
        let may_pass = match item {
            Some(_) => self.has_room(),
            None => self.is_open,
        };
        if index > 0 || !may_pass {
            self.line[index].is_woken = false;
            return Answer::Pending;
        }
        self.line.remove(index);
        if let Some(item) = item {
            self.push(item);
        }
        Answer::Done
    }

    pub(crate) fn wait(&mut self, id: usize, item: Option<Item>) -> Answer {
        let is_woken = false;
        self.line.push_back(Waiting { id, item, is_woken });
        self.poll(id)
    }

    pub(crate) fn read(&mut self) -> Answer {
        if let Some(item) = self.queue.pop_front() {
            add(&mut self.received, item);
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
