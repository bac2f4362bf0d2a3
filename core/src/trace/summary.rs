//! A trace folded into totals.

use super::{Counters, Event, NameId, Phase, RecordKind, wire::nanoseconds};
use std::time::Duration;

/// Totals over a prefix of a trace: who did how much, how long it took, who
/// talks to whom.
///
/// Percentiles are exact (nearest rank), not estimates from buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// By [`NameId`]: names are few, and most of them are sources.
    sources: Vec<SourceTotals>,
    /// In order of first use. There are as many as arrows in a picture.
    edges: Vec<(NameId, NameId, u64)>,
    subscriptions: Vec<(NameId, NameId)>,
    dependencies: Vec<(NameId, NameId)>,
    queues: Vec<(NameId, QueueTotals)>,
    events: u64,
}

/// What a queue held, and what it could not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueTotals {
    /// Its high-water mark, in bytes.
    pub mark: u64,
    /// What it holds, in bytes.
    pub level: u64,
    /// The most it held so far, in bytes.
    pub peak: u64,
    /// How long those who write to it waited for room, if that is on record.
    pub stalled: Option<Duration>,
    /// Items it lost.
    pub dropped: u64,
    /// Items it refused.
    pub refused: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct SourceTotals {
    events: u64,
    counters: Counters,
    lost: u64,
    /// How many spans of work that ended are on record.
    ended: u64,
    /// Of what ended well, in nanoseconds, as they came: played far more often than
    /// asked for a percentile.
    durations: Vec<u64>,
}

impl Summary {
    /// Adds the next record.
    pub fn apply(&mut self, event: &Event) {
        self.events += 1;
        // Who sets parameters is no part of what is run.
        if event.kind == RecordKind::Change {
            return;
        }
        let index = event.source.index();
        if self.sources.len() <= index {
            self.sources.resize_with(index + 1, SourceTotals::default);
        }
        let source = &mut self.sources[index];
        source.events += 1;
        source.counters = event.counters;
        if event.phase == Phase::End && event.kind.is_work() {
            source.ended += 1;
            if event.failure.is_none() {
                source.durations.push(nanoseconds(event.duration));
            }
        }
        match event.kind {
            RecordKind::Drop => source.lost += event.subject,
            RecordKind::Refuse => source.lost += 1,
            _ => {}
        }
        self.apply_to_queue(event);
        let Some(target) = event.target else { return };
        let edge = (event.source, target);
        match event.kind {
            RecordKind::Subscribe => self.subscriptions.push(edge),
            RecordKind::Unsubscribe => self.remove_subscription(edge),
            RecordKind::Depend => self.dependencies.push(edge),
            kind if kind.is_message() => self.add_to_edge(edge),
            _ => {}
        }
    }

    /// Every queue, in the order in which they were opened.
    pub fn queues(&self) -> impl Iterator<Item = (NameId, QueueTotals)> + '_ {
        self.queues.iter().copied()
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
            .get(source.index())
            .map_or_else(Counters::default, |source| source.counters)
    }

    /// How much of what was passed to a source its full queue dropped or refused.
    #[must_use]
    pub fn lost(&self, source: NameId) -> u64 {
        self.sources.get(source.index()).map_or(0, |it| it.lost)
    }

    /// The shortest duration that at least `percent` % of the source's spans that
    /// ended well stayed within (nearest rank); `None` before there is one. Those that
    /// failed do not count: to be refused takes no time.
    ///
    /// Takes time in proportion to the number of spans.
    #[must_use]
    pub fn percentile(&self, source: NameId, percent: usize) -> Option<Duration> {
        let durations = &self.sources.get(source.index())?.durations;
        let rank = (durations.len() * percent.min(100)).div_ceil(100);
        let place = rank.saturating_sub(1);
        if durations.is_empty() {
            return None;
        }
        let mut durations = durations.clone();
        let (_, nearest, _) = durations.select_nth_unstable(place);
        Some(Duration::from_nanos(*nearest))
    }

    /// Whether only some of what the source ended is on record, as of a
    /// [sample](super::Recorder::counting): the counters are of all, percentiles and
    /// edges of what is there.
    #[must_use]
    pub fn is_sample(&self, source: NameId) -> bool {
        let on_record = self.sources.get(source.index()).map_or(0, |it| it.ended);
        on_record < self.counters(source).finished()
    }

    /// Every source that recorded something, in the order of the trace's names.
    pub fn sources(&self) -> impl Iterator<Item = NameId> + '_ {
        let sources = self.sources.iter().enumerate();
        sources
            .filter(|(_, source)| source.events > 0)
            .map(|(index, _)| NameId::from_index(index))
    }

    /// Who passed something to whom, and how often; in order of first use.
    pub fn edges(&self) -> impl Iterator<Item = (NameId, NameId, u64)> + '_ {
        self.edges.iter().copied()
    }

    /// Who depends on whom in the code, in the order of recording.
    pub fn dependencies(&self) -> impl Iterator<Item = (NameId, NameId)> + '_ {
        self.dependencies.iter().copied()
    }

    /// Who listens to whom at this moment, in order of subscription.
    pub fn subscriptions(&self) -> impl Iterator<Item = (NameId, NameId)> + '_ {
        self.subscriptions.iter().copied()
    }

    /// How often `source` passed something to `target`.
    #[must_use]
    pub fn edge(&self, source: NameId, target: NameId) -> u64 {
        self.edges()
            .find(|(from, to, _)| (*from, *to) == (source, target))
            .map_or(0, |(.., count)| count)
    }

    /// What has no mark is no queue of bytes.
    fn apply_to_queue(&mut self, event: &Event) {
        if event.kind == RecordKind::Mark {
            let mark = event.subject;
            let queue = QueueTotals {
                mark,
                ..QueueTotals::default()
            };
            self.queues.push((event.source, queue));
        }
        let mut queues = self.queues.iter_mut();
        let Some((_, queue)) = queues.find(|(id, _)| *id == event.source) else {
            return;
        };
        match event.kind {
            RecordKind::Level => {
                queue.level = event.subject;
                queue.peak = queue.peak.max(event.subject);
            }
            RecordKind::Stall if event.phase == Phase::End => {
                *queue.stalled.get_or_insert_default() += event.duration;
            }
            RecordKind::Drop => queue.dropped += event.subject,
            RecordKind::Refuse => queue.refused += 1,
            _ => {}
        }
    }

    /// One of them: whoever subscribed twice still listens.
    fn remove_subscription(&mut self, edge: (NameId, NameId)) {
        let place = self.subscriptions.iter().position(|known| *known == edge);
        if let Some(place) = place {
            self.subscriptions.remove(place);
        }
    }

    fn add_to_edge(&mut self, (source, target): (NameId, NameId)) {
        let mut edges = self.edges.iter_mut();
        match edges.find(|(from, to, _)| (*from, *to) == (source, target)) {
            Some((.., count)) => *count += 1,
            None => self.edges.push((source, target, 1)),
        }
    }
}
