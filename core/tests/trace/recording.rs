//! Recording, draining and the wire schema.

use crate::common::ManualClock;
use highwater::trace::{
    Counters, Event, MalformedBatch, PackedBatch, Phase, RecordBatch, RecordKind, Recorder, Ring,
    Summary, Trace, VERSION,
};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

fn recorder(capacity: usize) -> (ManualClock, Recorder) {
    let clock = ManualClock::default();
    let recorder = Recorder::new(Arc::new(clock.clone()), capacity);
    (clock, recorder)
}

fn empty_trace() -> Trace {
    Trace {
        version: VERSION,
        scenario: "test".to_owned(),
        world: "virtual".to_owned(),
        seed: 1,
        params: Vec::new(),
        names: Vec::new(),
        events: Vec::new(),
        dropped: 0,
        died: None,
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn full_ring_drops_the_oldest() {
    let mut ring = Ring::new(3);
    ring.extend(0..5);
    assert_eq!((ring.len(), ring.dropped()), (3, 2));
    assert_eq!(ring.drain().collect::<Vec<_>>(), [2, 3, 4]);
    assert!(ring.is_empty());
    ring.extend(5..9);
    assert_eq!(ring.dropped(), 3, "the count is kept");
    let mut least = Ring::new(0);
    least.extend([1, 2]);
    assert_eq!(least.drain().collect::<Vec<_>>(), [2]);
}

#[test]
fn counted_spans_appear_in_the_next_record() {
    let (clock, recorder) = recorder(8);
    let (source, target) = (recorder.name("source"), recorder.name("target"));
    let counting = recorder.counting();
    let open = counting.begin(RecordKind::Handle, source, 1);
    clock.advance(MS);
    counting
        .begin(RecordKind::Handle, source, 2)
        .fail("a cause");
    counting.send(RecordKind::Call, source, target, 1);
    drop(counting.on_thread(3).begin(RecordKind::Handle, source, 3));
    assert_eq!(recorder.recorded(), 0);
    recorder.instant(RecordKind::Start, source, 0);
    open.succeed();
    recorder.begin(RecordKind::Handle, source, 4).succeed();
    let events = recorder.drain().events;
    assert_eq!(
        events.iter().map(|it| it.subject).collect::<Vec<_>>(),
        [0, 4, 4]
    );
    let counters = |started, succeeded, failed, sent| Counters {
        started,
        succeeded,
        failed,
        sent,
    };
    assert_eq!(events[0].counters, counters(3, 0, 2, 1));
    assert_eq!(events[2].counters, counters(4, 2, 2, 1));
    let mut summary = Summary::default();
    summary.apply(&events[0]);
    assert!(summary.is_sample(source) && !summary.is_sample(target));
}

#[test]
fn counters_survive_dropped_records() {
    let (_, recorder) = recorder(4);
    let source = recorder.name("source");
    for subject in 0..10 {
        recorder
            .begin(RecordKind::Handle, source, subject)
            .succeed();
    }
    let batch = recorder.drain();
    assert_eq!((batch.events.len(), batch.dropped), (4, 16));
    assert_eq!(recorder.recorded(), 20);
    // The last record alone contains the totals.
    let totals = batch.events.last().unwrap().counters;
    assert_eq!((totals.started, totals.succeeded), (10, 10));
}

#[test]
fn batches_add_up_to_the_trace() {
    let (clock, recorder) = recorder(1024);
    let mut pieces = empty_trace();
    let mut whole = Vec::new();
    for round in 0..5u64 {
        // Every second round uses a new name.
        let source = recorder.name(&format!("source {}", round / 2));
        let target = recorder.name("bus");
        recorder.send(RecordKind::Emit, source, target, round);
        clock.advance(MS);
        whole.push((round, recorder.name(&format!("source {}", round / 2))));
        pieces.append(recorder.drain());
    }
    let emitted = pieces.events.iter().map(|e| (e.subject, e.source));
    assert_eq!(emitted.collect::<Vec<_>>(), whole);
    assert_eq!(pieces.names, ["source 0", "bus", "source 1", "source 2"]);
    let empty = recorder.drain();
    assert_eq!((empty.first_name, empty.names.len()), (4, 0));
    assert!(empty.events.is_empty());
}

#[test]
fn lost_batch_keeps_later_name_ids() {
    let (_, recorder) = recorder(16);
    let _lost = (recorder.name("lost"), recorder.drain());
    let kept = recorder.name("kept");
    recorder.instant(RecordKind::Start, kept, 0);
    let mut trace = empty_trace();
    trace.append(recorder.drain());
    assert_eq!(trace.names, ["?", "kept"]);
    assert_eq!(trace.name(trace.events[0].source), "kept");
    assert_eq!(trace.id("kept"), Some(kept));
    assert_eq!(trace.id("lost"), None);
}

#[test]
fn every_record_has_the_counters_of_its_source() {
    let (_, recorder) = recorder(64);
    let (one, two) = (recorder.name("one"), recorder.name("two"));
    let first = recorder.begin(RecordKind::Handle, one, 1);
    let second = recorder.begin(RecordKind::Handle, one, 2);
    recorder.send(RecordKind::Call, two, one, 1);
    first.fail("out");
    second.succeed();
    recorder.instant(RecordKind::Start, two, 0);
    let events = recorder.drain().events;
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let Counters {
                started,
                succeeded,
                failed,
                sent,
            } = event.counters;
            (started, succeeded, failed, sent)
        })
        .collect();
    let expected = [
        (1, 0, 0, 0),
        (2, 0, 0, 0),
        (0, 0, 0, 1),
        (2, 0, 1, 0),
        (2, 1, 1, 0),
        (0, 0, 0, 1),
    ];
    assert_eq!(seen, expected);
    assert_eq!(events[3].counters.in_flight(), 1);
    assert_eq!(events[4].counters.finished(), 2);
}

