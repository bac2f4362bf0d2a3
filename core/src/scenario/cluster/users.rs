//! Users that send a request, think about the response, and send the next.

use crate::{platform::Random, scenario::Context};
use std::{cmp::Reverse, collections::BinaryHeap, mem, time::Duration};

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
    thinking: ThinkingUsers,
    /// Users that sent at least one request.
    active_count: u64,
}

/// The thinking users, by the time of their next requests.
///
/// Only those of the current period are sorted, because a heap of a million users is
/// slow.
struct ThinkingUsers {
    /// The next users. Empty only if no user is thinking.
    soon: BinaryHeap<Reverse<ThinkingUser>>,
    /// The other users, by time in periods of equal length.
    later: Vec<Vec<ThinkingUser>>,
    /// Users up to this period are in `soon`.
    current: usize,
    period_us: u64,
}

/// The mean number of users in a period.
const USERS_PER_PERIOD: usize = 16;

impl ThinkingUsers {
    fn new(count: u64, think_time: Duration) -> Self {
        let think_us = u64::try_from(think_time.as_micros()).unwrap_or(u64::MAX);
        ThinkingUsers {
            soon: BinaryHeap::new(),
            later: Vec::new(),
            current: 0,
            period_us: think_us * USERS_PER_PERIOD as u64 / count.max(1) + 1,
        }
    }

    fn push(&mut self, user: ThinkingUser) {
        let period = usize::try_from(user.at_us() / self.period_us).unwrap_or(usize::MAX);
        if period <= self.current {
            self.soon.push(Reverse(user));
            return;
        }
        if self.later.len() <= period {
            self.later.resize(period + 1, Vec::new());
        }
        let period = &mut self.later[period];
        if period.capacity() == 0 {
            period.reserve(2 * USERS_PER_PERIOD);
        }
        period.push(user);
    }

    /// Moves the next users into `soon` if it is empty.
    fn fill_soon(&mut self) {
        while self.soon.is_empty() && self.current + 1 < self.later.len() {
            self.current += 1;
            let users = mem::take(&mut self.later[self.current]);
            self.soon.extend(users.into_iter().map(Reverse));
        }
    }
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
            thinking: ThinkingUsers::new(count, context.params.millis("think")),
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
        for user in 1..=self.count {
            let mut at = self.random.within(self.think_time);
            while at < warm_up {
                at += self.think_time / 2 + self.random.within(self.think_time);
            }
            let at = now + at.saturating_sub(warm_up);
            self.thinking.push(ThinkingUser::new(user, at, false));
        }
        self.thinking.fill_soon();
    }

    /// Returns the time of the next request, or `None` if no user is thinking.
    pub(super) fn due(&self) -> Option<Duration> {
        let Reverse(next) = self.thinking.soon.peek()?;
        Some(next.at())
    }

    /// Takes the next request that is due. Returns its user and its time.
    pub(super) fn take(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let at = self.due().filter(|due| *due <= now)?;
        let Reverse(next) = self.thinking.soon.pop()?;
        self.thinking.fill_soon();
        self.active_count += u64::from(!next.was_active());
        Some((next.user(), at))
    }

    /// Delivers a response or failure to a user, who then thinks again.
    pub(super) fn on_response(&mut self, user: u64, now: Duration) {
        let at = now + self.think_time / 2 + self.random.within(self.think_time);
        if at < self.end {
            self.thinking.push(ThinkingUser::new(user, at, true));
            self.thinking.fill_soon();
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
        Duration::from_micros(self.at_us())
    }

    fn at_us(self) -> u64 {
        self.0 / (2 * Self::MAX_USERS)
    }

    fn user(self) -> u64 {
        self.0 / 2 % Self::MAX_USERS
    }

    fn was_active(self) -> bool {
        self.0 % 2 == 1
    }
}
