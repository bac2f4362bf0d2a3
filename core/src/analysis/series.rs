//! Figures over time.

use super::{
    Metric,
    counts::{Levels, is_beat},
    measures::{duration, nanos},
    rolling::{self, End},
    work::{self, Totals, Work},
};
use crate::trace::{RecordKind, Trace};
use std::time::Duration;

/// No line has more points.
const MOST_POINTS: usize = 500;

/// A metric of one run over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What it is of.
    pub metric: Metric,
    /// Over how long was looked back for each point; `None` where it is what was
    /// there at that moment.
    pub window: Option<Duration>,
    /// The main line first.
    pub lines: Vec<Line>,
}

/// One line of a [`Series`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What it shows, in a word or two.
    pub name: &'static str,
    /// In order of time, 500 at most.
    pub points: Vec<Point>,
}

/// One point of a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When, since the start of the run.
    pub at: Duration,
    /// How much, in the [unit](Metric::unit) of the metric; `None` where the line
    /// breaks, since there was nothing to measure.
    pub value: Option<u64>,
}

impl Series {
    /// Of a whole trace. To compare runs, look back equally far in all of them:
    /// `window` says how far; without one it is chosen by the length of the run.
    ///
    /// A long line is thinned out by what is seen: of each stretch its first, its
    /// least, its greatest and its last point stay.
    ///
    /// ```
    /// use highwater::{analysis::{Metric, Series}, trace::Trace};
    ///
    /// let series = Series::of(&Trace::default(), Metric::Latency, None);
    /// assert!(series.lines.is_empty(), "nothing ended");
    /// ```
    #[must_use]
    pub fn of(trace: &Trace, metric: Metric, window: Option<Duration>) -> Self {
        let mut lines = match metric {
            Metric::Throughput | Metric::Latency => return rolling(trace, metric, window),
            Metric::InFlight => vec![in_flight(trace)],
            Metric::Failures => failures(trace),
            Metric::Bytes => bytes(trace),
            Metric::Lag => vec![lag(trace)],
        };
        for line in &mut lines {
            if metric.is_stepped() {
                // It holds to the end of the run.
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

    /// How far back to look in every one of these, so that they can be compared.
    #[must_use]
    pub fn window<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Option<Duration> {
        let window = |trace| rolling::window(duration(trace), Work::of(trace).ended(trace).len());
        traces.into_iter().map(window).max()
    }
}

fn rolling(trace: &Trace, metric: Metric, window: Option<Duration>) -> Series {
    let work = Work::of(trace);
    let (ended, end) = (work.ended(trace), duration(trace));
    let window = window.unwrap_or_else(|| rolling::window(end, ended.len()));
    // A run shorter than that has one point: of all of it.
    let window = window.min(end);
    let well = ended.iter().filter(|it| it.is_well);
    let well: Vec<End> = well.map(|it| (it.at, it.took)).collect();
    let latency = |name, permille| {
        let points = rolling::latency(&well, end, window, permille);
        Line { name, points }
    };
    let lines = if ended.is_empty() {
        Vec::new()
    } else if metric == Metric::Throughput {
        let points = rolling::rate(&work::done(trace), end, window);
        let name = "done well";
        vec![Line { name, points }]
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

fn in_flight(trace: &Trace) -> Line {
    let counts = work::in_flight(trace);
    Line {
        name: "in flight",
        points: counts
            .into_iter()
            .map(|(at, count)| point(at, count))
            .collect(),
    }
}

fn failures(trace: &Trace) -> Vec<Line> {
    let work = Work::of(trace);
    let mut totals = Totals::default();
    let mut wrong_answers = 0;
    let [mut failed, mut wrong] = ["failed", "wrong"].map(|name| Line {
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

fn bytes(trace: &Trace) -> Vec<Line> {
    let mut levels = Levels::default();
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
    let line = |name, points| Line { name, points };
    vec![line("held", held), line("mark", marks)]
}

fn lag(trace: &Trace) -> Line {
    let beats = trace.events.iter().filter(|event| is_beat(event));
    Line {
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

/// Of each of so many stretches of time the first, the least, the greatest and
/// the last point: what a line of that width shows, it still shows.
fn thin_out(points: &[Point]) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretches = (MOST_POINTS / 4) as u128;
    let since = |point: &Point| point.at.saturating_sub(first.at).as_nanos();
    let span = since(last) + 1;
    let stretch_of = |point: &Point| since(point) * stretches / span;
    let mut kept = Vec::with_capacity(MOST_POINTS);
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
