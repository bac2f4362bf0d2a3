//! Collects the metrics of all workers.

use super::super::{control::SCRAPE_TIMEOUT, metrics::Metrics};
use crate::logging;
use highwater::scale::WorkerId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The scrapes in progress and the last report of each worker.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    pending: Vec<PendingScrape>,
    /// The last report of each worker.
    last_reports: BTreeMap<WorkerId, Metrics>,
    /// The counters of exited workers, retained to keep the sums monotonic.
    exited_counters: Metrics,
}

#[derive(Debug)]
struct PendingScrape {
    requester: WorkerId,
    waiting_for: BTreeSet<WorkerId>,
    sum: Metrics,
    deadline: Duration,
}

impl Scrapes {
    /// Begins a scrape for a worker. The caller must request the metrics of `workers`.
    pub(super) fn begin(
        &mut self,
        requester: WorkerId,
        workers: BTreeSet<WorkerId>,
        now: Duration,
    ) {
        // The supervisor also writes to the log.
        let mut sum = Metrics::from_log(logging::counts());
        sum.merge(&self.exited_counters);
        self.pending.push(PendingScrape {
            requester,
            waiting_for: workers,
            sum,
            deadline: now.saturating_add(SCRAPE_TIMEOUT),
        });
    }

    /// Records a worker's report.
    pub(super) fn record(&mut self, id: WorkerId, metrics: Metrics) {
        for scrape in &mut self.pending {
            if scrape.waiting_for.remove(&id) {
                scrape.sum.merge(&metrics);
            }
        }
        self.last_reports.insert(id, metrics);
    }

    /// Records that a worker has exited. Pending scrapes use its last report.
    pub(super) fn exited(&mut self, id: WorkerId) {
        let Some(last_report) = self.last_reports.remove(&id) else {
            for scrape in &mut self.pending {
                scrape.waiting_for.remove(&id);
            }
            return;
        };
        let last_report = last_report.after_exit();
        for scrape in &mut self.pending {
            if scrape.waiting_for.remove(&id) {
                scrape.sum.merge(&last_report);
            }
        }
        self.exited_counters.merge(&last_report);
    }

    /// Removes and returns the scrapes that are complete or have timed out, each with its
    /// requester. For workers that did not report in time, the last report is used.
    pub(super) fn take_complete(&mut self, now: Duration) -> Vec<(WorkerId, Metrics)> {
        let is_complete =
            |scrape: &mut PendingScrape| scrape.waiting_for.is_empty() || scrape.deadline <= now;
        let complete = self.pending.extract_if(.., is_complete);
        let last_reports = &self.last_reports;
        let finish = |mut scrape: PendingScrape| {
            // Without these counters, the sums would temporarily decrease.
            for report in scrape
                .waiting_for
                .iter()
                .filter_map(|id| last_reports.get(id))
            {
                scrape.sum.merge(&report.clone().after_exit());
            }
            (scrape.requester, scrape.sum)
        };
        complete.map(finish).collect()
    }

    /// Returns the time at which the first pending scrape times out.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pending.iter().map(|scrape| scrape.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTER: WorkerId = WorkerId::new(0, 1);
    const OTHER: WorkerId = WorkerId::new(1, 1);

    fn accepted(accepted_connections: u64) -> Metrics {
        Metrics {
            workers: 1,
            accepted_connections,
            ..Metrics::default()
        }
    }

    fn all() -> BTreeSet<WorkerId> {
        BTreeSet::from([REQUESTER, OTHER])
    }

    #[test]
    fn scrape_completes_when_all_workers_have_reported() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3));
        assert_eq!(scrapes.take_complete(Duration::ZERO), []);
        scrapes.record(OTHER, accepted(4));
        let complete = scrapes.take_complete(Duration::ZERO);
        assert_eq!(
            (complete[0].0, complete[0].1.accepted_connections),
            (REQUESTER, 7)
        );
        assert_eq!(scrapes.deadline(), None);
    }

    #[test]
    fn hung_worker_does_not_block_a_scrape() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3));
        let deadline = scrapes.deadline().unwrap();
        assert_eq!(scrapes.take_complete(deadline)[0].1.workers, 1);
    }

    #[test]
    fn counters_are_monotonic_while_a_worker_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.record(OTHER, accepted(4));
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3));
        let deadline = scrapes.deadline().unwrap();
        let sum = &scrapes.take_complete(deadline)[0].1;
        assert_eq!((sum.accepted_connections, sum.workers), (7, 1));
    }

    #[test]
    fn counters_are_monotonic_when_a_worker_exits() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(OTHER, accepted(4));
        scrapes.exited(OTHER);
        scrapes.record(REQUESTER, accepted(3));
        assert_eq!(
            scrapes.take_complete(Duration::ZERO)[0]
                .1
                .accepted_connections,
            7
        );
        scrapes.begin(REQUESTER, BTreeSet::from([REQUESTER]), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3));
        let sum = &scrapes.take_complete(Duration::ZERO)[0].1;
        assert_eq!((sum.accepted_connections, sum.workers), (7, 1));
    }

    #[test]
    fn exited_worker_without_a_report_is_skipped() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3));
        scrapes.exited(OTHER);
        assert_eq!(
            scrapes.take_complete(Duration::ZERO)[0]
                .1
                .accepted_connections,
            3
        );
    }
}
