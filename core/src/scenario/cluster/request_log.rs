//! What the checks ask about requests: what became of those on record, and how
//! many there were.

use super::{REFUSED, users};
use crate::{
    scenario::workers::LOST,
    trace::{Counters, Trace},
};

/// The requests of a run.
#[derive(Default)]
pub(super) struct RequestLog<'a> {
    /// By their numbers, from 1; those of users as they came. The first is for
    /// what belongs to none.
    all: Vec<RequestRecord<'a>>,
    pub(super) users: u64,
    /// Of how many users one is on record.
    pub(super) one_of: u64,
    /// Which is the latest of each of these.
    latest: Vec<usize>,
    /// How many users had asked in the end.
    pub(super) asked: u64,
    /// The front's, which are of all requests.
    pub(super) counters: Counters,
}

/// What became of a request.
#[derive(Clone, Default)]
pub(super) struct RequestRecord<'a> {
    /// Where it arrived, by the place in the trace.
    pub(super) begin: Option<usize>,
    /// To which process it was handed, and where.
    pub(super) call: Option<(usize, usize)>,
    pub(super) ends: usize,
    /// Where it ended last.
    pub(super) end: usize,
    pub(super) failure: Option<&'a str>,
}

/// How many requests there were, on record or not, and what became of them.
pub(super) struct RequestTotals {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
}

impl<'a> RequestLog<'a> {
    /// Those of a trace that is not read yet.
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let users = number("users");
        let one_of = users::one_of(users);
        let from_outside = if users > 0 { 0 } else { number("requests") };
        let and_none = |count: u64| usize::try_from(count).unwrap_or(0) + 1;
        RequestLog {
            all: vec![RequestRecord::default(); and_none(from_outside)],
            users,
            one_of,
            latest: vec![0; and_none(users / one_of)],
            ..RequestLog::default()
        }
    }

    /// Whether some were counted and are not on record.
    pub(super) fn is_sample(&self) -> bool {
        self.one_of > 1
    }

    /// Those on record.
    pub(super) fn on_record(&self) -> &[RequestRecord<'a>] {
        &self.all[1..]
    }

    /// How many of those on record ended so.
    pub(super) fn ended_with(&self, failure: Option<&str>) -> u64 {
        let of_it = |it: &&RequestRecord| it.ends > 0 && it.failure == failure;
        self.on_record().iter().filter(of_it).count() as u64
    }

    /// How many there were.
    pub(super) fn totals(&self) -> RequestTotals {
        if self.is_sample() {
            let all = &self.counters;
            // Who was refused had been handed to nobody.
            let refused = all.failed.min(all.started.saturating_sub(all.sent));
            return RequestTotals {
                sent: all.started,
                answered: all.succeeded,
                lost: all.failed - refused,
                refused,
            };
        }
        let begun = self.on_record().iter().filter(|it| it.begin.is_some());
        RequestTotals {
            sent: begun.count() as u64,
            answered: self.ended_with(None),
            lost: self.ended_with(Some(LOST)),
            refused: self.ended_with(Some(REFUSED)),
        }
    }

    /// One has come, by its number or by whose it is.
    pub(super) fn begin(&mut self, number: u64, place: usize) {
        let next = self.all.len();
        if self.users > 0
            && let Some(latest) = self.latest(number)
        {
            *latest = next;
            self.all.push(RequestRecord::default());
        }
        self.numbered(number).begin = Some(place);
    }

    /// That of this number, or the latest of this user.
    pub(super) fn numbered(&mut self, number: u64) -> &mut RequestRecord<'a> {
        let place = match self.users {
            0 => usize::try_from(number).unwrap_or(0),
            _ => self.latest(number).map_or(0, |latest| *latest),
        };
        let is_one = place < self.all.len();
        &mut self.all[if is_one { place } else { 0 }]
    }

    /// Whether every user has asked, those on record among them.
    pub(super) fn have_all_asked(&self) -> bool {
        let on_record = &self.latest[1..];
        self.asked == self.users && on_record.iter().all(|latest| *latest > 0)
    }

    /// How often something ended that belongs to none of them.
    pub(super) fn strays(&self) -> usize {
        self.all[0].ends
    }

    fn latest(&mut self, user: u64) -> Option<&mut usize> {
        let is_one = user > 0 && user.is_multiple_of(self.one_of);
        let place = usize::try_from(user / self.one_of).ok();
        self.latest.get_mut(place.filter(|_| is_one)?)
    }
}
