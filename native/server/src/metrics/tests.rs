//! Tests of all metrics together.

use super::{Meter, Snapshot, SupervisorMetrics};
use highwater::{
    Overflow,
    error::{AppError, Breaker, Handler, IdGenerator, Incident, RetryBudget, RetryPolicy},
    events::Bus,
    scale::{Pool, PoolOptions, Work},
    stream::{Bound, Pipeline, channel_with_clock},
    tokio::TokioClock,
};
use prometheus_parse::{Scrape, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{ErrorKind, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Returns the metrics of a worker that has registered each kind of source, and of its
/// supervisor.
fn all_metrics() -> Snapshot {
    let meter = Meter::default();

    let bus = Bus::new();
    meter.register("shop", &bus).unwrap();
    let inbox = bus.emitter::<u8>().inbox("mail", 1, Overflow::Wait);
    let inbox = inbox.unwrap();
    meter.register("mail", &inbox.monitor()).unwrap();
    bus.emit(&1_u8).unwrap();
    bus.emit(&2_u8).unwrap_err();
    bus.emit(&"unhandled").unwrap();

    let (sender, receiver) = channel_with_clock(
        Bound::items(2).unwrap(),
        Overflow::DropOldest,
        Arc::new(TokioClock),
    );
    meter.register("uploads", &receiver.monitor()).unwrap();
    for item in 0..3 {
        sender.try_send(item).unwrap();
    }

    let items = futures::stream::iter(vec![[0_u8; 10]; 3]);
    let run = Pipeline::from_stream("zeros", items)
        .clock(Arc::new(TokioClock))
        .into_sink("drain", futures::sink::drain());
    meter.register("zeros", &run.monitor()).unwrap();
    futures::executor::block_on(run).unwrap();

    let options = PoolOptions::new(1).clock(Arc::new(|| Duration::ZERO));
    let pool = Pool::new(options, Work::run);
    meter.register("images", &pool).unwrap();
    drop(pool.try_run(|_| ()));

    let breaker = Breaker::new("stripe").failure_threshold(1);
    meter.register("stripe", &breaker).unwrap();
    let permit = breaker.admit(Duration::ZERO).unwrap();
    breaker.record_failure(permit, Duration::ZERO);

    let budget = RetryBudget::new().burst(7);
    let policy = RetryPolicy::new().budget(budget.clone());
    meter.register("policy", &policy).unwrap();
    meter
        .register("budget", &Arc::new(Mutex::new(budget)))
        .unwrap();

    let handler = Arc::new(Handler::new());
    meter.register("jobs", &handler).unwrap();
    let incident = Incident::new(IdGenerator::new(7).generate(), "GET /");
    let _decision = handler.handle(&AppError::not_found("no such page"), &incident);

    let mut metrics = meter.metrics();
    SupervisorMetrics::default().add_to(&mut metrics);
    metrics
}

/// Returns the value with this name and these labels.
fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> Option<Value> {
    let has_labels = |sample: &&prometheus_parse::Sample| {
        let labels = labels.iter();
        let mut labels = labels.map(|(name, value)| sample.labels.get(name) == Some(value));
        sample.metric == format!("highwater_{name}") && labels.all(|is_equal| is_equal)
    };
    scrape
        .samples
        .iter()
        .find(has_labels)
        .map(|sample| sample.value.clone())
}

fn parse(text: &str) -> Scrape {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    Scrape::parse(lines).unwrap()
}

/// The name, some labels and the value of a metric.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

#[test]
fn every_source_is_read() {
    let scrape = parse(&all_metrics().to_text());
    let counters: &[Expected] = &[
        ("bus_emits_total", &[("bus", "shop"), ("event", "u8")], 2.0),
        ("bus_unhandled_total", &[("event", "&str")], 1.0),
        (
            "bus_deliveries_total",
            &[("event", "u8"), ("listener", "mail")],
            2.0,
        ),
        (
            "bus_failures_total",
            &[("event", "u8"), ("listener", "mail")],
            1.0,
        ),
        ("inbox_sent_events_total", &[("inbox", "mail")], 1.0),
        ("inbox_rejected_events_total", &[("inbox", "mail")], 1.0),
        ("channel_sent_items_total", &[("channel", "uploads")], 3.0),
        (
            "channel_dropped_items_total",
            &[("channel", "uploads")],
            1.0,
        ),
        (
            "pipeline_input_items_total",
            &[("pipeline", "zeros"), ("stage", "drain")],
            3.0,
        ),
        ("pipeline_output_bytes_total", &[("stage", "zeros")], 30.0),
        (
            "jobs_total",
            &[("pool", "images"), ("outcome", "cancelled")],
            0.0,
        ),
        (
            "errors_total",
            &[("handler", "jobs"), ("class", "operational")],
            1.0,
        ),
        ("errors_by_code_total", &[("code", "not_found")], 1.0),
        ("errors_by_code_total", &[("code", "other")], 0.0),
        ("error_decisions_total", &[("decision", "respond")], 1.0),
        ("error_disconnects_total", &[("handler", "jobs")], 0.0),
        ("http_requests_total", &[("status", "2xx")], 0.0),
        ("worker_restarts_total", &[], 0.0),
    ];
    for (name, labels, count) in counters {
        let counter = Some(Value::Counter(*count));
        assert_eq!(value(&scrape, name, labels), counter, "{name} {labels:?}");
    }
    let gauges: &[Expected] = &[
        ("inbox_queued_events", &[("inbox", "mail")], 1.0),
        ("inbox_capacity_events", &[("inbox", "mail")], 1.0),
        ("channel_queued_items", &[("channel", "uploads")], 2.0),
        ("channel_peak_weight", &[("channel", "uploads")], 2.0),
        (
            "breaker_state",
            &[("breaker", "stripe"), ("state", "open")],
            1.0,
        ),
        (
            "breaker_state",
            &[("breaker", "stripe"), ("state", "closed")],
            0.0,
        ),
        ("retries_available", &[("retry_budget", "policy")], 7.0),
        ("retries_available", &[("retry_budget", "budget")], 7.0),
    ];
    for (name, labels, number) in gauges {
        let gauge = Some(Value::Gauge(*number));
        assert_eq!(value(&scrape, name, labels), gauge, "{name} {labels:?}");
    }
    let histogram = value(&scrape, "job_run_seconds", &[("pool", "images")]);
    let Some(Value::Histogram(buckets)) = histogram else {
        panic!("{histogram:?}");
    };
    assert!(
        buckets.iter().all(|bucket| bucket.count > 0.5),
        "{buckets:?}"
    );
}

#[test]
fn readme_lists_all_metrics() {
    let text = all_metrics().to_text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: BTreeSet<_> = types.map(str::to_owned).collect();
    let readme = include_str!("../../README.md");
    let is_included = |row: &&str| {
        row.starts_with("| `highwater_")
            && (cfg!(feature = "http2") || !row.contains("with the feature `http2`"))
    };
    let rows = readme.lines().filter(is_included);
    let rows: BTreeSet<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            format!("{} {}", cells[1].trim_matches('`'), cells[2])
        })
        .collect();
    assert_eq!(rows, types);
}

/// Checks the rules that `promtool check metrics` enforces.
#[test]
fn names_are_unique_and_match_their_types() {
    let text = all_metrics().to_text();
    let mut kinds = BTreeMap::new();
    let mut family_name = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            family_name = Some(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(family_name, Some(name), "{line}");
            assert_eq!(kinds.insert(name, kind), None, "{line}");
            let is_total = name.ends_with("_total");
            assert_eq!(is_total, kind == "counter", "{line}");
        } else {
            let name = family_name.unwrap();
            assert!(line.starts_with(name), "{line}");
        }
    }
}

/// The suite `unit` of the package `tests` installs promtool. Elsewhere it may be missing.
#[test]
fn promtool_accepts_all_metrics() {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    promtool
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Ok(promtool) => promtool,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: promtool is not on the PATH");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let text = all_metrics().to_text();
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}
