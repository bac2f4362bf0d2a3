//! A panel: a chart of one metric of all runs.

use super::{
    PlotRun,
    axis::Axis,
    canvas::{Canvas, DrawResult, HEADING_HEIGHT, MARGIN, PIXEL, TEXT, shorten},
    reference::Reference,
    svg::Svg,
    theme::{Theme, stroke_width},
};
use crate::analysis::{
    MeasureUnit, Metric, Point, Series, SeriesLine,
    work::{WorkSpans, WorkTotals},
};
use crate::{latency::nanos, trace::RecordKind};
use plotters::{
    coord::ranged1d::Ranged,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use std::time::Duration;

pub(super) struct Panel<'a> {
    runs: &'a [PlotRun<'a>],
    metric: Metric,
    /// The series of each run.
    series: Vec<Series>,
    references: Vec<Reference>,
    /// The duration of the longest run, in nanoseconds.
    end: u64,
    top: i32,
    height: i32,
}

type Chart<'a, 'b> = ChartContext<'a, Svg<'b>, Cartesian2d<Axis, Axis>>;

const SMALL: i32 = 12 * PIXEL;
const LEFT: i32 = 46 * PIXEL;
const AXIS_HEIGHT: i32 = 24 * PIXEL;
const UNDER_LAST: i32 = 20 * PIXEL;

