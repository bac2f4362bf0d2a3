//! The figures by which runs are compared.

use super::{
    MeasureUnit,
    counts::{RunCounts, lag_p99},
    work::{self, WorkSpans},
};
use crate::trace::{Event, Trace};
use std::time::Duration;

/// One figure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What programs know it by. It never changes.
    pub key: &'static str,
    /// What people read: the same of each run of a scenario.
    pub label: String,
    /// What the value counts.
    pub unit: MeasureUnit,
    /// The figure; `None` where a run has nothing of the kind.
    pub value: Option<u64>,
    /// What is to be said with it, where not all that was done is on record.
    pub note: Option<String>,
}

/// The figures of one run, in an order in which they are read. Every run has the
/// same ones, so those of two runs stand side by side.
///
/// How many were begun, done and failed is taken from the counters in the records, so
/// that it is right even where single records are missing; all else is of the records
/// there are. Latency is of what was done well: to be refused takes no time.
///
/// ```
/// use highwater::{analysis::Measures, trace::Trace};
///
/// let measures = Measures::of(&Trace::default());
/// assert_eq!(measures.get("duration"), Some(0));
/// assert_eq!(measures.get("p99"), None, "nothing was done");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures(Vec<Measure>);

impl Measures {
    /// Of a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let counts = RunCounts::of(trace);
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
        } = WorkSpans::of(trace);
        let of_what = if excludes_waiting {
            "Time once begun, "
        } else {
            "Latency of those done well, "
        };
        let name = |what: &str| [&noun[..1].to_uppercase(), &noun[1..], what].concat();
        let of = |part: &str| [of_what, part].concat();

        let mut measures = Measures::default();
        measures.add(
            "duration",
            "Duration",
            MeasureUnit::Nanoseconds,
            Some(nanos(duration)),
        );
        measures.add(
            "begun",
            &name(" begun"),
            MeasureUnit::Count,
            Some(done.started),
        );
        measures.add(
            "done",
            &name(" done well"),
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
            "Done well, per second of all the run",
            MeasureUnit::MilliPerSecond,
            rate,
        );
        measures.add("p50", &of("p50"), MeasureUnit::Nanoseconds, p50);
        measures.add("p99", &of("p99"), MeasureUnit::Nanoseconds, p99);
        measures.add("p999", &of("p99.9"), MeasureUnit::Nanoseconds, p999);
        measures.add(
            "in_flight",
            "In flight, most",
            MeasureUnit::Count,
            in_flight.max(),
        );
        measures.add_counts(trace, &counts);
        if let Some(on_record) = sample {
            let text = format!("of {on_record} on record");
            measures.remark(&["p50", "p99", "p999"], &text);
            // It may have been more between two records.
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
            "Answers with internal detail",
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
            "Held, most",
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

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Measure> {
        self.0.iter()
    }

    /// The value of one; `None` also for a key that there is not.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<u64> {
        self.0.iter().find(|it| it.key == key)?.value
    }
}

/// In nanoseconds; and of how many, where so many are done that only some are on
/// record.
fn latencies(trace: &Trace, done: u64) -> (Option<u64>, [Option<u64>; 3]) {
    let work = WorkSpans::of(trace);
    let ended = work.ended(trace).into_iter();
    let mut durations: Vec<_> = ended.filter(|it| it.succeeded).map(|it| it.took).collect();
    let on_record = durations.len() as u64;
    let sample = (on_record < done).then_some(on_record);
    if !work.has_latency() {
        durations.clear();
    }
    let within = |permille| percentile(&mut durations, permille).map(nanos);
    (sample, [500, 990, 999].map(within))
}

/// From the start of the run to its last record.
pub(super) fn duration(trace: &Trace) -> Duration {
    trace
        .events
        .last()
        .map_or(Duration::ZERO, Event::recorded_at)
}

/// The shortest that at least so many of a thousand stayed within (nearest rank);
/// `None` of none. The order of the durations is changed.
pub(super) fn percentile(durations: &mut [Duration], permille: usize) -> Option<Duration> {
    let rank = (durations.len() * permille).div_ceil(1000);
    if durations.is_empty() {
        return None;
    }
    let (_, nearest, _) = durations.select_nth_unstable(rank.saturating_sub(1));
    Some(*nearest)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
