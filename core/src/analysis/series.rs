//! Series: metrics over time.

use super::{
    Metric,
    counts::{QueueLevels, is_beat},
    measures::duration,
    work::{self, WorkSpans, WorkTotals},
};
use crate::{
    latency::{nanos, nearest_rank},
    trace::{RecordKind, Trace},
};
use std::time::Duration;

/// The maximum number of points per line.
const MAX_POINTS: usize = 500;

/// The intervals between samples of a rolling series.
const SAMPLES: u32 = 250;

/// The end time of a span, and its duration in nanoseconds.
type LatencySample = (Duration, u64);

/// One run's metric over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// The window of a rolling series; `None` if each point is a momentary value.
    pub window: Option<Duration>,
    /// The lines, the main one first.
    pub lines: Vec<SeriesLine>,
}

/// One line of a [`Series`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesLine {
    /// The name, a word or two.
    pub name: &'static str,
    /// The points in order of time, 500 at most.
    pub points: Vec<Point>,
}

/// One point of a [`SeriesLine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The time since the start of the run.
    pub at: Duration,
    /// The value, in the [unit](Metric::unit) of the metric; `None` where the line
    /// breaks, because there was nothing to measure.
    pub value: Option<u64>,
}

impl Series {
    /// Computes the series of a whole trace. To compare runs, use the same `window`
    /// for all of them, as [`window`](Self::window) returns it; without one it
    /// depends on the length of the run.
    ///
    /// A long line is thinned out without a visible change: of each interval, the
    /// first, least, greatest and last point are kept.
    ///
    /// ```
    /// use highwater::{analysis::{Metric, Series}, trace::Trace};
    ///
    /// let series = Series::of(&Trace::default(), Metric::Latency, None);
    /// assert!(series.lines.is_empty(), "there are no spans");
    /// ```
    #[must_use]
    pub fn of(trace: &Trace, metric: Metric, window: Option<Duration>) -> Self {
        let mut lines = match metric {
            Metric::Throughput | Metric::Latency => return rolling_series(trace, metric, window),
            Metric::InFlight => vec![in_flight(trace)],
            Metric::Failures => failures(trace),
            Metric::Bytes => bytes(trace),
            Metric::Lag => vec![lag(trace)],
        };
        for line in &mut lines {
            if metric.is_stepped() {
                // The last value holds to the end of the run.
                let end = duration(trace);
                let last = line.points.last().filter(|last| last.at < end).copied();
                line.points
                    .extend(last.map(|last| Point { at: end, ..last }));
            }
            line.points = thin_out(&line.points);
        }
        Series {
            metric,
            window: None,
            lines,
        }
    }

    /// Returns a common window for the series of several runs.
    #[must_use]
    pub fn window<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Option<Duration> {
        let window =
            |trace| rolling_window(duration(trace), WorkSpans::new(trace).ended(trace).len());
        traces.into_iter().map(window).max()
    }
}

impl Metric {
    /// Returns the metrics for which a trace has data.
    #[must_use]
    pub fn available(trace: &Trace) -> Vec<Self> {
        let has_points = |metric: &Metric| {
            let series = Series::of(trace, *metric, None);
            let mut points = series.lines.iter().flat_map(|line| &line.points);
            match metric {
                Metric::Failures => points.any(|point| point.value > Some(0)),
                _ => points.any(|point| point.value.is_some()),
            }
        };
        Self::ALL.into_iter().filter(has_points).collect()
    }
}

fn rolling_series(trace: &Trace, metric: Metric, window: Option<Duration>) -> Series {
    let work = WorkSpans::new(trace);
    let (ended, end) = (work.ended(trace), duration(trace));
    let window = window.unwrap_or_else(|| rolling_window(end, ended.len()));
    // A run shorter than the window has one point, for the whole run.
    let window = window.min(end);
    let well = ended.iter().filter(|it| it.succeeded);
    let well: Vec<LatencySample> = well.map(|it| (it.at, nanos(it.took))).collect();
    let latency = |name, permille| {
        let points = rolling_latency(&well, end, window, permille);
        SeriesLine { name, points }
    };
    let lines = if ended.is_empty() {
        Vec::new()
    } else if metric == Metric::Throughput {
        let points = rolling_rate(&work::done(trace), end, window);
        let name = "succeeded";
        vec![SeriesLine { name, points }]
    } else if work.has_latency() {
        vec![latency("p99", 990), latency("p50", 500)]
    } else {
        Vec::new()
    };
    Series {
        metric,
        window: Some(window),
        lines,
    }
}

/// Returns the window of a rolling series: round, at least a twentieth of the run,
/// and long enough for a few ends to fall into it.
fn rolling_window(duration: Duration, ends: usize) -> Duration {
    let few = duration * 3 / u32::try_from(ends.max(3)).unwrap_or(u32::MAX);
    let wanted = nanos((duration / 20).max(few)).max(1);
    let mut round = 1_u64;
    loop {
        for step in [1, 2, 5] {
            if round.saturating_mul(step) >= wanted {
                return Duration::from_nanos(round * step)
                    .min(duration.max(Duration::from_nanos(1)));
            }
        }
        round = round.saturating_mul(10);
    }
}

