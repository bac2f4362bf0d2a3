//! The values of all metrics at one time.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
#[cfg(any(unix, test))]
use std::cmp::Reverse;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    iter::zip,
    sync::Arc,
};

/// The values of all metrics of one worker, or the merged values of several workers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Snapshot {
    /// The metrics by name.
    pub(super) families: BTreeMap<String, Family>,
}

/// All values of one metric.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) help: String,
    #[serde(with = "list")]
    pub(super) values: BTreeMap<Labels, Value>,
}

/// The type of a metric, which determines how its values are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Values add up. Those of exited workers are retained.
    Counter,
    /// Values add up.
    Gauge,
    /// The maximum is kept.
    MaxGauge,
    /// Counts add up. Those of exited workers are retained.
    Histogram,
}

/// Pairs of names and values, sorted by name.
pub(super) type Labels = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Number(#[serde(with = "number")] f64),
    Histogram(Buckets),
}

/// The contents of a histogram.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Buckets {
    pub(super) count: u64,
    #[serde(with = "number")]
    pub(super) sum: f64,
    /// The upper bound of each bucket, and the number of observations up to it.
    pub(super) cumulative: Vec<(f64, u64)>,
}

/// The maximum length of the line of a snapshot: enough for about 10,000 values.
#[cfg(any(unix, test))]
pub(crate) const MAX_SNAPSHOT_BYTES: usize = 1 << 20;

/// The upper bounds of the buckets of latencies, in seconds.
pub(super) const LATENCY_BOUNDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// A function that requests the merged metrics of all workers. It returns `None` if the
/// supervisor does not reply.
pub(crate) type ScrapeWorkers = Arc<dyn Fn() -> BoxFuture<'static, Option<Snapshot>> + Send + Sync>;

/// The metric that counts the metrics beyond [`MAX_SNAPSHOT_BYTES`].
#[cfg(any(unix, test))]
pub(super) const LEFT_OUT: &str = "highwater_metrics_left_out";
pub(super) const LEFT_OUT_HELP: &str =
    "Metrics left out because they have too many label values to be merged.";

/// The error for a line that is not in the format of [`Snapshot::to_line`].
#[cfg(any(unix, test))]
#[derive(Debug, thiserror::Error)]
#[error("invalid metrics line: {0}")]
pub(crate) struct SnapshotParseError(#[from] serde_json::Error);

impl Snapshot {
    /// Adds a value to a metric. It is merged with the value that has the same labels.
    pub(super) fn add(
        &mut self,
        name: &str,
        help: &str,
        kind: Kind,
        mut labels: Labels,
        value: Value,
    ) {
        labels.sort();
        let family = Family {
            kind,
            help: help.to_owned(),
            values: BTreeMap::from([(labels, value)]),
        };
        self.add_family(name, family);
    }

    pub(super) fn add_family(&mut self, name: &str, family: Family) {
        let Some(sum) = self.families.get_mut(name) else {
            self.families.insert(name.to_owned(), family);
            return;
        };
        // During a reload, two builds can disagree about a metric. One of them is used.
        if sum.kind != family.kind {
            return;
        }
        for (labels, value) in family.values {
            match sum.values.entry(labels) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => entry.into_mut().merge(value, family.kind),
            }
        }
    }
}

/// Only a supervisor and its workers send and merge snapshots.
#[cfg(any(unix, test))]
impl Snapshot {
    /// Returns the snapshot as one line, without a line break, of at most
    /// [`MAX_SNAPSHOT_BYTES`].
    ///
    /// Beyond that, the longest metrics are left out, and counted in [`LEFT_OUT`]. These
    /// have an unbounded number of label values, such as one for each user.
    pub(crate) fn to_line(&self) -> String {
        let line = to_json(self);
        if line.len() <= MAX_SNAPSHOT_BYTES {
            return line;
        }
        let mut snapshot = self.clone();
        snapshot.limit_length();
        to_json(&snapshot)
    }

    /// Parses a line from [`to_line`](Self::to_line).
    ///
    /// # Errors
    ///
    /// [`SnapshotParseError`].
    pub(crate) fn from_line(line: &str) -> Result<Self, SnapshotParseError> {
        Ok(serde_json::from_str(line)?)
    }

