//! Measures, series, CSV and digests of whole traces.

use highwater::{
    analysis::{MeasureUnit, Measures, Metric, Series, digest, write_csv},
    scenario::{self, Experiment, scaling_figures},
    trace::{PackedBatch, RecordBatch, Trace},
};
use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

fn experiment(name: &str, set: &[(&str, &str)]) -> Experiment {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in set {
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn run(name: &str, set: &[(&str, &str)]) -> Trace {
    experiment(name, set).simulate()
}

/// Every preset of every scenario, except the slow ones.
static PRESETS: LazyLock<Vec<Trace>> = LazyLock::new(|| {
    let presets = scenario::ALL.iter().flat_map(|scenario| {
        let presets = scenario.presets.iter();
        presets.map(|preset| (scenario.name, preset.set))
    });
    let is_quick =
        |(_, set): &(_, &[(&str, &str)])| set.iter().all(|(_, value)| value != &"1000000");
    let runs = presets.filter(is_quick).map(|(name, set)| run(name, set));
    runs.collect()
});

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

#[test]
fn measures_match_the_service_table() {
    for (name, source) in [
        ("observer", "Sensor"),
        ("decoupling", "UserService"),
        ("taxonomy", "Api"),
        ("handler", "Gateway"),
        ("blocking", "Requests"),
        ("cluster", "Front"),
    ] {
        let trace = run(name, &[]);
        let measures = Measures::of(&trace);
        let summary = trace.summary();
        let source = trace.id(source).unwrap();
        let counters = summary.counters(source);
        assert_eq!(measures.get("begun"), Some(counters.started), "{name}");
        assert_eq!(measures.get("done"), Some(counters.succeeded), "{name}");
        assert_eq!(measures.get("failed"), Some(counters.failed), "{name}");
    }
}

#[test]
fn latency_covers_successes() {
    // Without failures it matches the service table.
    for (name, source) in [("observer", "Sensor"), ("blocking", "Requests")] {
        let trace = run(name, &[]);
        let (measures, summary) = (Measures::of(&trace), trace.summary());
        assert_eq!(measures.get("failed"), Some(0), "{name}");
        for (key, percent) in [("p50", 50), ("p99", 99)] {
            let known = summary.percentile(trace.id(source).unwrap(), percent);
            assert_eq!(measures.get(key), known.map(nanos), "{name} {key}");
        }
    }
    // Most requests are rejected at once, since no worker is left.
    let set = [("policy", "crash"), ("workers", "2"), ("requests", "120")];
    let trace = run("handler", &set);
    let measures = Measures::of(&trace);
    assert!(measures.get("failed") > measures.get("done"));
    assert!(measures.get("p50") > Some(20_000_000), "{measures:?}");
    for metric in [Metric::Latency, Metric::Throughput] {
        let series = Series::of(&trace, metric, None);
        let last = series.lines[0].points.last().unwrap();
        let nothing = (metric == Metric::Throughput).then_some(0);
        assert_eq!(last.value, nothing, "{metric:?}: no more successes");
    }
}

#[test]
fn latency_includes_waiting_for_room() {
    let set = [
        ("chunk", "64"),
        ("mark", "64"),
        ("read", "15"),
        ("write", "45"),
    ];
    let measures = Measures::of(&run("backpressure", &set));
    // Two chunks are ahead of each: one being written, and one in the queue.
    assert!(measures.get("p50") > Some(100_000_000), "{measures:?}");
}

#[test]
fn stream_measures_cover_the_last_stage() {
    let heeded = Measures::of(&run("backpressure", &[]));
    let ignored = Measures::of(&run("backpressure", &[("heed", "ignore")]));
    assert_eq!(heeded.get("done"), Some(60));
    assert_eq!(heeded.get("bytes"), Some(256 << 10));
    assert!(ignored.get("bytes") > Some(2 << 20));
    assert_eq!(heeded.get("throughput"), ignored.get("throughput"));
    // From the source to the end, not only at the last stage.
    assert!(ignored.get("p99") > Some(1_000_000_000));
    assert_eq!(heeded.get("in_flight"), None);
    let dropping = Measures::of(&run("backpressure", &[("overflow", "drop-oldest")]));
    assert_eq!(dropping.get("dropped"), Some(35));
    let pipeline = Measures::of(&run("pipeline", &[]));
    assert_eq!(
        (pipeline.get("done"), pipeline.get("p99")),
        (Some(80), None)
    );
}

#[test]
fn wrong_answers_and_lost_processes_are_counted() {
    let swallowed = Measures::of(&run("handler", &[("policy", "swallow")]));
    let supervised = Measures::of(&run("handler", &[]));
    assert!(swallowed.get("wrong") > Some(0));
    assert_eq!(swallowed.get("processes_lost"), Some(0));
    assert_eq!(supervised.get("wrong"), Some(0));
    assert_eq!(supervised.get("processes_lost"), Some(3));
    // A supervisor that gives up is not counted as a process.
    let killed = Measures::of(&run("cluster", &[]));
    assert_eq!(killed.get("processes_lost"), Some(1));
}

#[test]
fn lag_matches_the_scenario() {
    let trace = run("blocking", &[]);
    let figures = scaling_figures(&trace);
    let (_, shown) = figures.iter().find(|it| it.0 == "Loop lag p99").unwrap();
    let lag = Measures::of(&trace).get("lag").unwrap();
    let hundredths = lag / 10_000;
    let lag = format!("{}.{:02} ms", hundredths / 100, hundredths % 100);
    assert_eq!(&lag, shown);
}

#[test]
fn totals_survive_missing_records() {
    for whole in PRESETS.iter() {
        let mut sampled = whole.clone();
        let mut seen = BTreeSet::new();
        // The last record of each source and kind, and one in five of the others.
        let mut place = 0;
        let mut kept: Vec<_> = whole.events.iter().rev().copied().collect();
        kept.retain(|event| {
            place += 1;
            seen.insert((event.source, event.kind)) || place % 5 == 0
        });
        kept.reverse();
        sampled.events = kept;
        let (whole, sampled) = (Measures::of(whole), Measures::of(&sampled));
        for key in ["duration", "begun", "done", "failed", "throughput"] {
            assert_eq!(sampled.get(key), whole.get(key), "{key}");
        }
    }
}

#[test]
fn sample_has_the_full_rate() {
    let whole = run(
        "cluster",
        &[("requests", "2000"), ("interval", "5"), ("event", "none")],
    );
    let mut sample = whole.clone();
    // All records of one request in seven.
    sample.events.retain(|event| event.subject % 7 == 0);
    let window = Series::window([&whole]);
    let rates = |trace: &Trace| {
        let series = Series::of(trace, Metric::Throughput, window);
        let points = series.lines[0].points.iter();
        points.map(|point| point.value.unwrap()).collect::<Vec<_>>()
    };
    let (all, some) = (rates(&whole), rates(&sample));
    for (all, some) in all.iter().zip(&some).skip(5) {
        assert!(all.abs_diff(*some) < all / 5, "{all} and {some}");
    }
    let [whole, sample] = [&whole, &sample].map(Measures::of);
    let pairs = || whole.iter().zip(sample.iter());
    assert!(pairs().all(|(whole, sample)| whole.label == sample.label));
    assert!(whole.iter().all(|it| it.note.is_none()));
    let notes = pairs().filter_map(|it| Some((it.1.key, it.1.note.as_deref()?)));
    let of = "of 285 recorded";
    let wanted = [
        ("p50", of),
        ("p99", of),
        ("p999", of),
        ("in_flight", "at least"),
    ];
    assert_eq!(notes.collect::<Vec<_>>(), wanted);
}

#[test]
fn every_run_has_the_same_measures() {
    let mut keys: Option<Vec<&str>> = None;
    for trace in PRESETS.iter() {
        let measures = Measures::of(trace);
        let those: Vec<_> = measures.iter().map(|it| it.key).collect();
        assert_eq!(keys.get_or_insert_with(|| those.clone()), &those);
        assert!(measures.iter().all(|it| it.label.len() > 3));
    }
}

#[test]
fn lines_are_in_order_and_bounded() {
    let long = [
        run("decoupling", &[("users", "2000"), ("interval", "10")]),
        run(
            "backpressure",
            &[("chunks", "2000"), ("heed", "ignore"), ("chunk", "1")],
        ),
        run("cluster", &[("requests", "2000"), ("interval", "2")]),
    ];
    for trace in PRESETS.iter().chain(&long) {
        let end = trace
            .events
            .last()
            .map(highwater::trace::Event::recorded_at);
        for metric in Metric::ALL {
            for line in Series::of(trace, metric, None).lines {
                let name = format!("{} {metric:?} {}", trace.scenario, line.name);
                assert!(line.points.len() <= 500, "{name}: {}", line.points.len());
                assert!(line.points.is_sorted_by_key(|point| point.at), "{name}");
                assert!(line.points.last().map(|point| point.at) <= end, "{name}");
            }
        }
    }
}

#[test]
fn thinned_line_keeps_its_peaks() {
    let set = [("chunks", "2000"), ("heed", "ignore"), ("write", "16")];
    let trace = run("backpressure", &set);
    let series = Series::of(&trace, Metric::Bytes, None);
    let peak = series.lines[0]
        .points
        .iter()
        .filter_map(|it| it.value)
        .max();
    assert_eq!(peak, Measures::of(&trace).get("bytes"));
    let trace = run("cluster", &[("requests", "2000"), ("interval", "5")]);
    let series = Series::of(&trace, Metric::InFlight, None);
    let peak = series.lines[0]
        .points
        .iter()
        .filter_map(|it| it.value)
        .max();
    assert_eq!(peak, Measures::of(&trace).get("in_flight"));
}

#[test]
fn waiting_for_the_loop_is_in_flight() {
    let on_the_loop = Measures::of(&run("blocking", &[]));
    let offloaded = Measures::of(&run("blocking", &[("run", "offloaded")]));
    assert!(on_the_loop.get("in_flight") > Some(15));
    assert!(offloaded.get("in_flight") < Some(5));
}

#[test]
fn line_breaks_where_nothing_ended() {
    let trace = run("blocking", &[]);
    let latency = Series::of(&trace, Metric::Latency, None);
    let p99 = &latency.lines[0].points;
    assert!(p99.iter().any(|point| point.value.is_none()));
    // A rate without successes is 0.
    let rate = Series::of(&trace, Metric::Throughput, None);
    assert!(
        rate.lines[0]
            .points
            .iter()
            .all(|point| point.value.is_some())
    );
    assert_eq!(rate.window, latency.window);
}

#[test]
fn rate_covers_the_window_before_it() {
    let trace = run("backpressure", &[]);
    let window = Duration::from_millis(500);
    let series = Series::of(&trace, Metric::Throughput, Some(window));
    let [first, .., last] = series.lines[0].points.as_slice() else {
        panic!("it has points");
    };
    assert_eq!(first.at, window);
    // 45 ms for each chunk.
    let per_second = |milli: Option<u64>| milli.unwrap() / 1000;
    assert!((18..=24).contains(&per_second(last.value)), "{last:?}");
}

#[test]
fn metrics_without_data_are_left_out() {
    let names = |trace: &Trace| {
        let metrics = Metric::available(trace).into_iter();
        metrics.map(Metric::name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&run("backpressure", &[])), "latency throughput bytes");
    assert_eq!(
        names(&run("blocking", &[])),
        "latency throughput in_flight lag"
    );
    assert_eq!(
        names(&run("handler", &[])),
        "latency throughput in_flight failures"
    );
    assert_eq!(names(&Trace::default()), "");
}

#[test]
fn csv_has_a_line_per_record() {
    for trace in PRESETS.iter() {
        let mut csv = Vec::new();
        write_csv(trace, &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let mut reader = csv.split_terminator("\r\n");
        let columns = reader.next().unwrap().split(',').count();
        let rows: Vec<_> = reader.collect();
        assert_eq!(rows.len(), trace.events.len());
        for row in rows.iter().filter(|row| !row.contains('"')) {
            assert_eq!(row.split(',').count(), columns, "{row}");
        }
    }
}

#[test]
fn digest_is_independent_of_batching() {
    let whole = run("decoupling", &[]);
    let mut in_pieces = experiment("decoupling", &[]).new_trace("virtual");
    let mut first_name = 0;
    for events in whole.events.chunks(7) {
        // Like batches of a Worker, in which names precede their use.
        let names = if first_name == 0 {
            whole.names.clone()
        } else {
            Vec::new()
        };
        let batch = RecordBatch {
            first_name,
            names,
            events: events.to_vec(),
            dropped: 0,
        };
        first_name = whole.names.len();
        in_pieces.append(RecordBatch::try_from(PackedBatch::from(batch)).unwrap());
    }
    assert_eq!(digest(&in_pieces), digest(&whole));
    assert_ne!(digest(&run("decoupling", &[("seed", "2")])), digest(&whole));
    let mut shorter = whole.clone();
    shorter.events.pop();
    assert_ne!(digest(&shorter), digest(&whole));
    let mut renamed = whole.clone();
    renamed.names[0].push('x');
    assert_ne!(digest(&renamed), digest(&whole));
}

/// Every machine computes these digests; `web/analysis` checks them in a browser.
#[test]
fn digests_match_the_golden_file() {
    let lines = include_str!("../digests.txt").lines();
    let digests: Vec<_> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    let names = digests.iter().map(|(name, _)| *name);
    assert!(names.eq(scenario::ALL.iter().map(|it| it.name)));
    for (name, known) in digests {
        let found = digest(&run(name, &[("seed", "7")]));
        assert_eq!(
            found, known,
            "{name}: if intended, update core/tests/digests.txt"
        );
    }
}

#[test]
fn numbers_have_three_digits() {
    let shown = |nanos| MeasureUnit::Nanoseconds.text(nanos);
    assert_eq!(shown(0), "0 µs");
    assert_eq!(shown(57_000), "57.0 µs");
    assert_eq!(shown(999_499), "999 µs");
    assert_eq!(shown(999_500), "1.00 ms");
    assert_eq!(shown(9_996_000), "10.0 ms");
    assert_eq!(shown(999_600_000), "1.00 s");
    assert_eq!(shown(125_000_000_000), "125 s");
    assert_eq!(MeasureUnit::Bytes.text(1023), "1023 B");
    assert_eq!(MeasureUnit::Bytes.text(1536), "1.50 KiB");
    assert_eq!(MeasureUnit::Bytes.text(2_555_904), "2.44 MiB");
}
