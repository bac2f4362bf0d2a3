//! Readers of a trace: totals and the Chrome export.

use crate::common::ManualClock;
use highwater::{
    Clock,
    trace::{Counters, Event, NameId, Phase, RecordKind, Recorder, Span, Summary, Trace, VERSION},
};
use proptest::prelude::*;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);

struct Recording {
    clock: ManualClock,
    recorder: Recorder,
}

impl Recording {
    fn new(capacity: usize) -> Self {
        let clock = ManualClock::default();
        let recorder = Recorder::new(Arc::new(clock.clone()), capacity);
        Recording { clock, recorder }
    }

    fn trace(&self) -> Trace {
        let mut trace = Trace {
            version: VERSION,
            scenario: "test".to_owned(),
            world: "virtual".to_owned(),
            seed: 9,
            params: vec![("key".to_owned(), "\"value\"".to_owned())],
            names: Vec::new(),
            events: Vec::new(),
            dropped: 0,
            died: None,
        };
        trace.append(self.recorder.drain());
        trace
    }
}

fn chrome(trace: &Trace) -> (String, Value) {
    let mut bytes = Vec::new();
    trace.write_chrome(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let value = serde_json::from_str(&text).expect("it is JSON");
    (text, value)
}

/// Returns the events of one phase of the format: `X` is a span, `B` an open one.
fn phase<'a>(value: &'a Value, ph: &'a str) -> impl Iterator<Item = &'a Value> {
    let events = value["traceEvents"].as_array().unwrap();
    events.iter().filter(move |event| event["ph"] == ph)
}

/// Returns the spans by track, in nanoseconds. An open span lasts for ever.
fn spans_by_track(value: &Value) -> BTreeMap<u64, Vec<(u64, u64)>> {
    let nanos = |event: &Value, key: &str| {
        let micros = event[key].as_f64().unwrap();
        u64::try_from(Duration::from_secs_f64(micros / 1e6).as_nanos()).unwrap()
    };
    let mut tracks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in phase(value, "X").chain(phase(value, "B")) {
        let start = nanos(event, "ts");
        let end = match event["ph"].as_str() {
            Some("X") => start + nanos(event, "dur"),
            _ => u64::MAX,
        };
        let track = event["tid"].as_u64().unwrap();
        tracks.entry(track).or_default().push((start, end));
    }
    tracks
}

fn assert_no_overlap(value: &Value) {
    for (track, mut spans) in spans_by_track(value) {
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "track {track}: {pair:?}");
        }
    }
}

#[test]
fn chrome_export_names_its_tracks() {
    let recording = Recording::new(64);
    let Recording { clock, recorder } = &recording;
    let (one, two) = (recorder.name("one"), recorder.name("two \"quoted\""));
    let first = recorder.begin(RecordKind::Handle, one, 1);
    let second = recorder.on_thread(4).begin(RecordKind::Handle, one, 2);
    recorder.send(RecordKind::Call, two, one, 1);
    clock.advance(2 * MS);
    first.fail("out");
    second.succeed();
    let (_, value) = chrome(&recording.trace());

    let names: Vec<_> = phase(&value, "M")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["test (virtual)", "one", "one (2)", "two \"quoted\""]
    );
    let ends: Vec<_> = phase(&value, "X").collect();
    assert_eq!(ends[0]["name"], "handle 1");
    assert_eq!(ends[0]["cat"], "handle");
    assert_eq!(ends[0]["dur"], 2000.0, "microseconds");
    assert_eq!(ends[0]["args"]["failure"], "out");
    assert_eq!(ends[1]["args"]["thread"], 4);
    assert_ne!(ends[0]["tid"], ends[1]["tid"]);
    let instant = phase(&value, "i").next().unwrap();
    assert_eq!(instant["args"]["target"], "one");
    let counts: Vec<_> = phase(&value, "C")
        .filter(|event| event["name"] == "one in flight")
        .map(|event| event["args"]["spans"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 2, 1, 0]);
    assert_eq!(value["otherData"]["seed"], 9);
    assert_eq!(value["otherData"]["params"]["key"], "\"value\"");
    assert_eq!(phase(&value, "B").count(), 0, "an end draws its start");
}

#[test]
fn chrome_export_shows_open_spans() {
    let recording = Recording::new(64);
    let Recording { clock, recorder } = &recording;
    let one = recorder.name("one");
    clock.advance(MS);
    let endless = recorder.begin(RecordKind::Handle, one, 1);
    recorder.begin(RecordKind::Handle, one, 2).succeed();
    let (_, value) = chrome(&recording.trace());
    let begins: Vec<_> = phase(&value, "B").collect();
    assert_eq!(begins.len(), 1);
    assert_eq!(begins[0]["name"], "handle 1");
    assert_eq!(begins[0]["ts"], 1000.0);
    assert_no_overlap(&value);
    drop(endless);
}

#[test]
fn waiting_request_gets_its_own_track() {
    let recording = Recording::new(64);
    let Recording { clock, recorder } = &recording;
    let server = recorder.name("server");
    // One after the other, but the second was due before the first ended.
    for due_ms in [0, 5] {
        let due = Duration::from_millis(due_ms);
        let span = recorder.begin_at(due, RecordKind::Request, server, due_ms);
        clock.advance(10 * MS);
        span.succeed();
    }
    let (_, value) = chrome(&recording.trace());
    assert_eq!(spans_by_track(&value).len(), 2);
    assert_no_overlap(&value);
}

