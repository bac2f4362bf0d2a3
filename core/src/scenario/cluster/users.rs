//! People who ask, think about the answer, and ask again.

use crate::{platform::Random, scenario::Context};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// How many users are on record at most.
const ON_RECORD: u64 = 2_000;

/// Of how many users one is on record: those are whose number is a multiple of it.
///
/// Users are chosen and not requests: these are handed out in turn, so that each
/// so manieth might be the same worker's every time.
pub(super) fn one_of(users: u64) -> u64 {
    users.div_ceil(ON_RECORD).max(1)
}

/// The users of a run, numbered from 1: each of them thinks, or has asked.
///
/// With its answer a user thinks about as long as is set, give or take half, and
/// asks again, unless twice that time is over. So everybody asks, and there never
/// are more requests than users, however slow the workers may be.
pub(super) struct Users {
    draws: Random,
    think: Duration,
    count: u64,
    /// When nobody asks any more. Zero while nobody does yet.
    end: Duration,
    /// Who thinks, the first to ask on top.
    thinking: BinaryHeap<Reverse<Thinking>>,
    /// How many of them have asked.
    asked: u64,
}

/// One of them: when it asks, in microseconds, then its number, then whether it
/// has asked before. In one word, since there may be a million.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Thinking(u64);

impl Users {
    /// Those of this run, if it has any. They ask when they have
    /// [begun](Self::begin).
    pub(super) fn of(context: &Context) -> Option<Self> {
        let count = context.params.integer("users");
        (count > 0).then(|| Users {
            draws: context.seed.stream(0),
            think: context.params.millis("think"),
            count,
            end: Duration::ZERO,
            thinking: BinaryHeap::new(),
            asked: 0,
        })
    }

    /// About how often they ask, all together.
    pub(super) fn requests(&self) -> u64 {
        2 * self.count
    }

    pub(super) fn has_started(&self) -> bool {
        !self.end.is_zero()
    }

    /// From now on they ask, as if they had been at it for a while: at first each
    /// is somewhere in its thoughts, and as many ask at one time as at another.
    pub(super) fn begin(&mut self, now: Duration) {
        let past = 3 * self.think;
        self.end = now + 2 * self.think;
        let thinking = (1..=self.count).map(|user| {
            let mut at = self.draws.within(self.think);
            while at < past {
                at += self.think / 2 + self.draws.within(self.think);
            }
            let at = now + at.saturating_sub(past);
            Reverse(Thinking::new(user, at, false))
        });
        self.thinking = thinking.collect();
    }

    /// When the next one asks; `None` if nobody does but those who wait for their
    /// answer.
    pub(super) fn due(&self) -> Option<Duration> {
        let Reverse(next) = self.thinking.peek()?;
        Some(next.at())
    }

    /// The next one who has asked by now, and when.
    pub(super) fn take(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let at = self.due().filter(|due| *due <= now)?;
        let Reverse(next) = self.thinking.pop()?;
        self.asked += u64::from(!next.has_asked());
        Some((next.user(), at))
    }

    /// A user has its answer, or knows that there will be none.
    pub(super) fn answer(&mut self, user: u64, now: Duration) {
        let at = now + self.think / 2 + self.draws.within(self.think);
        if at < self.end {
            self.thinking.push(Reverse(Thinking::new(user, at, true)));
        }
    }

    /// How many have asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }
}

impl Thinking {
    /// Numbers are less than this, a little over a million.
    const USERS: u64 = 1 << 20;

    fn new(user: u64, at: Duration, has_asked: bool) -> Self {
        let at_us = at.as_secs() * 1_000_000 + u64::from(at.subsec_micros());
        Thinking((at_us * Self::USERS + user) * 2 + u64::from(has_asked))
    }

    fn at(self) -> Duration {
        Duration::from_micros(self.0 / (2 * Self::USERS))
    }

    fn user(self) -> u64 {
        self.0 / 2 % Self::USERS
    }

    fn has_asked(self) -> bool {
        self.0 % 2 == 1
    }
}
