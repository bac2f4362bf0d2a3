//! The measures by which runs are compared.

use super::{
    MeasureUnit::{self, Bytes, Count, MilliPerSecond, Nanoseconds},
    Theory,
    counts::{RunCounts, lag_p99},
    work::{self, WorkSpans},
};
use crate::{
    latency::nanos,
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
/// the recorded items. Latencies are those of successes, since a rejection takes no
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
        let (sample, [p50, p99, p999]) = work::latencies(trace, done.succeeded);
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
        let queue = |bytes| counts.has_queue.then_some(bytes);
        let stalled = counts.stalled.map(nanos);
        let lag = lag_p99(trace).map(nanos);
        let records = trace.events.len() as u64;
        let rows: [(_, &str, _, _); 21] = [
            ("duration", "Duration", Nanoseconds, Some(nanos(duration))),
            ("begun", &name(" started"), Count, Some(done.started)),
            ("done", &name(" succeeded"), Count, Some(done.succeeded)),
            ("failed", &name(" failed"), Count, Some(done.failed)),
            ("throughput", "Successes per second", MilliPerSecond, rate),
            ("p50", &of("p50"), Nanoseconds, p50),
            ("p99", &of("p99"), Nanoseconds, p99),
            ("p999", &of("p99.9"), Nanoseconds, p999),
            ("in_flight", "Peak in flight", Count, in_flight.max()),
            ("wrong", "Wrong answers", Count, Some(counts.wrong)),
            (
                "exposed",
                "Responses with internals",
                Count,
                Some(counts.exposed),
            ),
            ("retries", "Retries", Count, Some(counts.retries)),
            (
                "dropped",
                "Dropped by a full queue",
                Count,
                Some(counts.dropped),
            ),
            ("refused", "Rejected", Count, Some(counts.rejected)),
            ("mark", "High-water mark", Bytes, queue(counts.mark)),
            ("bytes", "Most held", Bytes, queue(counts.most_bytes)),
            ("stalled", "Writers stalled", Nanoseconds, stalled),
            ("lag", "Loop lag p99", Nanoseconds, lag),
            ("processes_lost", "Processes lost", Count, Some(counts.lost)),
            ("records", "Records", Count, Some(records)),
            ("records_lost", "Records lost", Count, Some(trace.dropped)),
        ];
        let measure = |(key, label, unit, value): (_, &str, _, _)| Measure {
            key,
            label: label.to_owned(),
            unit,
            value,
            note: None,
        };
        let mut measures = Measures(rows.map(measure).into());
        if let Some(on_record) = sample {
            let text = format!("of {on_record} recorded");
            measures.remark(&["p50", "p99", "p999"], &text);
            // It may have been higher between two records.
            measures.remark(&["in_flight"], "at least");
        }
        measures.add_theory(&Theory::of(trace));
        measures
    }

    /// Adds the predictions of queueing theory, and the figures of the run that no other
    /// measure has.
    fn add_theory(&mut self, theory: &Theory) {
        for row in &theory.rows {
            let run_key = match row.key {
                "mean_wait" | "utilization" => Some(row.key),
                _ => None,
            };
            let theory_key = match row.key {
                "mean_wait" => "theory_mean_wait",
                "p50" => "theory_p50",
                "p99" => "theory_p99",
                "loss" => "theory_loss",
                "utilization" => "theory_utilization",
                _ => continue,
            };
            let measure = |key, label, value| Measure {
                key,
                label,
                unit: row.unit,
                value,
                note: None,
            };
            let of_run = run_key.map(|key| measure(key, row.label.to_owned(), row.run));
            self.0.extend(of_run);
            let label = [row.label, " by theory"].concat();
            self.0.push(Measure {
                note: row.gap().map(|gap| ["this run ", &gap].concat()),
                ..measure(theory_key, label, row.theory)
            });
        }
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

/// Returns the time from the start of the run to its last record.
pub(super) fn duration(trace: &Trace) -> Duration {
    trace
        .events
        .last()
        .map_or(Duration::ZERO, Event::recorded_at)
}