/// Returns regular times from the end of the first window to the end of the run.
fn times(duration: Duration, window: Duration) -> impl Iterator<Item = Duration> {
    let span = duration.saturating_sub(window);
    let samples = if span.is_zero() { 0 } else { SAMPLES };
    (0..=samples).map(move |sample| window + span * sample / SAMPLES)
}

/// Returns a permille quantile of the durations of the spans that ended in the window
/// before each time; `None` if there were none. `ends` are in order of time.
fn rolling_latency(
    ends: &[LatencySample],
    duration: Duration,
    window: Duration,
    permille: usize,
) -> Vec<Point> {
    let within = |at: Duration| {
        // The first window includes its beginning.
        let since = at.saturating_sub(window);
        let from = ends.partition_point(|end| end.0 <= since && !since.is_zero());
        let to = ends.partition_point(|end| end.0 <= at);
        let took: Vec<u64> = ends[from..to].iter().map(|end| end.1).collect();
        let value = nearest_rank(&took, permille);
        Point { at, value }
    };
    times(duration, window).map(within).collect()
}

/// Returns the growth of a total in the window before each time, per thousand
/// seconds. `totals` are in order of time.
fn rolling_rate(totals: &[(Duration, u64)], duration: Duration, window: Duration) -> Vec<Point> {
    let until = |at: Duration| {
        let after = totals.partition_point(|total| total.0 <= at);
        after.checked_sub(1).map_or(0, |latest| totals[latest].1)
    };
    let within = |at: Duration| {
        let since = at.saturating_sub(window);
        let before = if since.is_zero() { 0 } else { until(since) };
        let grown = u128::from(until(at).saturating_sub(before));
        let rate = (grown * 1_000_000_000_000).checked_div(window.as_nanos());
        let value = rate.and_then(|rate| u64::try_from(rate).ok());
        Point { at, value }
    };
    times(duration, window).map(within).collect()
}

fn in_flight(trace: &Trace) -> SeriesLine {
    let counts = work::in_flight(trace);
    SeriesLine {
        name: "in flight",
        points: counts
            .into_iter()
            .map(|(at, count)| point(at, count))
            .collect(),
    }
}

fn failures(trace: &Trace) -> Vec<SeriesLine> {
    let work = WorkSpans::new(trace);
    let mut totals = WorkTotals::default();
    let mut wrong_answers = 0;
    let [mut failed, mut wrong] = ["failed", "wrong"].map(|name| SeriesLine {
        name,
        points: vec![point(Duration::ZERO, 0)],
    });
    for event in &trace.events {
        let at = event.recorded_at();
        if totals.apply(&work, event) {
            failed.points.push(point(at, totals.sum().failed));
        }
        if event.kind == RecordKind::Wrong {
            wrong_answers += 1;
            wrong.points.push(point(at, wrong_answers));
        }
    }
    if wrong_answers == 0 {
        return vec![failed];
    }
    vec![failed, wrong]
}

fn bytes(trace: &Trace) -> Vec<SeriesLine> {
    let mut levels = QueueLevels::default();
    let (mut held, mut marks) = (Vec::new(), Vec::new());
    let mut mark = 0;
    for event in &trace.events {
        let at = event.recorded_at();
        match event.kind {
            RecordKind::Level => held.push(point(at, levels.apply(event))),
            RecordKind::Mark => {
                mark += event.subject;
                marks.push(point(at, mark));
            }
            _ => {}
        }
    }
    let line = |name, points| SeriesLine { name, points };
    vec![line("held", held), line("mark", marks)]
}

fn lag(trace: &Trace) -> SeriesLine {
    let beats = trace.events.iter().filter(|event| is_beat(event));
    SeriesLine {
        name: "lag",
        points: beats
            .map(|beat| point(beat.recorded_at(), nanos(beat.duration)))
            .collect(),
    }
}

fn point(at: Duration, value: u64) -> Point {
    let value = Some(value);
    Point { at, value }
}

/// Keeps the first, least, greatest and last point of each interval, which preserves
/// the shape of the line.
fn thin_out(points: &[Point]) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let stretches = (MAX_POINTS / 4) as u128;
    let since = |point: &Point| point.at.saturating_sub(first.at).as_nanos();
    let span = since(last) + 1;
    let stretch_of = |point: &Point| since(point) * stretches / span;
    let mut kept = Vec::with_capacity(MAX_POINTS);
    for stretch in points.chunk_by(|a, b| stretch_of(a) == stretch_of(b)) {
        let places = 0..stretch.len();
        let lowest = places.clone().min_by_key(|place| stretch[*place].value);
        let highest = places.max_by_key(|place| stretch[*place].value);
        let mut chosen = [Some(0), lowest, highest, Some(stretch.len() - 1)];
        chosen.sort_unstable();
        let mut before = None;
        for place in chosen.into_iter().flatten() {
            if before != Some(place) {
                kept.push(stretch[place]);
            }
            before = Some(place);
        }
    }
    kept
}
