//! The measures by which runs are compared.

use super::{
    MeasureUnit,
    counts::{RunCounts, lag_p99},
    work::{self, WorkSpans},
};
use crate::{
    latency::{nanos, nearest_rank},
    trace::{Event, Trace},
};
use std::time::Duration;

/// One measure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The stable name for programs.
    pub key: &'static str,
    /// The label for people, equal for all runs of a scenario.
    pub label: String,
    /// The unit of the value.
    pub unit: MeasureUnit,
    /// The value; `None` if it does not apply to the run.
    pub value: Option<u64>,
    /// A remark to show with the value if only a sample was recorded.
    pub note: Option<String>,
}

/// The measures of one run, in display order. Every run has the same ones, so two
/// runs can be shown side by side.
///
/// The numbers of started, succeeded and failed items come from the counters in the
/// records, so they are exact even if records are missing. All other measures cover
/// the recorded items. Latencies are those of successes, since a refusal takes no
/// time.
///
/// ```
/// use highwater::{analysis::Measures, trace::Trace};
///
/// let measures = Measures::of(&Trace::default());
/// assert_eq!(measures.get("duration"), Some(0));
/// assert_eq!(measures.get("p99"), None, "nothing succeeded");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures(Vec<Measure>);

impl Measures {
    /// Measures a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let counts = RunCounts::new(trace);
        let done = counts.totals.sum();
        let (sample, [p50, p99, p999]) = latencies(trace, done.succeeded);
        let duration = duration(trace);
        let rate = (u128::from(done.succeeded) * 1_000_000_000_000)
            .checked_div(duration.as_nanos())
            .and_then(|rate| u64::try_from(rate).ok());
        let in_flight = work::in_flight(trace).into_iter().map(|(_, count)| count);
        let WorkSpans {
            noun,
            excludes_waiting,
            ..
        } = WorkSpans::new(trace);
        let scope = if excludes_waiting {
            "Execution time "
        } else {
            "Latency "
        };
        let name = |what: &str| [&noun[..1].to_uppercase(), &noun[1..], what].concat();
        let of = |part: &str| [scope, part].concat();

        let mut measures = Measures::default();
        measures.add(
            "duration",
            "Duration",
            MeasureUnit::Nanoseconds,
            Some(nanos(duration)),
        );
        measures.add(
            "begun",
            &name(" started"),
            MeasureUnit::Count,
            Some(done.started),
        );
        measures.add(
            "done",
            &name(" succeeded"),
            MeasureUnit::Count,
            Some(done.succeeded),
        );
        measures.add(
            "failed",
            &name(" failed"),
            MeasureUnit::Count,
            Some(done.failed),
        );
        measures.add(
            "throughput",
            "Successes per second",
            MeasureUnit::MilliPerSecond,
            rate,
        );
        measures.add("p50", &of("p50"), MeasureUnit::Nanoseconds, p50);
        measures.add("p99", &of("p99"), MeasureUnit::Nanoseconds, p99);
        measures.add("p999", &of("p99.9"), MeasureUnit::Nanoseconds, p999);
        measures.add(
            "in_flight",
            "Peak in flight",
            MeasureUnit::Count,
            in_flight.max(),
        );
        measures.add_counts(trace, &counts);
        if let Some(on_record) = sample {
            let text = format!("of {on_record} recorded");
            measures.remark(&["p50", "p99", "p999"], &text);
            // It may have been higher between two records.
            measures.remark(&["in_flight"], "at least");
        }
        measures
    }

    fn add_counts(&mut self, trace: &Trace, counts: &RunCounts) {
        let queue = |bytes| counts.has_queue.then_some(bytes);
        self.add(
            "wrong",
            "Wrong answers",
            MeasureUnit::Count,
            Some(counts.wrong),
        );
        self.add(
            "exposed",
            "Responses with internals",
            MeasureUnit::Count,
            Some(counts.exposed),
        );
        self.add(
            "retries",
            "Retries",
            MeasureUnit::Count,
            Some(counts.retries),
        );
        self.add(
            "dropped",
            "Dropped by a full queue",
            MeasureUnit::Count,
            Some(counts.dropped),
        );
        self.add(
            "refused",
            "Refused",
            MeasureUnit::Count,
            Some(counts.refused),
        );
        self.add(
            "mark",
            "High-water mark",
            MeasureUnit::Bytes,
            queue(counts.mark),
        );
        self.add(
            "bytes",
            "Most held",
            MeasureUnit::Bytes,
            queue(counts.most_bytes),
        );
        self.add(
            "stalled",
            "Writers stalled",
            MeasureUnit::Nanoseconds,
            counts.stalled.map(nanos),
        );
        self.add(
            "lag",
            "Loop lag p99",
            MeasureUnit::Nanoseconds,
            lag_p99(trace).map(nanos),
        );
        self.add(
            "processes_lost",
            "Processes lost",
            MeasureUnit::Count,
            Some(counts.lost),
        );
        self.add(
            "records",
            "Records",
            MeasureUnit::Count,
            Some(trace.events.len() as u64),
        );
        self.add(
            "records_lost",
            "Records lost",
            MeasureUnit::Count,
            Some(trace.dropped),
        );
    }

    fn add(&mut self, key: &'static str, label: &str, unit: MeasureUnit, value: Option<u64>) {
        self.0.push(Measure {
            key,
            label: label.to_owned(),
            unit,
            value,
            note: None,
        });
    }

    fn remark(&mut self, keys: &[&str], text: &str) {
        for measure in self.0.iter_mut().filter(|it| keys.contains(&it.key)) {
            measure.note = Some(text.to_owned());
        }
    }

    /// Returns all measures.
    pub fn iter(&self) -> impl Iterator<Item = &Measure> {
        self.0.iter()
    }

    /// Returns the value of a measure; `None` for an unknown key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<u64> {
        self.0.iter().find(|it| it.key == key)?.value
    }
}

/// Returns the latencies in nanoseconds, and the sample size if not all successes
/// were recorded.
fn latencies(trace: &Trace, done: u64) -> (Option<u64>, [Option<u64>; 3]) {
    let work = WorkSpans::new(trace);
    let ended = work.ended(trace).into_iter();
    let mut durations: Vec<_> = ended
        .filter(|it| it.succeeded)
        .map(|it| nanos(it.took))
        .collect();
    let on_record = durations.len() as u64;
    let sample = (on_record < done).then_some(on_record);
    if !work.has_latency() {
        durations.clear();
    }
    let within = |permille| nearest_rank(&mut durations, permille);
    (sample, [500, 990, 999].map(within))
}

/// Returns the time from the start of the run to its last record.
pub(super) fn duration(trace: &Trace) -> Duration {
    trace
        .events
        .last()
        .map_or(Duration::ZERO, Event::recorded_at)
}
