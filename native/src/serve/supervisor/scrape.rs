//! The numbers of all workers together.

use super::{
    super::{control::SCRAPE_TIMEOUT, metrics::Metrics},
    process::WorkerId,
};
use crate::logging;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Who wants to know, who was asked, and what was record.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    open: Vec<PendingScrape>,
    /// What each worker record last.
    last: BTreeMap<WorkerId, Metrics>,
    /// What those did that have exited. Sums do not go down with them.
    past: Metrics,
}

#[derive(Debug)]
struct PendingScrape {
    requester: WorkerId,
    waiting_for: BTreeSet<WorkerId>,
    sum: Metrics,
    until: Duration,
}

impl Scrapes {
    /// A worker wants to know what all of these have counted, which are to be
    /// asked now.
    pub(super) fn begin(&mut self, requester: WorkerId, all: BTreeSet<WorkerId>, now: Duration) {
        // This process has a log as well.
        let mut sum = Metrics::from_log(logging::counts());
        sum.merge(&self.past);
        self.open.push(PendingScrape {
            requester,
            waiting_for: all,
            sum,
            until: now.saturating_add(SCRAPE_TIMEOUT),
        });
    }

    /// A worker tells what it has counted.
    pub(super) fn record(&mut self, id: WorkerId, metrics: Metrics) {
        for scrape in &mut self.open {
            if scrape.waiting_for.remove(&id) {
                scrape.sum.merge(&metrics);
            }
        }
        self.last.insert(id, metrics);
    }

    /// A worker has exited. Whoever waits for it is record what it said last.
    pub(super) fn exited(&mut self, id: WorkerId) {
        let Some(last) = self.last.remove(&id) else {
            for scrape in &mut self.open {
                scrape.waiting_for.remove(&id);
            }
            return;
        };
        let last = last.after_exit();
        for scrape in &mut self.open {
            if scrape.waiting_for.remove(&id) {
                scrape.sum.merge(&last);
            }
        }
        self.past.merge(&last);
    }

    /// Those that are answered now: who asked, and the answer. Nobody waits for
    /// workers that take too long: of them there is what they record last.
    pub(super) fn complete(&mut self, now: Duration) -> Vec<(WorkerId, Metrics)> {
        let is_complete =
            |scrape: &mut PendingScrape| scrape.waiting_for.is_empty() || scrape.until <= now;
        let complete = self.open.extract_if(.., is_complete);
        let last = &self.last;
        let answer = |mut scrape: PendingScrape| {
            // What they did before counts still: or sums would go down, and up again.
            for late in scrape.waiting_for.iter().filter_map(|id| last.get(id)) {
                scrape.sum.merge(&late.clone().after_exit());
            }
            (scrape.requester, scrape.sum)
        };
        complete.map(answer).collect()
    }

    /// When nobody waits any longer.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.open.iter().map(|scrape| scrape.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: WorkerId = WorkerId::new(0, 1);
    const OTHER: WorkerId = WorkerId::new(1, 1);

    fn accepted(accepted: u64) -> Metrics {
        Metrics {
            workers: 1,
            accepted,
            ..Metrics::default()
        }
    }

    fn all() -> BTreeSet<WorkerId> {
        BTreeSet::from([ASKER, OTHER])
    }

    #[test]
    fn all_are_added_when_all_have_told() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.record(ASKER, accepted(3));
        assert_eq!(scrapes.complete(Duration::ZERO), []);
        scrapes.record(OTHER, accepted(4));
        let record = scrapes.complete(Duration::ZERO);
        assert_eq!((record[0].0, record[0].1.accepted), (ASKER, 7));
        assert_eq!(scrapes.deadline(), None);
    }

    #[test]
    fn nobody_waits_for_one_that_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.record(ASKER, accepted(3));
        let late = scrapes.deadline().unwrap();
        assert_eq!(scrapes.complete(late)[0].1.workers, 1);
    }

    #[test]
    fn sums_do_not_go_down_while_one_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.record(OTHER, accepted(4));
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.record(ASKER, accepted(3));
        let late = scrapes.deadline().unwrap();
        let sum = &scrapes.complete(late)[0].1;
        assert_eq!((sum.accepted, sum.workers), (7, 1));
    }

    #[test]
    fn sums_do_not_go_down_when_one_ends() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.record(OTHER, accepted(4));
        scrapes.exited(OTHER);
        scrapes.record(ASKER, accepted(3));
        assert_eq!(scrapes.complete(Duration::ZERO)[0].1.accepted, 7);
        scrapes.begin(ASKER, BTreeSet::from([ASKER]), Duration::ZERO);
        scrapes.record(ASKER, accepted(3));
        let sum = &scrapes.complete(Duration::ZERO)[0].1;
        assert_eq!((sum.accepted, sum.workers), (7, 1));
    }

    #[test]
    fn one_that_ends_without_a_word_is_not_waited_for() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.record(ASKER, accepted(3));
        scrapes.exited(OTHER);
        assert_eq!(scrapes.complete(Duration::ZERO)[0].1.accepted, 3);
    }
}
