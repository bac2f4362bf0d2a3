//! Collects the metrics of all workers.

use crate::{
    control::SCRAPE_TIMEOUT,
    logging,
    metrics::{Snapshot, add_log_counts},
};
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
    last_reports: BTreeMap<WorkerId, Snapshot>,
    /// The counters of exited workers, retained to keep the sums monotonic.
    exited_counters: Snapshot,
}

#[derive(Debug)]
struct PendingScrape {
    requester: WorkerId,
    waiting_for: BTreeSet<WorkerId>,
    sum: Snapshot,
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
        let mut sum = Snapshot::default();
        add_log_counts(&mut sum, logging::counts());
        sum.merge(&self.exited_counters);
        self.pending.push(PendingScrape {
            requester,
            waiting_for: workers,
            sum,
            deadline: now.saturating_add(SCRAPE_TIMEOUT),
        });
    }

    /// Records a worker's report.
    pub(super) fn record(&mut self, id: WorkerId, metrics: Snapshot) {
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
        for scrape in &mut self.pending {
            if scrape.waiting_for.remove(&id) {
                scrape.sum.merge_exited(&last_report);
            }
        }
        self.exited_counters.merge_exited(&last_report);
        self.exited_counters.limit_length();
    }

    /// Removes and returns the scrapes that are complete or have timed out, each with its
    /// requester. For workers that did not report in time, the last report is used.
    pub(super) fn take_complete(&mut self, now: Duration) -> Vec<(WorkerId, Snapshot)> {
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
                scrape.sum.merge_exited(report);
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
    use crate::metrics::Kind;

    const REQUESTER: WorkerId = WorkerId::new(0, 1);
    const OTHER: WorkerId = WorkerId::new(1, 1);

    fn accepted(connections: f64) -> Snapshot {
        Snapshot::default().with("workers", Kind::Gauge, 1.0).with(
            "connections_accepted_total",
            Kind::Counter,
            connections,
        )
    }

    /// Returns the accepted connections and the workers.
    fn numbers(sum: &Snapshot) -> (u64, u64) {
        let accepted = sum.number("connections_accepted_total");
        (accepted, sum.number("workers"))
    }

    fn all() -> BTreeSet<WorkerId> {
        BTreeSet::from([REQUESTER, OTHER])
    }

    #[test]
    fn scrape_completes_when_all_workers_have_reported() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3.0));
        assert_eq!(scrapes.take_complete(Duration::ZERO), []);
        scrapes.record(OTHER, accepted(4.0));
        let complete = scrapes.take_complete(Duration::ZERO);
        let [(requester, sum)] = &complete[..] else {
            panic!("{complete:?}");
        };
        assert_eq!((*requester, numbers(sum)), (REQUESTER, (7, 2)));
        assert_eq!(scrapes.deadline(), None);
    }

    #[test]
    fn hung_worker_does_not_block_a_scrape() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3.0));
        let deadline = scrapes.deadline().unwrap();
        assert_eq!(numbers(&scrapes.take_complete(deadline)[0].1), (3, 1));
    }

    #[test]
    fn counters_are_monotonic_while_a_worker_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.record(OTHER, accepted(4.0));
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3.0));
        let deadline = scrapes.deadline().unwrap();
        let sum = &scrapes.take_complete(deadline)[0].1;
        assert_eq!(numbers(sum), (7, 1));
    }

    #[test]
    fn counters_are_monotonic_when_a_worker_exits() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(OTHER, accepted(4.0));
        scrapes.exited(OTHER);
        scrapes.record(REQUESTER, accepted(3.0));
        let sum = &scrapes.take_complete(Duration::ZERO)[0].1;
        assert_eq!(numbers(sum), (7, 2));
        scrapes.begin(REQUESTER, BTreeSet::from([REQUESTER]), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3.0));
        let sum = &scrapes.take_complete(Duration::ZERO)[0].1;
        assert_eq!(numbers(sum), (7, 1));
    }

    #[test]
    fn exited_worker_without_a_report_is_skipped() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(REQUESTER, all(), Duration::ZERO);
        scrapes.record(REQUESTER, accepted(3.0));
        scrapes.exited(OTHER);
        let sum = &scrapes.take_complete(Duration::ZERO)[0].1;
        assert_eq!(numbers(sum), (3, 1));
    }
}
