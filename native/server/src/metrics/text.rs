//! Conversions from and to the `prometheus` crate, which writes the text format.

use super::snapshot::{Buckets, Family, Kind, Labels, Snapshot, Value};
use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

impl Snapshot {
    /// The value of the `Content-Type` header.
    pub(crate) const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// Adds the values of collectors. `is_max` returns true for gauges whose maximum is
    /// kept.
    pub(super) fn add_collected(
        &mut self,
        families: &[MetricFamily],
        is_max: impl Fn(&str) -> bool,
    ) {
        for family in families {
            let kind = match kind(family.get_field_type()) {
                Some(Kind::Gauge) if is_max(family.name()) => Kind::MaxGauge,
                Some(kind) => kind,
                None => continue,
            };
            let values = family.get_metric().iter().map(|metric| {
                let value = match kind {
                    Kind::Counter => Value::Number(metric.get_counter().value()),
                    Kind::Gauge | Kind::MaxGauge => Value::Number(metric.get_gauge().value()),
                    Kind::Histogram => Value::Histogram(buckets(metric)),
                };
                (labels(metric), value)
            });
            let family_values = Family {
                kind,
                help: family.help().to_owned(),
                values: values.collect(),
            };
            self.add_family(family.name(), family_values);
        }
    }

    /// Returns the metrics as text.
    pub(crate) fn to_text(&self) -> String {
        // The encoder rejects metrics without values.
        let has_values = |(_, family): &(&String, &Family)| !family.values.is_empty();
        let families = self.families.iter().filter(has_values);
        let families: Vec<_> = families
            .map(|(name, family)| encode(name, family))
            .collect();
        let text = TextEncoder::new().encode_to_string(&families);
        text.expect("all metrics have names and values")
    }
}

/// Provides the getter of numbers that the `prometheus` crate lacks without its feature
/// `protobuf`, which other packages may enable.
#[allow(dead_code, reason = "not used with the feature")]
trait Number {
    fn value(&self) -> f64;
}

/// Provides the getter that it lacks with the feature.
#[allow(dead_code, reason = "not used without the feature")]
trait PlainNumber {
    fn get_value(&self) -> f64;
}

macro_rules! impl_numbers {
    ($($message:ty)*) => {$(
        impl Number for $message {
            fn value(&self) -> f64 {
                self.get_value()
            }
        }

        impl PlainNumber for $message {
            fn get_value(&self) -> f64 {
                self.value()
            }
        }
    )*};
}
impl_numbers!(Counter Gauge);

/// Returns the kind of a collected metric, or `None` if its values cannot be merged.
pub(super) fn kind(metric_type: MetricType) -> Option<Kind> {
    match metric_type {
        MetricType::COUNTER => Some(Kind::Counter),
        MetricType::GAUGE => Some(Kind::Gauge),
        MetricType::HISTOGRAM => Some(Kind::Histogram),
        MetricType::SUMMARY | MetricType::UNTYPED => None,
    }
}

fn labels(metric: &Metric) -> Labels {
    let pairs = metric.get_label().iter();
    let mut labels: Labels = pairs
        .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
        .collect();
    labels.sort();
    labels
}

fn buckets(metric: &Metric) -> Buckets {
    let histogram = metric.get_histogram();
    let cumulative = histogram.get_bucket().iter();
    Buckets {
        count: histogram.get_sample_count(),
        sum: histogram.get_sample_sum(),
        cumulative: cumulative
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            // The encoder adds the last bucket.
            .filter(|(bound, _)| bound.is_finite())
            .collect(),
    }
}

fn encode(name: &str, family: &Family) -> MetricFamily {
    let mut encoded = MetricFamily::default();
    encoded.set_name(name.to_owned());
    encoded.set_help(family.help.clone());
    encoded.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge | Kind::MaxGauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    let values = family.values.iter();
    let metrics = values.map(|(labels, value)| encode_value(family.kind, labels, value));
    encoded.set_metric(metrics.collect());
    encoded
}

fn encode_value(kind: Kind, labels: &Labels, value: &Value) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value.clone());
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    match value {
        Value::Number(number) if kind == Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(*number);
            metric.set_counter(counter);
        }
        Value::Number(number) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*number);
            metric.set_gauge(gauge);
        }
        Value::Histogram(buckets) => {
            let mut histogram = Histogram::default();
            histogram.set_sample_count(buckets.count);
            histogram.set_sample_sum(buckets.sum);
            let cumulative = buckets.cumulative.iter();
            histogram.set_bucket(cumulative.map(|it| encode_bucket(*it)).collect());
            metric.set_histogram(histogram);
        }
    }
    metric
}

fn encode_bucket((upper_bound, cumulative_count): (f64, u64)) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.set_upper_bound(upper_bound);
    bucket.set_cumulative_count(cumulative_count);
    bucket
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Meter, SupervisorMetrics},
        *,
    };
    use http::StatusCode;
    use prometheus_parse::{Scrape, Value as Parsed};
    use std::time::Duration;

    fn sample() -> Snapshot {
        let meter = Meter::default();
        for millis in [1, 30, 20_000] {
            meter.request_started();
            meter.response_started(StatusCode::OK, Duration::from_millis(millis));
            meter.request_finished(false);
        }
        let mut sample = meter.metrics();
        SupervisorMetrics::default().add_to(&mut sample);
        sample
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
        assert_eq!(responses, Some(Parsed::Counter(3.0)));
        let workers = find_value("highwater_workers", None);
        assert_eq!(workers, Some(Parsed::Gauge(1.0)));
        let Some(Parsed::Histogram(buckets)) =
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
}
