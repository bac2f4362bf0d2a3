//! The totals of a trace.

use super::{Counters, Event, NameId, Phase, RecordKind};
use crate::latency::{nanos, nearest_rank};
use std::time::Duration;

/// The totals of a trace, or of its beginning: how much each source did, how long it
/// took, and which sources exchange messages.
///
/// Percentiles are exact (nearest rank), not estimated from buckets.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder, Summary};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
/// recorder.send(RecordKind::Call, api, mail, 7);
/// recorder.begin(RecordKind::Handle, mail, 7).succeed();
///
/// let mut summary = Summary::default();
/// for event in &recorder.drain().events {
///     summary.apply(event);
/// }
/// assert_eq!(summary.edge(api, mail), 1);
/// assert_eq!(summary.counters(mail).succeeded, 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Indexed by [`NameId`]: names are few, and most of them are sources.
    sources: Vec<SourceTotals>,
    /// In order of first use. There are as many as arrows in the picture.
    edges: Vec<(NameId, NameId, u64)>,
    subscriptions: Vec<(NameId, NameId)>,
    dependencies: Vec<(NameId, NameId)>,
    queues: Vec<(NameId, QueueTotals)>,
    events: u64,
}

/// The totals of a queue of bytes.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder, Trace};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let queue = recorder.name("queue");
/// recorder.instant(RecordKind::Mark, queue, 256);
/// for bytes in [64, 128, 0] {
///     recorder.instant(RecordKind::Level, queue, bytes);
/// }
///
/// let mut trace = Trace::default();
/// trace.append(recorder.drain());
/// let (_, totals) = trace.summary().queues().next().unwrap();
/// assert_eq!((totals.mark, totals.peak, totals.level), (256, 128, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueTotals {
    /// The high-water mark, in bytes.
    pub mark: u64,
    /// The bytes it holds.
    pub level: u64,
    /// The most bytes it held so far.
    pub peak: u64,
    /// The time its writers waited for room, if recorded.
    pub stalled: Option<Duration>,
    /// Items it dropped.
    pub dropped: u64,
    /// Items it rejected.
    pub rejected: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SourceTotals {
    events: u64,
    counters: Counters,
    lost: u64,
    /// The number of recorded ends of spans of work.
    ended: u64,
    /// Durations of successful spans in nanoseconds, unsorted: records are applied
    /// far more often than percentiles are read.
    durations: Vec<u64>,
}

