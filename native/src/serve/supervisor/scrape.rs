//! The numbers of all workers together.

use super::{
    super::{control::SCRAPE_WITHIN, metrics::Metrics},
    process::Name,
};
use crate::logging;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Who wants to know, who was asked, and what was told.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    open: Vec<Scrape>,
    /// What each worker told last.
    last: BTreeMap<Name, Metrics>,
    /// What those did that have ended. Sums do not go down with them.
    past: Metrics,
}

#[derive(Debug)]
struct Scrape {
    asker: Name,
    waits_for: BTreeSet<Name>,
    sum: Metrics,
    until: Duration,
}

impl Scrapes {
    /// A worker wants to know what all of these have counted, which are to be
    /// asked now.
    pub(super) fn begin(&mut self, asker: Name, all: BTreeSet<Name>, now: Duration) {
        // This process has a log as well.
        let mut sum = Metrics::of_log(logging::counts());
        sum.merge(&self.past);
        self.open.push(Scrape {
            asker,
            waits_for: all,
            sum,
            until: now.saturating_add(SCRAPE_WITHIN),
        });
    }

    /// A worker tells what it has counted.
    pub(super) fn told(&mut self, name: Name, metrics: Metrics) {
        for scrape in &mut self.open {
            if scrape.waits_for.remove(&name) {
                scrape.sum.merge(&metrics);
            }
        }
        self.last.insert(name, metrics);
    }

    /// A worker has ended. Whoever waits for it is told what it said last.
    pub(super) fn ended(&mut self, name: Name) {
        let Some(last) = self.last.remove(&name) else {
            for scrape in &mut self.open {
                scrape.waits_for.remove(&name);
            }
            return;
        };
        let last = last.of_the_past();
        for scrape in &mut self.open {
            if scrape.waits_for.remove(&name) {
                scrape.sum.merge(&last);
            }
        }
        self.past.merge(&last);
    }

    /// Those that are answered now: who asked, and the answer. Nobody waits for
    /// workers that take too long: of them there is what they told last.
    pub(super) fn complete(&mut self, now: Duration) -> Vec<(Name, Metrics)> {
        let is_complete = |scrape: &mut Scrape| scrape.waits_for.is_empty() || scrape.until <= now;
        let complete = self.open.extract_if(.., is_complete);
        let last = &self.last;
        let answer = |mut scrape: Scrape| {
            // What they did before counts still: or sums would go down, and up again.
            for late in scrape.waits_for.iter().filter_map(|name| last.get(name)) {
                scrape.sum.merge(&late.clone().of_the_past());
            }
            (scrape.asker, scrape.sum)
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

    const ASKER: Name = (0, 1);
    const OTHER: Name = (1, 1);

    fn accepted(accepted: u64) -> Metrics {
        Metrics {
            workers: 1,
            accepted,
            ..Metrics::default()
        }
    }

    fn all() -> BTreeSet<Name> {
        BTreeSet::from([ASKER, OTHER])
    }

    #[test]
    fn all_are_added_when_all_have_told() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.told(ASKER, accepted(3));
        assert_eq!(scrapes.complete(Duration::ZERO), []);
        scrapes.told(OTHER, accepted(4));
        let told = scrapes.complete(Duration::ZERO);
        assert_eq!((told[0].0, told[0].1.accepted), (ASKER, 7));
        assert_eq!(scrapes.deadline(), None);
    }

    #[test]
    fn nobody_waits_for_one_that_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.told(ASKER, accepted(3));
        let late = scrapes.deadline().unwrap();
        assert_eq!(scrapes.complete(late)[0].1.workers, 1);
    }

    #[test]
    fn sums_do_not_go_down_while_one_hangs() {
        let mut scrapes = Scrapes::default();
        scrapes.told(OTHER, accepted(4));
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.told(ASKER, accepted(3));
        let late = scrapes.deadline().unwrap();
        let sum = &scrapes.complete(late)[0].1;
        assert_eq!((sum.accepted, sum.workers), (7, 1));
    }

    #[test]
    fn sums_do_not_go_down_when_one_ends() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.told(OTHER, accepted(4));
        scrapes.ended(OTHER);
        scrapes.told(ASKER, accepted(3));
        assert_eq!(scrapes.complete(Duration::ZERO)[0].1.accepted, 7);
        scrapes.begin(ASKER, BTreeSet::from([ASKER]), Duration::ZERO);
        scrapes.told(ASKER, accepted(3));
        let sum = &scrapes.complete(Duration::ZERO)[0].1;
        assert_eq!((sum.accepted, sum.workers), (7, 1));
    }

    #[test]
    fn one_that_ends_without_a_word_is_not_waited_for() {
        let mut scrapes = Scrapes::default();
        scrapes.begin(ASKER, all(), Duration::ZERO);
        scrapes.told(ASKER, accepted(3));
        scrapes.ended(OTHER);
        assert_eq!(scrapes.complete(Duration::ZERO)[0].1.accepted, 3);
    }
}
