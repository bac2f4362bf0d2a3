//! The metrics of highwater's types.

use super::snapshot::{Buckets, Kind, LATENCY_BOUNDS, Snapshot, Value};
use highwater::{
    LatencyHistogram,
    error::{Breaker, BreakerState, Handler, RetryBudget, RetryPolicy},
    events::{self, Bus, EventMetrics, InboxMonitor},
    scale::Pool,
    stream::{ChannelMonitor, PipelineMonitor},
};
use sealed::Source;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A part of a program that [`Worker::register`](crate::Worker::register) adds to the
/// metrics. It is implemented for these types of [`highwater`]:
///
/// | type | metrics | label |
/// |---|---|---|
/// | [`Bus`], [`AsyncBus`](events::AsyncBus) | emits, deliveries, failures and latencies, by event and listener | `bus` |
/// | [`InboxMonitor`] | events sent, received, dropped, rejected and queued | `inbox` |
/// | [`ChannelMonitor`] | items sent, received, dropped, rejected and queued; senders that wait | `channel` |
/// | [`PipelineMonitor`] | items and bytes, by stage | `pipeline` |
/// | [`Pool`] | jobs by outcome, running, waiting; latencies if the pool has a clock | `pool` |
/// | [`Breaker`] | the workers in each state | `breaker` |
/// | [`RetryPolicy`], `Arc<Mutex<RetryBudget>>` | available retries | `retry_budget` |
/// | `Arc<Handler>` | errors by class, code and decision | `handler` |
///
/// ```
/// use highwater::{Overflow, stream::{Bound, channel}};
/// use highwater_server::Worker;
///
/// # futures::executor::block_on(async {
/// # let worker = Worker::detached();
/// let (sender, receiver) = channel(Bound::items(100)?, Overflow::Wait);
/// worker.register("uploads", &receiver.monitor())?;
/// sender.try_send("a file")?;
/// let metrics = worker.metrics().await?;
/// assert!(metrics.contains("highwater_channel_queued_items{channel=\"uploads\"} 1\n"));
/// # Ok::<(), highwater::BoxError>(())
/// # }).unwrap();
/// ```
///
/// Values are read when the metrics are requested. Only a bus pays for its metrics at each
/// emit, as described for [`events::Metrics`]. A registered bus can still be dropped; the
/// metrics of other types outlive their last handle.
pub trait MetricSource: Source {}

impl<S: Source> MetricSource for S {}

/// Adds the metrics of a source with this name.
pub(super) type Reader = dyn Fn(&str, &mut Snapshot) + Send + Sync;

pub(super) mod sealed {
    pub trait Source {
        /// The name of the label.
        const KIND: &'static str;

        fn reader(&self) -> Box<super::Reader>;
    }
}

impl<M> Source for Bus<M> {
    const KIND: &'static str = "bus";

    fn reader(&self) -> Box<Reader> {
        let start = Instant::now();
        let metrics = events::Metrics::new(self, Arc::new(move || start.elapsed()));
        reader::<Self>(move |reading| {
            for event in metrics.report() {
                reading.read_event(&event);
            }
        })
    }
}

impl Source for InboxMonitor {
    const KIND: &'static str = "inbox";

    fn reader(&self) -> Box<Reader> {
        let monitor = self.clone();
        reader::<Self>(move |reading| {
            let stats = monitor.stats();
            for (metric, help, events) in [
                (
                    "inbox_sent_events_total",
                    "Events that were not rejected.",
                    stats.sent,
                ),
                (
                    "inbox_received_events_total",
                    "Events that were read.",
                    stats.received,
                ),
                (
                    "inbox_dropped_events_total",
                    "Accepted events that were dropped before they were read.",
                    stats.dropped,
                ),
                (
                    "inbox_rejected_events_total",
                    "Events rejected because the inbox was full.",
                    stats.rejected,
                ),
            ] {
                reading.counter(metric, help, &[], events);
            }
            let queued = "Events that are not yet read.";
            reading.gauge("inbox_queued_events", queued, &[], stats.queued as u64);
            let capacity = "The maximum number of queued events.";
            reading.gauge(
                "inbox_capacity_events",
                capacity,
                &[],
                monitor.capacity() as u64,
            );
            let peak = "The highest number of queued events.";
            reading.max_gauge("inbox_peak_events", peak, &[], stats.peak);
            let waiting = "Emits that wait for room.";
            reading.gauge("inbox_waiting_emits", waiting, &[], stats.waiting as u64);
        })
    }
}

impl Source for ChannelMonitor {
    const KIND: &'static str = "channel";

