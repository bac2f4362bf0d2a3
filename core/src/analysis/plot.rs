//! Plots of several runs.

mod axis;
mod canvas;
mod legend;
mod panel;
mod plot_run;
mod reference;
mod svg;
mod theme;

pub use plot_run::PlotRun;

use super::{Metric, Series, measures::duration};
use crate::latency::nanos;
use canvas::{Canvas, DrawResult, HEADING_HEIGHT, MARGIN, PIXEL, TEXT, TITLE, shorten};
use legend::Legend;
use panel::Panel;
use plotters::prelude::*;
use std::time::Duration;
use svg::Svg;
use theme::Theme;

/// The content and style of a plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The metrics, one chart each, from top to bottom. Metrics without data are left
    /// out.
    pub metrics: Vec<Metric>,
    /// The width in pixels, clamped to 280 to 2000. From 600 on, the legend is beside
    /// the charts, else below them.
    pub width: u32,
    /// Selects a dark background.
    pub dark: bool,
}

/// Creates a light figure of all metrics, 960 pixels wide.
impl Default for Figure {
    fn default() -> Self {
        Figure {
            metrics: Metric::ALL.to_vec(),
            width: 960,
            dark: false,
        }
    }
}

/// Plots runs over one another, as an SVG document.
///
/// Runs differ in colour, dashes and markers. Level lines in the chart of latencies show
/// the prediction of queueing theory for the settings, if there is one and if at most
/// two of the runs' predictions differ. The same runs always give the same
/// bytes, in a browser and natively, since no font is measured. Its title, for screen
/// readers, describes the content.
///
/// ```
/// use highwater::{analysis::{Figure, PlotRun, plot}, trace::Trace};
///
/// let trace = Trace::default();
/// let svg = plot(&[PlotRun { label: "before", trace: &trace }], &Figure::default());
/// assert!(svg.contains("No data to plot"));
/// ```
#[must_use]
pub fn plot(runs: &[PlotRun<'_>], figure: &Figure) -> String {
    let layout = Layout::new(runs, figure);
    let mut svg = String::new();
    let backend = Svg::new(&mut svg, (layout.width, layout.height), &layout.title);
    // Drawing cannot fail: the picture is a string in memory.
    let dash = backend.dash();
    let area = backend.into_drawing_area();
    let _ = draw(&layout, &Canvas { area: &area, dash });
    drop(area);
    svg.push_str("</svg>\n");
    svg
}

/// The height of the title.
const TITLE_HEIGHT: i32 = 26 * PIXEL;
const LEGEND_WIDTH: i32 = 230 * PIXEL;

/// The positions of all parts.
struct Layout<'a> {
    panels: Vec<Panel<'a>>,
    legend: Option<Legend<'a>>,
    title: String,
    subtitle: String,
    theme: Theme,
    width: i32,
    height: i32,
    /// The right edge of the charts.
    right: i32,
}

impl<'a> Layout<'a> {
    fn new(runs: &'a [PlotRun<'a>], figure: &Figure) -> Self {
        let width = i32::try_from(figure.width.clamp(280, 2000)).unwrap_or(960) * PIXEL;
        let is_wide = width >= 600 * PIXEL;
        let end = runs.iter().map(|run| duration(run.trace)).max();
        let end = end.unwrap_or_default().max(Duration::from_nanos(1));
        let window = Series::window(runs.iter().map(|run| run.trace));
        let panels = figure.metrics.iter().filter_map(|metric| {
            let of = |run: &PlotRun<'_>| Series::of(run.trace, *metric, window);
            Panel::new(runs, *metric, runs.iter().map(of).collect(), nanos(end))
        });
        let mut panels: Vec<_> = panels.collect();
        let legend = (runs.len() > 1).then(|| Legend::new(runs));
        let legend_width = if legend.is_some() && is_wide {
            LEGEND_WIDTH
        } else {
            0
        };
        let subtitle = match runs {
            [run] => run.label.to_owned(),
            _ => String::new(),
        };
        let mut top = MARGIN + TITLE_HEIGHT;
        if !subtitle.is_empty() {
            top += 20 * PIXEL;
        }
        let top_of_charts = top;
        let height = if panels.len() > 1 { 150 } else { 260 } * PIXEL;
        for panel in &mut panels {
            top = panel.place(top, height);
        }
        let mut legend = legend;
        if let Some(legend) = &mut legend {
            top = if is_wide {
                let at = (
                    width - legend_width + MARGIN,
                    top_of_charts + HEADING_HEIGHT,
                );
                top.max(legend.place(at, legend_width - 2 * MARGIN))
            } else {
                legend.place((MARGIN, top + MARGIN), width - 2 * MARGIN)
            };
        }
        if panels.is_empty() {
            top += 40 * PIXEL;
        }
        Layout {
            panels,
            legend,
            title: title(runs, figure),
            subtitle,
            theme: Theme::new(figure.dark),
            width,
            height: top + MARGIN,
            right: width - legend_width - MARGIN,
        }
    }
}

fn draw(layout: &Layout<'_>, canvas: &Canvas<'_, '_>) -> DrawResult {
    let theme = &layout.theme;
    canvas.area.fill(&theme.background)?;
    let room = layout.width - 2 * MARGIN;
    let text = shorten(&layout.title, TITLE, room);
    canvas
        .area
        .draw_text(&text, &theme.title(), (MARGIN, MARGIN))?;
    let text = shorten(&layout.subtitle, TEXT, room);
    let at = (MARGIN, MARGIN + TITLE_HEIGHT);
    canvas.area.draw_text(&text, &theme.muted(TEXT), at)?;
    let last = layout.panels.len().saturating_sub(1);
    for (index, panel) in layout.panels.iter().enumerate() {
        panel.draw(canvas, theme, layout.right, index == last)?;
    }
    if let Some(legend) = &layout.legend {
        legend.draw(canvas, theme)?;
    }
    if layout.panels.is_empty() {
        let text = "No data to plot.";
        let at = (MARGIN, MARGIN + 2 * TITLE_HEIGHT);
        canvas.area.draw_text(text, &theme.text(TEXT), at)?;
    }
    Ok(())
}

/// Returns the title: for one run its scenario, world and seed; for several, the
/// scenarios and the metric.
fn title(runs: &[PlotRun<'_>], figure: &Figure) -> String {
    let mut scenarios: Vec<&str> = Vec::new();
    for run in runs {
        if !scenarios.contains(&run.trace.scenario.as_str()) {
            scenarios.push(&run.trace.scenario);
        }
    }
    let scenarios = scenarios.join(", ");
    match (runs, figure.metrics.as_slice()) {
        ([run], _) => format!("{scenarios}: {}", run.description()),
        (_, [metric]) => format!("{scenarios}: {} of {} runs", metric.label(), runs.len()),
        _ => format!("{scenarios}: {} runs", runs.len()),
    }
}
