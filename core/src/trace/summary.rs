//! A trace folded into totals.

use super::{Counters, Event, NameId, Phase};
use std::{collections::BTreeMap, time::Duration};

/// Totals over a prefix of a trace: who did how much, how long it took, who
/// talks to whom.
///
/// Percentiles are exact (nearest rank), not estimates from buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    sources: BTreeMap<NameId, Source>,
    edges: BTreeMap<(NameId, NameId), u64>,
    events: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Source {
    counters: Counters,
    /// Sorted, so that a percentile is a look-up.
    durations: Vec<Duration>,
}

impl Summary {
    /// Adds the next record.
    pub fn apply(&mut self, event: &Event) {
        self.events += 1;
        let source = self.sources.entry(event.source).or_default();
        source.counters = event.counters;
        if event.phase == Phase::End {
            let place = source
                .durations
                .partition_point(|known| *known <= event.duration);
            source.durations.insert(place, event.duration);
        }
        if let Some(target) = event.target {
            *self.edges.entry((event.source, target)).or_default() += 1;
        }
    }

    /// How many records were applied.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The totals of a source; zero if it recorded nothing yet.
    #[must_use]
    pub fn counters(&self, source: NameId) -> Counters {
        self.sources
            .get(&source)
            .map_or_else(Counters::default, |source| source.counters)
    }

    /// The shortest duration that at least `percent` % of the source's spans
    /// stayed within (nearest rank); `None` before the first span ended.
    #[must_use]
    pub fn percentile(&self, source: NameId, percent: usize) -> Option<Duration> {
        let durations = &self.sources.get(&source)?.durations;
        let rank = (durations.len() * percent.min(100)).div_ceil(100);
        durations.get(rank.saturating_sub(1)).copied()
    }

    /// Every source that recorded something, in the order of the table of names.
    pub fn sources(&self) -> impl Iterator<Item = NameId> + '_ {
        self.sources.keys().copied()
    }

    /// Who passed something to whom, and how often. A subscription counts: the
    /// listener passed it to the bus.
    pub fn edges(&self) -> impl Iterator<Item = (NameId, NameId, u64)> + '_ {
        self.edges
            .iter()
            .map(|(&(source, target), &count)| (source, target, count))
    }

    /// How often `source` passed something to `target`.
    #[must_use]
    pub fn edge(&self, source: NameId, target: NameId) -> u64 {
        self.edges.get(&(source, target)).copied().unwrap_or(0)
    }
}