    fn reader(&self) -> Box<Reader> {
        let monitor = self.clone();
        reader::<Self>(move |reading| {
            let stats = monitor.stats();
            for (metric, help, amount) in [
                (
                    "channel_sent_items_total",
                    "Items accepted from senders.",
                    stats.sent,
                ),
                (
                    "channel_received_items_total",
                    "Items that were read.",
                    stats.received,
                ),
                (
                    "channel_dropped_items_total",
                    "Accepted items that were dropped before they were read.",
                    stats.dropped,
                ),
                (
                    "channel_rejected_items_total",
                    "Items rejected because the channel was full.",
                    stats.rejected,
                ),
            ] {
                reading.counter(metric, help, &[], amount.items);
            }
            let queued = "Items that are not yet read.";
            reading.gauge("channel_queued_items", queued, &[], stats.queued.items);
            let weight = "The total weight of the queued items, in the unit of the bound.";
            reading.gauge("channel_queued_weight", weight, &[], stats.queued.weight);
            let peak = "The highest total weight of queued items, in the unit of the bound.";
            reading.max_gauge("channel_peak_weight", peak, &[], stats.peak);
            let waiting = "Senders that wait for room.";
            reading.gauge(
                "channel_waiting_senders",
                waiting,
                &[],
                stats.waiting as u64,
            );
            let stalled = "Time during which at least one sender waited for room.";
            reading.seconds("channel_stalled_seconds_total", stalled, &[], stats.stalled);
        })
    }
}

impl Source for PipelineMonitor {
    const KIND: &'static str = "pipeline";

    fn reader(&self) -> Box<Reader> {
        let monitor = self.clone();
        reader::<Self>(move |reading| {
            for stage in monitor.report().stages {
                let labels = &[("stage", &*stage.name)];
                for (metric, help, count) in [
                    (
                        "pipeline_input_items_total",
                        "Items taken from the previous stage.",
                        stage.input.items,
                    ),
                    (
                        "pipeline_input_bytes_total",
                        "Weight of the items taken from the previous stage.",
                        stage.input.weight,
                    ),
                    (
                        "pipeline_output_items_total",
                        "Items passed on.",
                        stage.output.items,
                    ),
                    (
                        "pipeline_output_bytes_total",
                        "Weight of the items passed on.",
                        stage.output.weight,
                    ),
                    (
                        "pipeline_dropped_items_total",
                        "Items dropped because the branch of a tee was full.",
                        stage.dropped.items,
                    ),
                ] {
                    reading.counter(metric, help, labels, count);
                }
                let peak = "The highest weight held at once.";
                reading.max_gauge("pipeline_peak_bytes", peak, labels, stage.peak);
                let stalled = "Time during which a buffer was full or a destination not ready.";
                let metric = "pipeline_stalled_seconds_total";
                reading.seconds(metric, stalled, labels, stage.stalled);
            }
        })
    }
}

impl Source for Pool {
    const KIND: &'static str = "pool";

    fn reader(&self) -> Box<Reader> {
        let pool = self.clone();
        reader::<Self>(move |reading| {
            let stats = pool.stats();
            for (outcome, jobs) in [
                ("done", stats.done),
                ("rejected", stats.rejected),
                ("panicked", stats.panicked),
                ("cancelled", stats.cancelled),
                ("lost", stats.lost),
            ] {
                let labels = &[("outcome", outcome)];
                reading.counter("jobs_total", "Jobs, by outcome.", labels, jobs);
            }
            reading.gauge(
                "jobs_running",
                "Jobs that are running.",
                &[],
                stats.running as u64,
            );
            reading.gauge(
                "jobs_waiting",
                "Jobs in the queue.",
                &[],
                stats.waiting as u64,
            );
            let latencies = pool.latencies();
            let wait = "Time that jobs waited in the queue.";
            reading.latencies("job_wait_seconds", wait, &[], &latencies.waited);
            let run = "Time that jobs ran.";
            reading.latencies("job_run_seconds", run, &[], &latencies.ran);
        })
    }
}

impl Source for Breaker {
    const KIND: &'static str = "breaker";

    fn reader(&self) -> Box<Reader> {
        let breaker = self.clone();
        reader::<Self>(move |reading| {
            let current = breaker.state();
            for state in [
                BreakerState::Closed,
                BreakerState::Open,
                BreakerState::HalfOpen,
            ] {
                let help = "Workers whose breaker is in this state.";
                let labels = &[("state", &*state.to_string())];
                reading.gauge("breaker_state", help, labels, u64::from(state == current));
            }
        })
    }
}

impl Source for RetryPolicy {
    const KIND: &'static str = "retry_budget";

    fn reader(&self) -> Box<Reader> {
        let policy = self.clone();
        reader::<Self>(move |reading| reading.available_retries(policy.available()))
    }
}

impl Source for Arc<Mutex<RetryBudget>> {
    const KIND: &'static str = "retry_budget";

    fn reader(&self) -> Box<Reader> {
        let budget = Arc::clone(self);
        reader::<Self>(move |reading| {
            let available = budget
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .available();
            reading.available_retries(available);
        })
    }
}

impl Source for Arc<Handler> {
    const KIND: &'static str = "handler";

