//! Latencies over time, as SVG.

use highwater::trace::{NameId, Phase, Trace};
use plotters::{
    coord::Shift,
    element::{DynElement, IntoDynElement, PointCollection},
    prelude::*,
};
use std::{collections::BTreeMap, io};

/// A picture with one line for each source that has spans: when each began,
/// and how long it took.
pub(crate) fn latencies(trace: &Trace) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        // Nothing can fail: the picture is a string in memory.
        draw(trace, &area).expect("a string takes every picture");
    }
    svg
}

const WIDTH: u32 = 960;
const HEIGHT: u32 = 540;
const LEGEND_LEFT: i32 = 780;
const LABEL: (&str, u32) = ("sans-serif", 17);

/// Told apart on white and by the colour-blind (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(117, 112, 0),
];

/// Points of one source: seconds since the start, milliseconds taken.
type Series = BTreeMap<NameId, Vec<(f64, f64)>>;

fn draw(
    trace: &Trace,
    area: &DrawingArea<SVGBackend<'_>, Shift>,
) -> Result<(), DrawingAreaErrorKind<io::Error>> {
    area.fill(&WHITE)?;
    let series = series(trace);
    let points = || series.values().flatten();
    // A run that died at once has no points; its axes still need some length.
    let latest_s = points().map(|point| point.0).fold(0.001, f64::max);
    let longest_ms = points().map(|point| point.1).fold(1.0, f64::max);

    let mut chart = ChartBuilder::on(area)
        .caption(title(trace), ("sans-serif", 24))
        .margin(16)
        .margin_right(WIDTH.saturating_sub(LEGEND_LEFT.unsigned_abs()) + 16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..latest_s * 1.02, 0.0..longest_ms * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .label_style(LABEL)
        .x_desc("begun at (s)")
        .y_desc("took (ms)")
        .draw()?;
    let label = LABEL.into_text_style(area);
    for (index, (source, points)) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.mix(0.5)))?;
        chart.draw_series(points.iter().map(|point| mark(index, *point)))?;
        // The legend stands beside the chart: inside it would hide points.
        let (x, y) = (LEGEND_LEFT, 60 + 26 * i32::try_from(index).unwrap_or(0));
        area.draw(&mark(index, (x, y)))?;
        area.draw_text(trace.name(*source), &label, (x + 14, y - 8))?;
    }
    if series.is_empty() {
        let text = "Nothing was done in this run.";
        area.draw_text(text, &label, (LEGEND_LEFT / 2 - 60, 250))?;
    }
    Ok(())
}

fn title(trace: &Trace) -> String {
    let time = match trace.world.as_str() {
        "virtual" => "simulated time",
        _ => "real time",
    };
    let mut title = format!(
        "{}: how long each took ({}, {time}, seed {})",
        trace.scenario, trace.world, trace.seed
    );
    if trace.died.is_some() {
        title += ", until the run died";
    }
    title
}

fn series(trace: &Trace) -> Series {
    let mut series = Series::new();
    for event in &trace.events {
        if event.phase == Phase::End {
            let point = (event.at.as_secs_f64(), event.duration.as_secs_f64() * 1e3);
            series.entry(event.source).or_default().push(point);
        }
    }
    // Records are in the order of their ends; a line wants that of begins.
    for points in series.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    series
}

/// A point, in a shape and a colour of its series' own.
fn mark<'a, At>(index: usize, at: At) -> DynElement<'static, SVGBackend<'a>, At>
where
    At: Clone + 'static,
    for<'p> &'p Circle<At, i32>: PointCollection<'p, At>,
    for<'p> &'p Cross<At, i32>: PointCollection<'p, At>,
    for<'p> &'p TriangleMarker<At, i32>: PointCollection<'p, At>,
{
    let colour = COLOURS[index % COLOURS.len()];
    match index % 3 {
        0 => Circle::new(at, 3, colour.filled()).into_dyn(),
        1 => Cross::new(at, 3, colour.stroke_width(2)).into_dyn(),
        _ => TriangleMarker::new(at, 4, colour.filled()).into_dyn(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    #[test]
    fn a_picture_names_its_world_its_seed_and_every_series() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let texts = texts(&latencies(&experiment.simulate()));
        assert!(
            texts.contains("(virtual, simulated time, seed 1)"),
            "{texts}"
        );
        for name in ["UserService", "EmailService", "AuditLog", "LoyaltyService"] {
            assert!(texts.contains(name), "{name} in {texts}");
        }
        assert!(!texts.contains("EventBus"), "it has no spans");
    }

    #[test]
    fn a_run_without_spans_has_a_picture_too() {
        let experiment = scenario::find("decoupling").unwrap().experiment();
        let mut trace = experiment.new_trace("native");
        trace.died = Some("<a bug> & more".to_owned());
        trace.scenario = "a < b".to_owned();
        let texts = texts(&latencies(&trace));
        assert!(texts.contains("Nothing was done"), "{texts}");
        assert!(texts.contains("a < b: "), "{texts}");
    }

    fn texts(svg: &str) -> String {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document.descendants().filter_map(|node| node.text());
        texts.map(str::trim).collect::<Vec<_>>().join("|")
    }
}