    /// Merges the metrics of other workers.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, family) in &other.families {
            self.add_family(name, family.clone());
        }
    }

    /// Merges the metrics of a worker that has exited: its counters and histograms
    /// without its gauges. Retaining them keeps the sums monotonic.
    pub(crate) fn merge_exited(&mut self, exited: &Self) {
        for (name, family) in &exited.families {
            if matches!(family.kind, Kind::Counter | Kind::Histogram) {
                self.add_family(name, family.clone());
            }
        }
    }

    /// Removes the longest metrics until the line is at most [`MAX_SNAPSHOT_BYTES`] long.
    pub(crate) fn limit_length(&mut self) {
        // The quotes and punctuation around a metric, and the metric that is added below.
        let punctuation = 16;
        let mut total = 256;
        let mut lengths = Vec::new();
        for (name, family) in &self.families {
            let length = name.len() + to_json(family).len() + punctuation;
            lengths.push((Reverse(length), name.clone()));
            total += length;
        }
        lengths.sort();
        let mut removed = 0;
        for (Reverse(length), name) in lengths {
            if total <= MAX_SNAPSHOT_BYTES {
                break;
            }
            total -= length;
            self.families.remove(&name);
            removed += 1;
        }
        if removed > 0 {
            let removed = Value::Number(f64::from(removed));
            self.add(LEFT_OUT, LEFT_OUT_HELP, Kind::Gauge, Vec::new(), removed);
        }
    }
}

#[cfg(any(unix, test))]
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("metrics contain only serializable values")
}

#[cfg(test)]
impl Snapshot {
    /// Returns a whole number without labels, or 0 if there is none.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let family = self.families.get(&format!("highwater_{name}"));
        match family.and_then(|family| family.values.get(&Vec::new())) {
            Some(Value::Number(number)) => number.to_string().parse().unwrap(),
            _ => 0,
        }
    }

    /// Adds a number without labels.
    pub(crate) fn with(mut self, name: &str, kind: Kind, number: f64) -> Self {
        let (name, value) = (format!("highwater_{name}"), Value::Number(number));
        self.add(&name, "A test.", kind, Vec::new(), value);
        self
    }
}

impl Value {
    fn merge(&mut self, other: Value, kind: Kind) {
        match (self, other) {
            (Value::Number(sum), Value::Number(other)) if kind == Kind::MaxGauge => {
                *sum = sum.max(other);
            }
            (Value::Number(sum), Value::Number(other)) => *sum += other,
            (Value::Histogram(sum), Value::Histogram(other)) => sum.merge(&other),
            // As for two builds that disagree about the type.
            (Value::Number(_), Value::Histogram(_)) | (Value::Histogram(_), Value::Number(_)) => {}
        }
    }
}

impl Buckets {
    fn merge(&mut self, other: &Self) {
        let bounds = |buckets: &Self| -> Vec<u64> {
            let bounds = buckets.cumulative.iter();
            bounds.map(|(bound, _)| bound.to_bits()).collect()
        };
        // As for two builds that disagree about the type.
        if bounds(self) != bounds(other) {
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        for ((_, sum), (_, count)) in zip(&mut self.cumulative, &other.cumulative) {
            *sum += count;
        }
    }
}

/// Serializes a map as a list, because the keys in JSON are strings.
mod list {
    use super::{BTreeMap, Deserialize, Deserializer, Labels, Serializer, Value};

    pub(super) fn serialize<S: Serializer>(
        values: &BTreeMap<Labels, Value>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Labels, Value>, D::Error> {
        let values = Vec::<(Labels, Value)>::deserialize(deserializer)?;
        Ok(values.into_iter().collect())
    }
}

/// Serializes whole numbers exactly, and numbers that JSON does not support as text.
mod number {
    use super::{Deserialize, Deserializer, Serialize, Serializer};
    use serde::de::Error;

    /// Up to here, each whole number has an exact representation.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

    #[derive(Deserialize, Serialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u64),
        Fraction(f64),
        Text(String),
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        let number = *number;
        let is_whole = (0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0;
        let number = if is_whole {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the number is whole, positive and in range"
            )]
            Number::Whole(number as u64)
        } else if number.is_finite() {
            Number::Fraction(number)
        } else {
            Number::Text(number.to_string())
        };
        number.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Whole(number) => Ok(number as f64),
            Number::Fraction(number) => Ok(number),
            Number::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(cumulative: &[(f64, u64)]) -> Value {
        Value::Histogram(Buckets {
            count: 10,
            sum: 2.5,
            cumulative: cumulative.to_vec(),
        })
    }