impl<'a> Panel<'a> {
    /// Creates a panel, if any run has data.
    pub(super) fn new(
        runs: &'a [PlotRun<'a>],
        metric: Metric,
        series: Vec<Series>,
        end: u64,
    ) -> Option<Self> {
        let mut panel = Panel {
            runs,
            metric,
            series,
            references: Vec::new(),
            end,
            top: 0,
            height: 0,
        };
        // A run without failures needs no chart.
        let least = u64::from(metric == Metric::Failures);
        panel.greatest().filter(|it| *it >= least)?;
        if metric == Metric::Latency {
            panel.references = Reference::of(runs);
        }
        Some(panel)
    }

    /// Sets its position and returns its bottom edge.
    pub(super) fn place(&mut self, top: i32, height: i32) -> i32 {
        self.top = top;
        self.height = height;
        top + HEADING_HEIGHT + height + AXIS_HEIGHT + UNDER_LAST
    }

    pub(super) fn draw(
        &self,
        canvas: &Canvas<'_, '_>,
        theme: &Theme,
        right: i32,
        is_last: bool,
    ) -> DrawResult {
        let greatest = self.greatest().unwrap_or(0);
        let marks = if self.height > 200 * PIXEL { 6 } else { 4 };
        let values = Axis::new(self.metric.unit(), greatest, marks).extended_to_mark();
        let width = right - MARGIN;
        let marks = if width < 500 * PIXEL { 6 } else { 10 };
        let times = Axis::new(MeasureUnit::Nanoseconds, self.end, marks);

        let values_end = values.range().end;
        let [heading, lines] = self.heading(&values);
        let heading = shorten(&heading, TEXT, width);
        let at = (MARGIN, self.top + 4 * PIXEL);
        canvas.area.draw_text(&heading, &theme.text(TEXT), at)?;
        let lines = shorten(&lines, SMALL, width);
        let at = (MARGIN, at.1 + 18 * PIXEL);
        canvas.area.draw_text(&lines, &theme.muted(SMALL), at)?;
        canvas.dash.set("");
        let size = (
            width.unsigned_abs(),
            (self.height + AXIS_HEIGHT).unsigned_abs(),
        );
        let place = canvas
            .area
            .clone()
            .shrink((MARGIN, self.top + HEADING_HEIGHT), size);
        let mut chart = ChartBuilder::on(&place)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(times.clone(), values)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(theme.grid)
            .axis_style(theme.muted)
            .label_style(theme.muted(SMALL))
            .set_all_tick_mark_size(4 * PIXEL)
            .draw()?;
        if is_last {
            let mut text = format!("Time since the start ({})", times.name);
            if self.changes().next().is_some() {
                text.push_str("; vertical: a parameter changed");
            }
            let text = shorten(&text, SMALL, width - LEFT);
            let bottom = self.top + HEADING_HEIGHT + self.height + AXIS_HEIGHT;
            let at = (MARGIN + LEFT, bottom + 2 * PIXEL);
            canvas.area.draw_text(&text, &theme.muted(SMALL), at)?;
        }
        for (index, at) in self.changes() {
            canvas.dash.set("10 30");
            let line = vec![(at, 0), (at, values_end)];
            let style = theme.run(index).stroke_width(stroke_width(1));
            chart.draw_series([PathElement::new(line, style)])?;
        }
        for reference in &self.references {
            self.draw_reference(canvas, theme, &mut chart, reference)?;
        }
        for (index, series) in self.series.iter().enumerate() {
            // Thin lines first, so that the main ones are on top.
            for (place, line) in series.lines.iter().enumerate().rev() {
                canvas.dash.set(Theme::dash(index));
                let width = if place == 0 {
                    stroke_width(2)
                } else {
                    stroke_width(1)
                };
                let style = theme.run(index).stroke_width(width);
                for path in self.paths(line) {
                    chart.draw_series([PathElement::new(path, style)])?;
                }
                self.mark(canvas, theme, &chart, index, line)?;
            }
        }
        // On top of all lines, which would strike them through.
        for reference in &self.references {
            Self::label(canvas, theme, &chart, (self.end, reference))?;
        }
        Ok(())
    }

    /// Draws a level line.
    fn draw_reference(
        &self,
        canvas: &Canvas<'_, '_>,
        theme: &Theme,
        chart: &mut Chart<'_, '_>,
        reference: &Reference,
    ) -> DrawResult {
        canvas.dash.set("90 30 10 30");
        let value = &reference.value;
        let colour = reference.run.map_or(theme.muted, |run| theme.run(run));
        let line = vec![(0, *value), (self.end, *value)];
        let style = colour.stroke_width(stroke_width(1));
        chart.draw_series([PathElement::new(line, style)])?;
        Ok(())
    }

    /// Draws the label of a level line, above one of its ends.
    fn label(
        canvas: &Canvas<'_, '_>,
        theme: &Theme,
        chart: &Chart<'_, '_>,
        (end, reference): (u64, &Reference),
    ) -> DrawResult {
        let Reference { value, label, .. } = reference;
        let (at, side) = if reference.is_label_on_right {
            (end, HPos::Right)
        } else {
            (0, HPos::Left)
        };
        let (left, _) = chart.backend_coord(&(0, *value));
        let (right, _) = chart.backend_coord(&(end, *value));
        let label = shorten(label, SMALL, right - left);
        let (x, y) = chart.backend_coord(&(at, *value));
        let (width, height) = canvas
            .area
            .estimate_text_size(&label, &theme.muted(SMALL))?;
        let width = i32::try_from(width).unwrap_or(0);
        let height = i32::try_from(height).unwrap_or(0);
        let start = if reference.is_label_on_right {
            x - width
        } else {
            x
        };
        let corners = [(start, y - height - PIXEL), (start + width, y - PIXEL)];
        let background = Rectangle::new(corners, theme.background.filled());
        canvas.area.draw(&background)?;
        let style = theme.muted(SMALL).pos(Pos::new(side, VPos::Bottom));
        canvas.area.draw_text(&label, &style, (x, y))
    }

    /// Returns the index of each run that was changed while it ran, and the times.
    fn changes(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.runs.iter().enumerate().flat_map(|(index, run)| {
            let events = run.trace.events.iter();
            let changes = events.filter(|event| event.kind == RecordKind::Change);
            changes.map(move |event| (index, nanos(event.at)))
        })
    }

    fn greatest(&self) -> Option<u64> {
        let lines = self.series.iter().flat_map(|series| &series.lines);
        let points = lines.flat_map(|line| &line.points);
        let values = points.filter_map(|point| point.value);
        values
            .chain(self.references.iter().map(|it| it.value))
            .max()
    }

    /// Returns the heading, with the unit, and a key of the lines.
    fn heading(&self, values: &Axis) -> [String; 2] {
        let label = self.metric.label();
        let window = self.series.iter().filter_map(|series| series.window).max();
        let over = window.map_or_else(String::new, |window| {
            ["over the last ", &round_text(window)].concat()
        });
        let has_wrong = self.series.iter().any(|series| series.lines.len() > 1);
        let unit = match self.metric {
            Metric::Throughput => [self.noun(), " per second"].concat(),
            Metric::InFlight | Metric::Failures => self.noun().to_owned(),
            Metric::Latency | Metric::Bytes | Metric::Lag => values.name.to_owned(),
        };
        let lines = match self.metric {
            Metric::Latency => {
                let scope = if self.excludes_waiting() {
                    "execution only, "
                } else if self.is_sampled() {
                    "recorded successes, "
                } else {
                    "successes, "
                };
                ["thick p99, thin p50, ", scope, &over].concat()
            }
            Metric::Throughput => over,
            Metric::Failures if has_wrong => "thick failed, thin wrong answers".to_owned(),
            Metric::Failures => String::new(),
            Metric::InFlight if self.is_sampled() => {
                "started and not ended, at recorded times".to_owned()
            }
            Metric::InFlight if self.excludes_waiting() => "started and not ended".to_owned(),
            Metric::InFlight => "started and not ended, waiting included".to_owned(),
            Metric::Bytes => "thick held, thin high-water mark".to_owned(),
            Metric::Lag => "delay of each heartbeat".to_owned(),
        };
        [format!("{label} ({unit})"), lines]
    }

    /// Returns whether a run has more successes than records of them.
    fn is_sampled(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| {
            let (work, mut totals) = (WorkSpans::new(run.trace), WorkTotals::default());
            let ended = work.ended(run.trace).into_iter();
            let on_record = ended.filter(|it| it.succeeded).count() as u64;
            for event in &run.trace.events {
                totals.apply(&work, event);
            }
            on_record < totals.sum().succeeded
        })
    }

    fn excludes_waiting(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| WorkSpans::new(run.trace).excludes_waiting)
    }

    fn noun(&self) -> &'static str {
        let mut nouns = self.runs.iter().map(|run| WorkSpans::new(run.trace).noun);
        let first = nouns.next().unwrap_or("requests");
        if nouns.all(|noun| noun == first) {
            first
        } else {
            "requests, chunks or jobs"
        }
    }

    /// Splits a line at its gaps. A single point would be invisible, so it becomes as
    /// long as its window.
    fn paths(&self, line: &SeriesLine) -> Vec<Vec<(u64, u64)>> {
        let pieces = line.points.split(|point| point.value.is_none());
        let path = |piece: &[Point]| {
            let mut path: Vec<(u64, u64)> = Vec::new();
            for point in piece {
                let (x, y) = place(point);
                let before = path.last().copied();
                if let Some((_, before)) = before.filter(|_| self.metric.is_stepped()) {
                    path.push((x, before));
                }
                path.push((x, y));
            }
            if let [(x, y)] = path[..] {
                let windows = self.series.iter().filter_map(|series| series.window);
                let length = windows.max().map_or(self.end / 50, nanos);
                path.insert(0, (x.saturating_sub(length), y));
            }
            path
        };
        pieces.map(path).filter(|path| !path.is_empty()).collect()
    }

    /// Draws markers on a line, at different times for each run.
    fn mark(
        &self,
        canvas: &Canvas<'_, '_>,
        theme: &Theme,
        chart: &Chart<'_, '_>,
        index: usize,
        line: &SeriesLine,
    ) -> DrawResult {
        const MARKS: u64 = 5;
        let runs = self.series.len().max(1) as u64;
        if runs == 1 {
            return Ok(());
        }
        for mark in 0..MARKS {
            let part = 2 * (mark * runs + index as u64) + 1;
            let at = u128::from(self.end) * u128::from(part) / u128::from(2 * MARKS * runs);
            let Some(point) = self.near(line, u64::try_from(at).unwrap_or(0)) else {
                continue;
            };
            let (x, y) = place(&point);
            theme.mark(canvas, index, chart.backend_coord(&(x, y)))?;
        }
        Ok(())
    }

    /// Returns the point of a line at a time, or the next one; `None` after its end.
    fn near(&self, line: &SeriesLine, at: u64) -> Option<Point> {
        let after = line.points.partition_point(|point| nanos(point.at) <= at);
        let next = line.points.get(after)?;
        let before = after.checked_sub(1).map(|before| line.points[before]);
        match before {
            Some(before) if self.metric.is_stepped() => Some(Point {
                at: Duration::from_nanos(at),
                ..before
            }),
            _ => Some(*next),
        }
        .filter(|point| point.value.is_some())
    }
}

fn place(point: &Point) -> (u64, u64) {
    (nanos(point.at), point.value.unwrap_or(0))
}

/// Formats a duration without decimals if it is round.
fn round_text(duration: Duration) -> String {
    let nanos = nanos(duration);
    let sizes = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    let whole = sizes
        .into_iter()
        .find(|(size, _)| nanos > 0 && nanos.is_multiple_of(*size));
    match whole {
        Some((size, name)) => format!("{} {name}", nanos / size),
        None => MeasureUnit::Nanoseconds.text(nanos),
    }
}