#[test]
fn dropped_span_is_recorded_as_cancelled() {
    let (clock, recorder) = recorder(64);
    let source = recorder.name("source");
    let span = recorder.on_thread(3).begin(RecordKind::Handle, source, 1);
    clock.advance(7 * MS);
    drop(span);
    recorder.begin(RecordKind::Handle, source, 2).succeed();
    let mut trace = empty_trace();
    trace.append(recorder.drain());
    let end = trace.events[1];
    assert_eq!((end.phase, end.duration), (Phase::End, 7 * MS));
    assert_eq!(trace.name(end.failure.unwrap()), "cancelled");
    assert_eq!((end.thread, end.counters.in_flight()), (3, 0));
    assert_eq!(trace.events.len(), 4, "each span ended once");
    assert_eq!(trace.events[3].failure, None);
}

#[test]
fn span_counts_from_its_due_time() {
    let (clock, recorder) = recorder(64);
    let source = recorder.name("source");
    clock.advance(10 * MS);
    let late = recorder.begin_at(4 * MS, RecordKind::Request, source, 1);
    // A due time in the future would precede the records that follow.
    let early = recorder.begin_at(50 * MS, RecordKind::Request, source, 2);
    clock.advance(5 * MS);
    late.succeed();
    early.succeed();
    let spans: Vec<_> = recorder
        .drain()
        .events
        .iter()
        .map(|event| (event.at / 1_000_000, event.duration / 1_000_000))
        .map(|(at, duration)| (at.as_nanos(), duration.as_nanos()))
        .collect();
    assert_eq!(spans, [(4, 6), (10, 0), (4, 11), (10, 5)]);
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Begin { source: u8, due_ms: u64 },
    End { which: usize, well: bool },
    Instant(u8),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..50u64).prop_map(Step::Advance),
        (0..3u8, 0..200u64).prop_map(|(source, due_ms)| Step::Begin { source, due_ms }),
        (any::<usize>(), any::<bool>()).prop_map(|(which, well)| Step::End { which, well }),
        (0..3u8).prop_map(Step::Instant),
        Just(Step::Drain),
    ]
}

/// Records a random script, drained in pieces, and joins the pieces.
fn perform(script: &[Step]) -> Trace {
    let (clock, recorder) = recorder(1024);
    let mut trace = empty_trace();
    let mut open = Vec::new();
    for (number, step) in script.iter().enumerate() {
        let name = |source: u8| recorder.name(&format!("source {source}"));
        match step {
            Step::Advance(by) => clock.advance(MS * u32::try_from(*by).unwrap()),
            Step::Begin { source, due_ms } => {
                let due = Duration::from_millis(*due_ms);
                open.push(recorder.begin_at(due, RecordKind::Handle, name(*source), number as u64));
            }
            Step::End { which, well } if !open.is_empty() => {
                let span = open.swap_remove(which % open.len());
                if *well {
                    span.succeed();
                } else {
                    span.fail("out");
                }
            }
            Step::End { .. } => {}
            Step::Instant(source) => recorder.instant(RecordKind::Start, name(*source), 0),
            Step::Drain => trace.append(recorder.drain()),
        }
    }
    drop(open);
    trace.append(recorder.drain());
    assert_eq!(recorder.recorded(), trace.events.len() as u64);
    trace
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_are_ordered_by_time(script in prop::collection::vec(step(), 0..60)) {
        let trace = perform(&script);
        let times: Vec<_> = trace.events.iter().map(Event::recorded_at).collect();
        prop_assert!(times.is_sorted(), "{times:?}");
        // Every span has ended.
        let summary = trace.summary();
        for source in summary.sources() {
            prop_assert_eq!(summary.counters(source).in_flight(), 0);
        }
    }

    #[test]
    fn trace_survives_the_wire(script in prop::collection::vec(step(), 0..60)) {
        let trace = perform(&script);
        let text = serde_json::to_string(&trace).unwrap();
        prop_assert_eq!(serde_json::from_str::<Trace>(&text).unwrap(), trace);
    }
}

