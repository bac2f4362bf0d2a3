//! Metrics in the Prometheus text format.

use super::{Durations, Metrics, SupervisorMetrics};
use prometheus::{
    Encoder, TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};
use std::time::Duration;

/// The upper bounds of the histogram buckets, in seconds.
const BUCKET_BOUNDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

impl Metrics {
    /// The value of the `Content-Type` header.
    pub(crate) const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// Returns the metrics as text.
    pub(crate) fn to_text(&self) -> String {
        let mut families = self.families();
        families.extend(self.log_families());
        families.extend(self.supervisor.iter().flat_map(SupervisorMetrics::families));
        let mut text = Vec::new();
        let result = TextEncoder::new().encode(&families, &mut text);
        result.expect("writing to a vector does not fail, and no family is empty");
        String::from_utf8(text).expect("the text format is UTF-8")
    }

    fn log_families(&self) -> [MetricFamily; 3] {
        [
            counter(
                "log_lines_dropped_total",
                "Log lines dropped because their reader stalled or exited.",
                self.log_dropped,
            ),
            counter(
                "journal_lines_dropped_total",
                "JSON lines on standard output dropped because their reader stalled or exited.",
                self.journal_dropped,
            ),
            counter(
                "log_lines_left_out_total",
                "Repeated log lines that were counted but not written.",
                self.log_suppressed,
            ),
        ]
    }

    fn families(&self) -> Vec<MetricFamily> {
        let status_classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let status_classes = status_classes.into_iter().zip(self.responses);
        vec![
            gauge(
                "workers",
                "Workers included in these metrics.",
                self.workers,
            ),
            labelled_counter(
                "http_requests_total",
                "Responses, by status class.",
                "status",
                status_classes,
            ),
            counter(
                "http_requests_hung_up_total",
                "Requests whose client disconnected before the response was complete.",
                self.disconnects,
            ),
            counter(
                "http_requests_malformed_total",
                "Requests rejected because their head could not be parsed.",
                self.malformed_requests,
            ),
            gauge(
                "http_requests_in_flight",
                "Requests whose response is not complete.",
                self.in_flight,
            ),
            duration_histogram(
                "http_request_duration_seconds",
                "Time from the end of the request head to the start of the response.",
                &self.response_latency,
            ),
            gauge(
                "connections_open",
                "Open connections.",
                self.open_connections,
            ),
            counter(
                "connections_accepted_total",
                "Accepted connections.",
                self.accepted_connections,
            ),
            counter(
                "connections_accept_errors_total",
                "Failed attempts to accept a connection.",
                self.accept_errors,
            ),
            counter(
                "connections_waits_total",
                "Times that a connection waited because the connection limit was reached.",
                self.connection_waits,
            ),
            labelled_counter(
                "connections_cut_off_total",
                "Connections closed after a timeout, by reason.",
                "reason",
                [
                    ("idle", self.idle_timeouts),
                    ("head", self.head_timeouts),
                    ("stall", self.stall_timeouts),
                ],
            ),
            counter(
                "received_bytes_total",
                "Bytes read from connections.",
                self.read_bytes,
            ),
            counter(
                "sent_bytes_total",
                "Bytes written to connections.",
                self.written_bytes,
            ),
            labelled_counter(
                "jobs_total",
                "Jobs, by outcome.",
                "outcome",
                [
                    ("done", self.jobs_done),
                    ("rejected", self.jobs_rejected),
                    ("panicked", self.jobs_panicked),
                ],
            ),
            duration_histogram("loop_lag_seconds", "Event-loop lag.", &self.loop_lag),
        ]
    }
}

impl SupervisorMetrics {
    fn families(&self) -> [MetricFamily; 4] {
        [
            gauge(
                "workers_wanted",
                "Configured number of workers.",
                self.configured,
            ),
            gauge(
                "workers_ready",
                "Workers that accept connections.",
                self.ready,
            ),
            gauge(
                "workers_failing",
                "Workers that repeatedly fail to start.",
                self.failing,
            ),
            counter(
                "worker_restarts_total",
                "Workers replaced because they exited or had a bug.",
                self.restarts,
            ),
        ]
    }
}

fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    family(name, help, MetricType::COUNTER, vec![counter_metric(value)])
}

/// Returns a counter family with one metric for each label value.
fn labelled_counter<'a>(
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'a str, u64)>,
) -> MetricFamily {
    let metrics = values.into_iter().map(|(label_value, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.to_owned());
        pair.set_value(label_value.to_owned());
        let mut metric = counter_metric(value);
        metric.set_label(vec![pair]);
        metric
    });
    family(name, help, MetricType::COUNTER, metrics.collect())
}

fn counter_metric(value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    metric
}

fn gauge(name: &str, help: &str, value: u64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
    let metric = Metric::from_gauge(gauge);
    family(name, help, MetricType::GAUGE, vec![metric])
}

fn duration_histogram(name: &str, help: &str, durations: &Durations) -> MetricFamily {
    let buckets = BUCKET_BOUNDS.map(|bound| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        let count = durations.count_within(Duration::from_secs_f64(bound));
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_sample_count(durations.count());
    histogram.set_sample_sum(durations.sum().as_secs_f64());
    histogram.set_bucket(buckets.to_vec());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    family(name, help, MetricType::HISTOGRAM, vec![metric])
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("highwater_{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

#[cfg(test)]
mod tests {
    use super::{super::Meter, *};
    use http::StatusCode;
    use prometheus_parse::{Scrape, Value};
    use std::collections::BTreeMap;

    fn sample() -> Metrics {
        let meter = Meter::default();
        for millis in [1, 30, 20_000] {
            meter.request_started();
            meter.response_started(StatusCode::OK, Duration::from_millis(millis));
            meter.request_finished(false);
        }
        Metrics {
            supervisor: Some(SupervisorMetrics::default()),
            ..meter.metrics()
        }
    }

    fn parse(text: &str) -> Scrape {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        Scrape::parse(lines).unwrap()
    }

    #[test]
    fn text_is_accepted_by_a_prometheus_parser() {
        let scrape = parse(&sample().to_text());
        let find_value = |name: &str, label: Option<(&str, &str)>| {
            let sample = scrape.samples.iter().find(|sample| {
                let has_label =
                    label.is_none_or(|(key, value)| sample.labels.get(key) == Some(value));
                sample.metric == name && has_label
            });
            sample.map(|sample| sample.value.clone())
        };
        let responses = find_value("highwater_http_requests_total", Some(("status", "2xx")));
        assert_eq!(responses, Some(Value::Counter(3.0)));
        let workers = find_value("highwater_workers", None);
        assert_eq!(workers, Some(Value::Gauge(1.0)));
        let Some(Value::Histogram(buckets)) =
            find_value("highwater_http_request_duration_seconds", None)
        else {
            panic!("no histogram");
        };
        let count_within = |bound: f64| {
            let bucket = buckets.iter().find(|bucket| bucket.less_than >= bound);
            bucket.map(|bucket| bucket.count)
        };
        assert_eq!(count_within(0.05), Some(2.0));
        assert_eq!(count_within(10.0), Some(2.0));
        assert_eq!(count_within(f64::INFINITY), Some(3.0));
    }

    /// Checks the rules that `promtool check metrics` enforces.
    #[test]
    fn family_names_are_unique_and_match_their_types() {
        let text = sample().to_text();
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
        assert_eq!(kinds.len(), 22);
    }

    #[test]
    fn buckets_are_cumulative() {
        let metrics = sample();
        let counts = BUCKET_BOUNDS.map(|bound| {
            let bound = Duration::from_secs_f64(bound);
            metrics.response_latency.count_within(bound)
        });
        assert!(counts.is_sorted(), "{counts:?}");
        assert!(BUCKET_BOUNDS.is_sorted());
    }
}