#[test]
fn empty_trace_can_be_exported() {
    let trace = Recording::new(1).trace();
    let (_, value) = chrome(&trace);
    assert_eq!(value["traceEvents"].as_array().unwrap().len(), 1);
    assert_eq!(trace.summary(), Summary::default());
}

/// Spans: source, delay of the start, duration, and time until the next begin.
type Plan = Vec<(u8, u64, u64, u64)>;

fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec((0..3u8, 0..40u64, 0..60u64, 0..30u64), 0..40)
}

/// Open spans by their end and a unique number.
type Open = BTreeMap<(Duration, usize), Span>;

/// Advances the clock and ends the spans that are due.
fn advance_to(until: Duration, clock: &ManualClock, open: &mut Open) {
    while let Some(entry) = open.first_entry().filter(|entry| entry.key().0 <= until) {
        let ((end, _), span) = entry.remove_entry();
        clock.advance(end.saturating_sub(clock.now()));
        span.succeed();
    }
    clock.advance(until.saturating_sub(clock.now()));
}

/// Records a plan. Spans may overlap, and may still be open at the end.
fn perform(plan: &Plan, capacity: usize) -> Trace {
    let recording = Recording::new(capacity);
    let Recording { clock, recorder } = &recording;
    let mut open = Open::new();
    for (number, &(source, early, lasts, gap)) in plan.iter().enumerate() {
        let source = recorder.name(&format!("source {source}"));
        let [early, lasts, gap] = [early, lasts, gap].map(Duration::from_millis);
        let due = clock.now().saturating_sub(early);
        // Subjects repeat, as with overlapping retries of one request.
        let span = recorder.begin_at(due, RecordKind::Handle, source, number as u64 / 2);
        open.insert((clock.now() + lasts, number), span);
        advance_to(clock.now() + gap, clock, &mut open);
    }
    recording.trace()
}

/// Returns the nearest rank by its definition: the least sample that at least
/// `percent` % of the samples do not exceed.
fn nearest_rank(samples: &[Duration], percent: usize) -> Option<Duration> {
    let enough = |candidate: &Duration| {
        let within = samples.iter().filter(|sample| *sample <= candidate).count();
        within * 100 >= percent * samples.len()
    };
    samples
        .iter()
        .copied()
        .filter(|sample| enough(sample))
        .min()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_of_one_track_never_overlap(plan in plan(), capacity in 1..80usize) {
        // A small ring: ends whose starts were dropped are drawn too.
        let trace = perform(&plan, capacity);
        let (text, value) = chrome(&trace);
        assert_no_overlap(&value);
        prop_assert_eq!(text, chrome(&trace).0, "the same bytes");
        let ends = trace.events.iter().filter(|e| e.phase == Phase::End).count();
        prop_assert_eq!(phase(&value, "X").count(), ends);
        if trace.dropped == 0 {
            let summary = trace.summary();
            let open: u64 = summary.sources().map(|id| summary.counters(id).in_flight()).sum();
            prop_assert_eq!(phase(&value, "B").count() as u64, open);
        }
    }

    #[test]
    fn summary_matches_a_naive_count(plan in plan()) {
        let trace = perform(&plan, 1024);
        let summary = trace.summary();
        prop_assert_eq!(summary.events(), trace.events.len() as u64);
        for source in summary.sources() {
            let of = |phase| trace.events.iter().filter(move |e| e.source == source && e.phase == phase);
            let well = of(Phase::End).filter(|event| event.failure.is_none());
            let samples: Vec<_> = well.map(|event| event.duration).collect();
            for percent in [0, 1, 50, 90, 99, 100] {
                let percentile = summary.percentile(source, percent);
                prop_assert_eq!(percentile, nearest_rank(&samples, percent));
            }
            prop_assert_eq!(summary.counters(source).started, of(Phase::Begin).count() as u64);
            prop_assert_eq!(summary.counters(source).succeeded, samples.len() as u64);
            prop_assert_eq!(summary.counters(source).finished(), of(Phase::End).count() as u64);
        }
    }
}

#[test]
fn summary_counts_messages_by_edge() {
    let recording = Recording::new(64);
    let recorder = &recording.recorder;
    let [a, b, c]: [NameId; 3] = ["a", "b", "c"].map(|name| recorder.name(name));
    // `b` records first, but sources are in the order of their names, and edges in
    // the order of first use.
    for (source, target) in [(b, c), (a, b), (a, b)] {
        recorder.send(RecordKind::Call, source, target, 1);
    }
    let summary = recording.trace().summary();
    assert_eq!(summary.sources().collect::<Vec<_>>(), [a, b]);
    assert_eq!(summary.edges().collect::<Vec<_>>(), [(b, c, 1), (a, b, 2)]);
    assert_eq!((summary.edge(a, b), summary.edge(b, a)), (2, 0));
    assert_eq!(summary.percentile(a, 50), None);
    assert_eq!(summary.counters(c), Counters::default());
}

#[test]
fn percentile_of_one_sample_is_that_sample() {
    let recording = Recording::new(64);
    let one = recording.recorder.name("one");
    let span = recording.recorder.begin(RecordKind::Handle, one, 1);
    recording.clock.advance(3 * MS);
    span.succeed();
    let trace = recording.trace();
    let summary = trace.summary();
    for percent in [0, 50, 100, 1000] {
        assert_eq!(summary.percentile(one, percent), Some(3 * MS));
    }
    assert_eq!(trace.events.last().map(Event::recorded_at), Some(3 * MS));
}