    fn labels(value: &str) -> Labels {
        vec![("label".to_owned(), value.to_owned())]
    }

    #[test]
    fn snapshots_round_trip_through_their_line() {
        let mut snapshot = Snapshot::default();
        for number in [0.0, 7.0, 1e15, -1.5, 0.1, f64::MAX, f64::INFINITY] {
            let name = format!("a{number}");
            let value = Value::Number(number);
            snapshot.add(&name, "\"Help\"\n", Kind::Gauge, labels("\n\"é\""), value);
        }
        snapshot.add(
            "b",
            "Help.",
            Kind::Histogram,
            labels("x"),
            histogram(&[(0.5, 3)]),
        );
        let line = snapshot.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Snapshot::from_line(&line).unwrap(), snapshot);
        let nan = Snapshot::default().with("nan", Kind::Gauge, f64::NAN);
        assert!(Snapshot::from_line(&nan.to_line()).is_ok());
        assert!(Snapshot::from_line("ready").is_err());
    }

    #[test]
    fn values_merge_by_kind() {
        let worker = |number| {
            Snapshot::default()
                .with("counter", Kind::Counter, number)
                .with("gauge", Kind::Gauge, number)
                .with("max", Kind::MaxGauge, number)
        };
        let mut sum = worker(2.0);
        sum.merge(&worker(3.0));
        let numbers = ["counter", "gauge", "max"].map(|name| sum.number(name));
        assert_eq!(numbers, [5, 5, 3]);
        sum.merge_exited(&worker(10.0));
        let numbers = ["counter", "gauge", "max"].map(|name| sum.number(name));
        assert_eq!(numbers, [15, 5, 3]);
    }

    #[test]
    fn histograms_merge_if_their_bounds_are_equal() {
        let worker = |cumulative: &[(f64, u64)]| {
            let mut snapshot = Snapshot::default();
            let value = histogram(cumulative);
            snapshot.add("h", "Help.", Kind::Histogram, Vec::new(), value);
            snapshot
        };
        let mut sum = worker(&[(0.1, 3), (0.5, 7)]);
        sum.merge(&worker(&[(0.1, 1), (0.5, 2)]));
        sum.merge(&worker(&[(0.1, 1), (0.6, 2)]));
        let Some(Value::Histogram(merged)) = sum.families["h"].values.get(&Vec::new()) else {
            panic!("no histogram");
        };
        assert_eq!(merged.cumulative, [(0.1, 4), (0.5, 9)]);
        assert_eq!(merged.count, 20);
    }

    #[test]
    fn disagreeing_builds_do_not_mix_their_values() {
        let mut sum = Snapshot::default().with("a", Kind::Counter, 1.0);
        sum.merge(&Snapshot::default().with("a", Kind::Gauge, 2.0));
        assert_eq!(sum.number("a"), 1);
    }

    #[test]
    fn longest_metrics_are_left_out_beyond_the_limit() {
        let mut snapshot = Snapshot::default().with("requests", Kind::Counter, 7.0);
        for user in 0..50_000 {
            let value = Value::Number(1.0);
            let label = labels(&user.to_string());
            snapshot.add("users_total", "Help.", Kind::Counter, label, value);
        }
        let line = snapshot.to_line();
        assert!(line.len() <= MAX_SNAPSHOT_BYTES);
        let sent = Snapshot::from_line(&line).unwrap();
        assert!(!sent.families.contains_key("users_total"));
        assert_eq!(
            (sent.number("requests"), sent.number("metrics_left_out")),
            (7, 1)
        );
    }

    #[test]
    fn lines_never_exceed_the_limit() {
        for length in (MAX_SNAPSHOT_BYTES - 300..=MAX_SNAPSHOT_BYTES).step_by(60) {
            let mut snapshot = Snapshot::default();
            for (name, length) in [("a", length / 2), ("b", length.div_ceil(2))] {
                let label = labels(&"x".repeat(length));
                snapshot.add(name, "Help.", Kind::Gauge, label, Value::Number(1.0));
            }
            assert!(snapshot.to_line().len() <= MAX_SNAPSHOT_BYTES, "{length}");
        }
    }
}