impl Summary {
    /// Adds the next record.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Summary};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.instant(RecordKind::Start, recorder.name("Api"), 0);
    /// let mut summary = Summary::default();
    /// summary.apply(&recorder.drain().events[0]);
    /// assert_eq!(summary.events(), 1);
    /// ```
    pub fn apply(&mut self, event: &Event) {
        self.events += 1;
        // The operator who sets parameters is not part of the run.
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
                source.durations.push(nanos(event.duration));
            }
        }
        match event.kind {
            RecordKind::Drop => source.lost += event.subject,
            RecordKind::Reject => source.lost += 1,
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

    /// Returns the totals of every queue, in the order in which they were opened.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let queue = recorder.name("queue");
    /// recorder.instant(RecordKind::Mark, queue, 256);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// let queues: Vec<_> = summary.queues().map(|(id, totals)| (id, totals.mark)).collect();
    /// assert_eq!(queues, [(queue, 256)]);
    /// ```
    pub fn queues(&self) -> impl Iterator<Item = (NameId, QueueTotals)> + '_ {
        self.queues.iter().copied()
    }

    /// Returns the number of records applied.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 1).succeed();
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.events(), 2);
    /// ```
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the totals of a source; zero if it recorded nothing yet.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let mail = recorder.name("EmailService");
    /// recorder.begin(RecordKind::Handle, mail, 1).fail("no route");
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.counters(mail).failed, 1);
    /// ```
    pub fn counters(&self, source: NameId) -> Counters {
        self.sources
            .get(source.index())
            .map_or_else(Counters::default, |source| source.counters)
    }

    /// Returns the number of items that the full queue of a source dropped or
    /// rejected.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let inbox = recorder.name("EmailService");
    /// recorder.instant(RecordKind::Drop, inbox, 3);
    /// recorder.instant(RecordKind::Reject, inbox, 7);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.lost(inbox), 4);
    /// ```
    pub fn lost(&self, source: NameId) -> u64 {
        self.sources.get(source.index()).map_or(0, |it| it.lost)
    }

    /// Returns a percentile of the durations of the source's successful spans
    /// (nearest rank); `None` if there are none. Failed spans do not count, since a
    /// rejection takes no time.
    ///
    /// Takes time proportional to the number of spans.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let ms = Duration::from_millis;
    /// let recorder = Recorder::new(Arc::new(move || ms(10)), 1024);
    /// let api = recorder.name("Api");
    /// for due in [9, 8, 1] {
    ///     recorder.begin_at(ms(due), RecordKind::Request, api, due).succeed();
    /// }
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// assert_eq!(trace.summary().percentile(api, 50), Some(ms(2)));
    /// assert_eq!(trace.summary().percentile(api, 99), Some(ms(9)));
    /// ```
    pub fn percentile(&self, source: NameId, percent: usize) -> Option<Duration> {
        self.permille(source, 10 * percent.min(100))
    }

    /// Returns the duration below which this many of 1,000 spans of a source stay.
    pub(crate) fn permille(&self, source: NameId, permille: usize) -> Option<Duration> {
        let durations = &self.sources.get(source.index())?.durations;
        nearest_rank(durations, permille).map(Duration::from_nanos)
    }

    /// Returns whether only a [sample](super::Recorder::counting) of the source's
    /// spans was recorded. The counters then cover all spans; percentiles and edges
    /// cover the sample.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let api = recorder.name("Api");
    /// recorder.counting().begin(RecordKind::Request, api, 1).succeed();
    /// recorder.begin(RecordKind::Request, api, 2).succeed();
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert!(summary.is_sample(api));
    /// assert_eq!(summary.counters(api).succeeded, 2);
    /// ```
    pub fn is_sample(&self, source: NameId) -> bool {
        let on_record = self.sources.get(source.index()).map_or(0, |it| it.ended);
        on_record < self.counters(source).finished()
    }

    /// Returns every source with a record, in the order of the names of the trace.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (api, _unused) = (recorder.name("Api"), recorder.name("unused"));
    /// recorder.instant(RecordKind::Start, api, 0);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.sources().collect::<Vec<_>>(), [api]);
    /// ```
    pub fn sources(&self) -> impl Iterator<Item = NameId> + '_ {
        let sources = self.sources.iter().enumerate();
        sources
            .filter(|(_, source)| source.events > 0)
            .map(|(index, _)| NameId::from_index(index))
    }

    /// Returns every pair of source and target with its number of messages, in order
    /// of first use.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
    /// recorder.send(RecordKind::Call, api, mail, 1);
    /// recorder.send(RecordKind::Call, api, mail, 2);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.edges().collect::<Vec<_>>(), [(api, mail, 2)]);
    /// ```
    pub fn edges(&self) -> impl Iterator<Item = (NameId, NameId, u64)> + '_ {
        self.edges.iter().copied()
    }

    /// Returns the dependencies in the code, from source to target, in the order of
    /// recording.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
    /// recorder.send(RecordKind::Depend, api, mail, 0);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.dependencies().collect::<Vec<_>>(), [(api, mail)]);
    /// ```
    pub fn dependencies(&self) -> impl Iterator<Item = (NameId, NameId)> + '_ {
        self.dependencies.iter().copied()
    }

    /// Returns the current subscriptions, from listener to emitter, in order of
    /// subscription.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (mail, bus) = (recorder.name("EmailService"), recorder.name("Bus"));
    /// recorder.send(RecordKind::Subscribe, mail, bus, 0);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!(summary.subscriptions().collect::<Vec<_>>(), [(mail, bus)]);
    /// ```
    pub fn subscriptions(&self) -> impl Iterator<Item = (NameId, NameId)> + '_ {
        self.subscriptions.iter().copied()
    }

    /// Returns the number of messages from `source` to `target`.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
    /// recorder.send(RecordKind::Call, api, mail, 1);
    ///
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// let summary = trace.summary();
    /// assert_eq!((summary.edge(api, mail), summary.edge(mail, api)), (1, 0));
    /// ```
    pub fn edge(&self, source: NameId, target: NameId) -> u64 {
        self.edges()
            .find(|(from, to, _)| (*from, *to) == (source, target))
            .map_or(0, |(.., count)| count)
    }

    /// Updates the queue of the source. Without a mark, a source is not a queue of
    /// bytes.
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
            RecordKind::Reject => queue.rejected += 1,
            _ => {}
        }
    }

    /// Removes one subscription: a source that subscribed twice still listens.
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
