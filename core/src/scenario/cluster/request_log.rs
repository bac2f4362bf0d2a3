//! The requests recorded in a trace, for the checks.

use super::{front::REJECTED, sampling::Sampling};
use crate::{
    scenario::workers::LOST,
    trace::{Counters, Trace},
};

/// The requests of a run.
#[derive(Default)]
pub(super) struct RequestLog<'a> {
    /// Indexed by request number, or by arrival if there are users. Entry 0 collects
    /// records without a known request.
    entries: Vec<RequestRecord<'a>>,
    pub(super) users: u64,
    pub(super) sampling: Sampling,
    /// The latest request of each recorded user.
    latest: Vec<usize>,
    /// Users that sent at least one request.
    pub(super) active_users: u64,
    /// The counters of the front, which cover all requests.
    pub(super) counters: Counters,
}

/// The outcome of a request. Indexes refer to trace events.
#[derive(Clone, Default)]
pub(super) struct RequestRecord<'a> {
    /// The index of its arrival.
    pub(super) begin: Option<usize>,
    /// The process it was sent to, and the index of that record.
    pub(super) call: Option<(usize, usize)>,
    pub(super) end_count: usize,
    /// The index of its last end record.
    pub(super) end: usize,
    pub(super) failure: Option<&'a str>,
    /// `true` if it was rejected because too many requests waited.
    pub(super) found_queue_full: bool,
}

/// The totals of all requests, recorded or not, by outcome.
pub(super) struct RequestTotals {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) rejected: u64,
}

impl<'a> RequestLog<'a> {
    /// Creates an empty log for a trace.
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let (users, requests) = (number("users"), number("requests"));
        let sampling = Sampling::new(users, requests);
        let without_users = if users > 0 { 0 } else { requests };
        let with_entry_zero = |count: u64| usize::try_from(count).unwrap_or(0) + 1;
        RequestLog {
            entries: vec![RequestRecord::default(); with_entry_zero(without_users)],
            users,
            sampling,
            latest: vec![0; with_entry_zero(users / sampling.every)],
            ..RequestLog::default()
        }
    }

    /// Returns whether some requests were not recorded completely.
    pub(super) fn is_sample(&self) -> bool {
        self.sampling.every > 1
    }

    /// Returns whether the ends of some requests were counted and not recorded.
    pub(super) fn is_sample_of_ends(&self) -> bool {
        self.is_sample() && self.users > 0
    }

    /// Returns the requests whose end should be recorded.
    pub(super) fn all(&self) -> &[RequestRecord<'a>] {
        &self.entries[1..]
    }

    /// Returns the requests that were recorded completely.
    pub(super) fn recorded(&self) -> impl Iterator<Item = &RequestRecord<'a>> + Clone + '_ {
        self.all().iter().filter(|it| it.begin.is_some())
    }

    /// Returns the totals of all requests.
    pub(super) fn totals(&self) -> RequestTotals {
        let counters = &self.counters;
        if self.is_sample_of_ends() {
            // Rejected requests were never sent to a worker.
            let rejected = counters
                .failed
                .min(counters.started.saturating_sub(counters.sent));
            return RequestTotals {
                sent: counters.started,
                answered: counters.succeeded,
                lost: counters.failed - rejected,
                rejected,
            };
        }
        let ended_with = |failure| count(self.all(), failure);
        RequestTotals {
            sent: counters.started,
            answered: ended_with(None),
            lost: ended_with(Some(LOST)),
            rejected: ended_with(Some(REJECTED)),
        }
    }

    /// Adds the arrival of a request, and returns its entry. `number` is its own or its
    /// user's.
    pub(super) fn begin(&mut self, number: u64, index: usize) -> usize {
        let next = self.entries.len();
        if self.users > 0
            && let Some(latest) = self.latest(number)
        {
            *latest = next;
            self.entries.push(RequestRecord::default());
        }
        let entry = self.entry(number);
        self.entries[entry].begin = Some(index);
        entry
    }

    /// Returns the entry of the request of this number, or of the latest request of
    /// this user. Entries are numbered in order of arrival.
    pub(super) fn entry(&mut self, number: u64) -> usize {
        let index = match self.users {
            0 => usize::try_from(number).unwrap_or(0),
            _ => self.latest(number).map_or(0, |latest| *latest),
        };
        if index < self.entries.len() { index } else { 0 }
    }

    /// Returns the request of an entry.
    pub(super) fn get_mut(&mut self, entry: usize) -> &mut RequestRecord<'a> {
        &mut self.entries[entry]
    }

    /// Returns whether every user sent at least one request.
    pub(super) fn is_every_user_active(&self) -> bool {
        let recorded = &self.latest[1..];
        self.active_users == self.users && recorded.iter().all(|latest| *latest > 0)
    }

    /// Counts the end records without a known request.
    pub(super) fn unknown_end_count(&self) -> usize {
        self.entries[0].end_count
    }

    fn latest(&mut self, user: u64) -> Option<&mut usize> {
        let is_recorded = user > 0 && self.sampling.includes(user);
        let index = usize::try_from(user / self.sampling.every).ok();
        self.latest.get_mut(index.filter(|_| is_recorded)?)
    }
}

/// Counts the requests that ended with `failure`, or successfully if `None`.
pub(super) fn count<'a, 'b: 'a>(
    requests: impl IntoIterator<Item = &'a RequestRecord<'b>>,
    failure: Option<&str>,
) -> u64 {
    let matches = |it: &&RequestRecord| it.end_count > 0 && it.failure == failure;
    requests.into_iter().filter(matches).count() as u64
}
