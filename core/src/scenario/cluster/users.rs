//! Users that send a request, think about the response, and send the next.

use crate::{platform::Random, scenario::Context};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// The users of a run, numbered from 1. Each user either thinks or waits for a response.
///
/// After a response, a user thinks for the think time ± 50 % and sends the next
/// request. Users stop after twice the think time. Every user therefore sends a
/// request, and open requests never outnumber users, however slow the workers are.
pub(super) struct Users {
    random: Random,
    think_time: Duration,
    count: u64,
    /// The time after which users send no more requests; zero before they begin.
    end: Duration,
    /// The thinking users. The next one to send a request is on top.
    thinking: BinaryHeap<Reverse<ThinkingUser>>,
    /// Users that sent at least one request.
    active_count: u64,
}

/// A thinking user: the time of its next request in microseconds, its number, and
/// whether it sent one before. Packed into one word, since there may be a million
/// users.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ThinkingUser(u64);

impl Users {
    /// Creates the users of this run, if it has any. They send no request before
    /// [`begin`](Self::begin).
    pub(super) fn of(context: &Context) -> Option<Self> {
        let count = context.params.integer("users");
        (count > 0).then(|| Users {
            random: context.seed.stream(0),
            think_time: context.params.millis("think"),
            count,
            end: Duration::ZERO,
            thinking: BinaryHeap::new(),
            active_count: 0,
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
        let warm_up = 3 * self.think_time;
        self.end = now + 2 * self.think_time;
        let thinking = (1..=self.count).map(|user| {
            let mut at = self.random.within(self.think_time);
            while at < warm_up {
                at += self.think_time / 2 + self.random.within(self.think_time);
            }
            let at = now + at.saturating_sub(warm_up);
            Reverse(ThinkingUser::new(user, at, false))
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
        self.active_count += u64::from(!next.was_active());
        Some((next.user(), at))
    }

    /// Delivers a response or failure to a user, who then thinks again.
    pub(super) fn on_response(&mut self, user: u64, now: Duration) {
        let at = now + self.think_time / 2 + self.random.within(self.think_time);
        if at < self.end {
            self.thinking
                .push(Reverse(ThinkingUser::new(user, at, true)));
        }
    }

    /// Returns the number of users that sent at least one request.
    pub(super) fn active_count(&self) -> u64 {
        self.active_count
    }
}

impl ThinkingUser {
    /// An upper bound on user numbers, slightly more than a million.
    const MAX_USERS: u64 = 1 << 20;

    fn new(user: u64, at: Duration, was_active: bool) -> Self {
        let at_us = at.as_secs() * 1_000_000 + u64::from(at.subsec_micros());
        ThinkingUser((at_us * Self::MAX_USERS + user) * 2 + u64::from(was_active))
    }

    fn at(self) -> Duration {
        Duration::from_micros(self.0 / (2 * Self::MAX_USERS))
    }

    fn user(self) -> u64 {
        self.0 / 2 % Self::MAX_USERS
    }

    fn was_active(self) -> bool {
        self.0 % 2 == 1
    }
}
