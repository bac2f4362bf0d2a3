//! Users that send a request, think about the response, and send the next.

use crate::{platform::Random, scenario::Context};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// The maximum number of recorded users.
const MAX_RECORDED: u64 = 2_000;

/// Returns the sampling interval. A user is recorded if its number is a multiple of it.
///
/// Users are sampled instead of requests, since every n-th request might go to the same
/// worker.
pub(super) fn sample_every(users: u64) -> u64 {
    users.div_ceil(MAX_RECORDED).max(1)
}

/// The users of a run, numbered from 1. Each user either thinks or waits for a response.
///
/// After a response, a user thinks for the think time ± 50 % and sends the next
/// request. Users stop after twice the think time. Every user therefore sends a
/// request, and open requests never outnumber users, however slow the workers are.
pub(super) struct Users {
    draws: Random,
    think: Duration,
    count: u64,
    /// The time after which users send no more requests; zero before they begin.
    end: Duration,
    /// The thinking users. The next one to send a request is on top.
    thinking: BinaryHeap<Reverse<Thinking>>,
    /// Users that sent at least one request.
    active: u64,
}

/// A thinking user: the time of its next request in microseconds, its number, and
/// whether it sent one before. Packed into one word, since there may be a million
/// users.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Thinking(u64);

impl Users {
    /// Creates the users of this run, if it has any. They send no request before
    /// [`begin`](Self::begin).
    pub(super) fn of(context: &Context) -> Option<Self> {
        let count = context.params.integer("users");
        (count > 0).then(|| Users {
            draws: context.seed.stream(0),
            think: context.params.millis("think"),
            count,
            end: Duration::ZERO,
            thinking: BinaryHeap::new(),
            active: 0,
        })
    }

    /// Returns the approximate total number of requests.
    pub(super) fn requests(&self) -> u64 {
        2 * self.count
    }

    pub(super) fn has_started(&self) -> bool {
        !self.end.is_zero()
    }

    /// Starts each user at a random point of its think time, so that the request rate
    /// is steady from the beginning.
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

    /// Returns the time of the next request, or `None` if no user is thinking.
    pub(super) fn due(&self) -> Option<Duration> {
        let Reverse(next) = self.thinking.peek()?;
        Some(next.at())
    }

    /// Takes the next request that is due. Returns its user and its time.
    pub(super) fn take(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let at = self.due().filter(|due| *due <= now)?;
        let Reverse(next) = self.thinking.pop()?;
        self.active += u64::from(!next.was_active());
        Some((next.user(), at))
    }

    /// Delivers a response or failure to a user, who then thinks again.
    pub(super) fn answer(&mut self, user: u64, now: Duration) {
        let at = now + self.think / 2 + self.draws.within(self.think);
        if at < self.end {
            self.thinking.push(Reverse(Thinking::new(user, at, true)));
        }
    }

    /// Returns the number of users that sent at least one request.
    pub(super) fn active(&self) -> u64 {
        self.active
    }
}

impl Thinking {
    /// An upper bound on user numbers, slightly more than a million.
    const USERS: u64 = 1 << 20;

    fn new(user: u64, at: Duration, was_active: bool) -> Self {
        let at_us = at.as_secs() * 1_000_000 + u64::from(at.subsec_micros());
        Thinking((at_us * Self::USERS + user) * 2 + u64::from(was_active))
    }

    fn at(self) -> Duration {
        Duration::from_micros(self.0 / (2 * Self::USERS))
    }

    fn user(self) -> u64 {
        self.0 / 2 % Self::USERS
    }

    fn was_active(self) -> bool {
        self.0 % 2 == 1
    }
}