    fn reader(&self) -> Box<Reader> {
        let handler = Arc::clone(self);
        reader::<Self>(move |reading| {
            let stats = handler.stats();
            for (class, errors) in [("operational", stats.operational), ("bug", stats.bugs)] {
                let labels = &[("class", class)];
                reading.counter("errors_total", "Errors, by class.", labels, errors);
            }
            let codes = stats.codes.iter().copied();
            for (code, errors) in codes.chain([("other", stats.other_codes)]) {
                let help = "Errors, by code.";
                reading.counter("errors_by_code_total", help, &[("code", code)], errors);
            }
            for (decision, errors) in [
                ("respond", stats.responses),
                ("retry", stats.retries),
                ("drain", stats.drains),
                ("crash", stats.crashes),
            ] {
                let labels = &[("decision", decision)];
                let help = "Errors, by the decision of the handler.";
                reading.counter("error_decisions_total", help, labels, errors);
            }
            let help = "Failed requests whose client had disconnected.";
            reading.counter("error_disconnects_total", help, &[], stats.hung_up);
        })
    }
}

/// Returns the reader of a source.
fn reader<S: Source>(read: impl Fn(&mut Reading<'_>) + Send + Sync + 'static) -> Box<Reader> {
    Box::new(move |name, metrics| {
        read(&mut Reading {
            source: (S::KIND, name),
            metrics,
        });
    })
}

/// A source whose metrics are being read.
struct Reading<'a> {
    /// The label of the source.
    source: (&'static str, &'a str),
    metrics: &'a mut Snapshot,
}

impl Reading<'_> {
    fn counter(&mut self, metric: &str, help: &str, labels: &[(&str, &str)], count: u64) {
        let value = Value::Number(count as f64);
        self.add(metric, help, Kind::Counter, labels, value);
    }

    /// Adds a counter of seconds, if it was measured.
    fn seconds(
        &mut self,
        metric: &str,
        help: &str,
        labels: &[(&str, &str)],
        time: Option<Duration>,
    ) {
        if let Some(time) = time {
            let value = Value::Number(time.as_secs_f64());
            self.add(metric, help, Kind::Counter, labels, value);
        }
    }

    fn gauge(&mut self, metric: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        let value = Value::Number(value as f64);
        self.add(metric, help, Kind::Gauge, labels, value);
    }

    fn max_gauge(&mut self, metric: &str, help: &str, labels: &[(&str, &str)], value: usize) {
        let value = Value::Number(value as f64);
        self.add(metric, help, Kind::MaxGauge, labels, value);
    }

    /// Adds a histogram, if anything was measured.
    fn latencies(
        &mut self,
        metric: &str,
        help: &str,
        labels: &[(&str, &str)],
        latencies: &LatencyHistogram,
    ) {
        if !latencies.is_empty() {
            let value = Value::Histogram(buckets(latencies));
            self.add(metric, help, Kind::Histogram, labels, value);
        }
    }

    fn read_event(&mut self, event: &EventMetrics) {
        let labels = &[("event", event.event)];
        self.counter(
            "bus_emits_total",
            "Emits that have ended.",
            labels,
            event.emitted,
        );
        let help = "Emits without a listener.";
        self.counter("bus_unhandled_total", help, labels, event.unhandled);
        for listener in &event.listeners {
            let labels = &[("event", event.event), ("listener", &*listener.name)];
            let help = "Calls of listeners, including failed ones.";
            self.counter("bus_deliveries_total", help, labels, listener.delivered);
            let help = "Calls of listeners that failed.";
            self.counter("bus_failures_total", help, labels, listener.failed);
            let (metric, help) = ("bus_listener_duration_seconds", "Duration of the calls.");
            self.latencies(metric, help, labels, &listener.took_histogram);
            let help = "Time from the start of an emit to the call, due to earlier listeners.";
            self.latencies(
                "bus_listener_lag_seconds",
                help,
                labels,
                &listener.lag_histogram,
            );
        }
    }

    fn available_retries(&mut self, available: u64) {
        let help = "Retries that the budget allows now.";
        self.gauge("retries_available", help, &[], available);
    }

    fn add(&mut self, metric: &str, help: &str, kind: Kind, labels: &[(&str, &str)], value: Value) {
        let labels = labels.iter().chain([&self.source]);
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let name = format!("highwater_{metric}");
        self.metrics.add(&name, help, kind, labels.collect(), value);
    }
}

/// Returns the number of latencies up to each of [`LATENCY_BOUNDS`], and their sum, which
/// is at most 1 % too high.
fn buckets(latencies: &LatencyHistogram) -> Buckets {
    let mut cumulative = LATENCY_BOUNDS.map(|bound| (bound, 0));
    let mut sum = 0.0;
    for (longest, count) in latencies.buckets() {
        let longest = longest.as_secs_f64();
        sum += longest * count as f64;
        for (_, cumulative) in cumulative.iter_mut().filter(|(bound, _)| longest <= *bound) {
            *cumulative += count;
        }
    }
    Buckets {
        count: latencies.count(),
        sum,
        cumulative: cumulative.to_vec(),
    }
}