/// A change to these lines requires a new `VERSION`: the page, scripts and stored
/// traces depend on them.
#[test]
fn wire_schema_is_version_1() {
    assert_eq!(VERSION, 1);
    let (clock, recorder) = recorder(64);
    let (source, target) = (recorder.name("source"), recorder.name("target"));
    recorder.send(RecordKind::Emit, source, target, 7);
    clock.advance(Duration::from_nanos(1500));
    let span = recorder
        .on_thread(2)
        .begin_at(Duration::ZERO, RecordKind::Request, source, 7);
    span.fail("out");
    let batch = recorder.drain();
    let text = serde_json::to_string(&batch).unwrap();
    assert_eq!(serde_json::from_str::<RecordBatch>(&text).unwrap(), batch);
    let expected = concat!(
        r#"{"first_name":0,"names":["source","target","out"],"events":["#,
        r#"{"at_ns":0,"source":0,"target":1,"kind":"emit","phase":"instant","subject":7,"#,
        r#""counters":{"started":0,"succeeded":0,"failed":0,"sent":1}},"#,
        r#"{"at_ns":0,"duration_ns":1500,"source":0,"kind":"request","phase":"begin","subject":7,"#,
        r#""counters":{"started":1,"succeeded":0,"failed":0,"sent":1},"thread":2},"#,
        r#"{"at_ns":0,"duration_ns":1500,"source":0,"kind":"request","phase":"end","subject":7,"#,
        r#""failure":2,"counters":{"started":1,"succeeded":0,"failed":1,"sent":1},"thread":2}"#,
        r#"],"dropped":0}"#,
    );
    assert_eq!(text, expected);
    let mut trace = empty_trace();
    trace.params = vec![("key".to_owned(), "value".to_owned())];
    assert_eq!(trace.param("key"), "value");
    let expected = concat!(
        r#"{"version":1,"scenario":"test","world":"virtual","seed":1,"#,
        r#""params":[["key","value"]],"names":[],"events":[],"dropped":0,"died":null}"#,
    );
    assert_eq!(serde_json::to_string(&trace).unwrap(), expected);
}

#[test]
fn every_kind_has_a_wire_name() {
    for (number, kind) in RecordKind::ALL.iter().copied().enumerate() {
        assert_eq!(kind as usize, number, "{kind:?}");
        let text = serde_json::to_string(&kind).unwrap();
        assert_eq!(text, format!("{:?}", kind.as_str()));
        assert_eq!(serde_json::from_str::<RecordKind>(&text).unwrap(), kind);
    }
}

#[test]
fn packed_batch_unpacks_to_the_same() {
    let (_, recorder) = recorder(64);
    let (from, to) = (recorder.name("from"), recorder.name("to"));
    drop(recorder.drain());
    for (index, kind) in [
        RecordKind::Start,
        RecordKind::Unsubscribe,
        RecordKind::Compute,
    ]
    .into_iter()
    .enumerate()
    {
        recorder.send(kind, from, to, u64::MAX - index as u64);
    }
    recorder
        .on_thread(3)
        .begin(RecordKind::Handle, to, 7)
        .fail("no room");
    let batch = recorder.drain();
    assert_eq!((batch.first_name, batch.events.len()), (2, 5));
    let packed = PackedBatch::from(batch.clone());
    assert_eq!(RecordBatch::try_from(packed), Ok(batch));
}

#[test]
fn malformed_batch_is_rejected() {
    let (_, recorder) = recorder(64);
    let name = recorder.name("name");
    recorder.instant(RecordKind::Start, name, 1);
    let PackedBatch { names, words } = recorder.drain().into();
    let unpack = |words: &[u64]| {
        RecordBatch::try_from(PackedBatch {
            names: names.clone(),
            words: words.to_vec(),
        })
    };
    assert!(unpack(&words).is_ok());
    for length in (0..words.len()).filter(|length| *length != 3) {
        assert_eq!(
            unpack(&words[..length]),
            Err(MalformedBatch),
            "{length} words"
        );
    }
    // The version; the name, kind and phase of the record.
    for (place, word) in [(0, 99), (5, u64::MAX), (6, 99 << 32), (6, 99)] {
        let mut words = words.clone();
        words[place] = word;
        assert_eq!(unpack(&words), Err(MalformedBatch), "word {place}");
    }
}
