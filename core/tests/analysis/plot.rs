//! Plots: content and readability.

use highwater::{
    analysis::{Figure, Metric, PlotRun, plot},
    scenario,
    trace::Trace,
};
use roxmltree::{Document, Node};
use std::collections::BTreeSet;

/// Runs the presets of a scenario, up to six.
fn presets(name: &str) -> Vec<(&'static str, Trace)> {
    let scenario = scenario::find(name).unwrap();
    let run = |preset: &'static scenario::Preset| {
        let mut experiment = scenario.experiment();
        for (key, value) in preset.set {
            experiment.set(key, value).unwrap();
        }
        (preset.title, experiment.simulate())
    };
    scenario.presets.iter().take(6).map(run).collect()
}

fn runs<'a>(labelled: &'a [(&'static str, Trace)]) -> Vec<PlotRun<'a>> {
    let runs = labelled.iter();
    runs.map(|(label, trace)| PlotRun { label, trace })
        .collect()
}

fn figure(width: u32) -> Figure {
    Figure {
        width,
        ..Figure::default()
    }
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap().to_owned()).collect()
}

fn number(node: &Node<'_, '_>, attribute: &str) -> Option<f64> {
    node.attribute(attribute).map(|text| text.parse().unwrap())
}

#[test]
fn every_preset_fits_its_picture() {
    for scenario in scenario::ALL {
        let labelled = presets(scenario.name);
        for width in [280, 360, 960] {
            let svg = plot(&runs(&labelled), &figure(width));
            let document = Document::parse(&svg).unwrap();
            let root = document.root_element();
            assert_eq!(root.attribute("width"), Some(width.to_string().as_str()));
            let view = root.attribute("viewBox").unwrap();
            let [_, _, right, bottom] = numbers(view).try_into().unwrap();
            for node in document.descendants() {
                for pair in node.attribute("points").unwrap_or_default().split(' ') {
                    if let [x, y] = numbers(&pair.replace(',', " "))[..] {
                        assert!((0.0..=right).contains(&x), "{pair} of {view}");
                        assert!((0.0..=bottom).contains(&y), "{pair} of {view}");
                    }
                }
                if !node.has_tag_name("text") {
                    continue;
                }
                let text = node.text().unwrap();
                // Six tenths of the height per letter, wider than in most fonts.
                let length =
                    number(&node, "font-size").unwrap() * 0.6 * text.chars().count() as f64;
                let x = number(&node, "x").unwrap();
                let (from, to) = match node.attribute("text-anchor").unwrap() {
                    "start" => (x, x + length),
                    "middle" => (x - length / 2.0, x + length / 2.0),
                    _ => (x - length, x),
                };
                let slack = 0.12 * length;
                assert!(from >= -slack && to <= right + slack, "{text} of {view}");
            }
        }
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect()
}

#[test]
fn title_names_world_and_seed() {
    let (label, mut trace) = presets("blocking").swap_remove(0);
    let svg = plot(
        &[PlotRun {
            label,
            trace: &trace,
        }],
        &figure(960),
    );
    let document = Document::parse(&svg).unwrap();
    let title = document.descendants().find(|it| it.has_tag_name("title"));
    assert_eq!(title.unwrap().text(), Some("blocking: simulated, seed 1"));
    assert_eq!(document.root_element().attribute("role"), Some("img"));
    let shown = texts(&svg);
    for text in [
        "blocking: simulated, seed 1",
        label,
        "Latency (ms)",
        "thick p99, thin p50, successes, over the last 200 ms",
        "Throughput (requests per second)",
        "In flight (requests)",
        "Loop lag (ms)",
        "Time since the start (s)",
    ] {
        assert!(shown.iter().any(|it| it == text), "{text} in {shown:?}");
    }
    trace.world = "native".to_owned();
    trace.seed = 7;
    trace.died = Some("a bug".to_owned());
    let shown = texts(&plot(
        &[PlotRun {
            label,
            trace: &trace,
        }],
        &figure(960),
    ));
    assert_eq!(shown[0], "blocking: native, real time, seed 7, ended early");
}

#[test]
fn runs_differ_by_more_than_colour() {
    let labelled = presets("blocking");
    let one_metric = Figure {
        metrics: vec![Metric::Throughput],
        ..Figure::default()
    };
    let svg = plot(&runs(&labelled), &one_metric);
    let document = Document::parse(&svg).unwrap();
    let thick = document
        .descendants()
        .filter(|it| it.has_tag_name("polyline") && it.attribute("stroke-width") == Some("20"));
    let mut by_colour = std::collections::BTreeMap::new();
    for line in thick {
        let colour = line.attribute("stroke").unwrap();
        let dash = line.attribute("stroke-dasharray").unwrap_or_default();
        by_colour
            .entry(colour)
            .or_insert_with(BTreeSet::new)
            .insert(dash);
    }
    // Cross markers are not dashed.
    let dashes: BTreeSet<_> = by_colour.values().filter_map(|it| it.last()).collect();
    assert_eq!((by_colour.len(), dashes.len()), (4, 4), "{by_colour:?}");
    let shapes = |name| document.descendants().any(|it| it.has_tag_name(name));
    assert!(shapes("circle") && shapes("polygon"));
    let shown = texts(&svg);
    assert_eq!(shown[0], "blocking: Throughput of 4 runs");
    let circumstances = shown.iter().filter(|it| *it == "simulated, seed 1");
    assert_eq!(circumstances.count(), labelled.len(), "{shown:?}");
}

#[test]
fn change_during_a_run_is_a_vertical_line() {
    let mut experiment = scenario::find("decoupling").unwrap().experiment();
    let before = experiment.simulate();
    experiment.set("email_latency@1500", "400").unwrap();
    let after = experiment.simulate();
    let labelled = [("before", before), ("after", after)];
    let upright = |runs: &[PlotRun<'_>]| {
        let svg = plot(runs, &figure(960));
        let document = Document::parse(&svg).unwrap();
        let lines = document.descendants();
        let dashed = lines.filter(|it| it.attribute("stroke-dasharray") == Some("10 30"));
        let panels = texts(&svg)
            .into_iter()
            .filter(|it| it.ends_with(')'))
            .count();
        let says = texts(&svg)
            .iter()
            .any(|it| it.contains("a parameter changed"));
        (dashed.count(), panels, says)
    };
    let runs = runs(&labelled);
    let (none, _, says) = upright(&runs[..1]);
    assert_eq!((none, says), (0, false));
    // One in each chart.
    let (lines, charts, says) = upright(&runs);
    assert_eq!((lines, says), (charts, true));
}

#[test]
fn marks_are_at_round_numbers() {
    for scenario in scenario::ALL {
        let labelled = presets(scenario.name);
        for text in texts(&plot(&runs(&labelled), &figure(360))) {
            if text.chars().all(|it| it.is_ascii_digit() || it == '.') {
                assert!(text.len() <= 5, "{text} of {}", scenario.name);
                // A multiple of 1, 2 or 5 times a power of ten.
                let digits = text.replace('.', "");
                let digits = digits.trim_matches('0');
                assert!(digits.len() <= 3, "{text} of {}", scenario.name);
            }
        }
    }
}

#[test]
fn colours_have_enough_contrast() {
    let labelled = presets("taxonomy");
    for dark in [false, true] {
        let figure = Figure {
            dark,
            ..Figure::default()
        };
        let svg = plot(&runs(&labelled), &figure);
        let document = Document::parse(&svg).unwrap();
        let ground = document.descendants().find(|it| it.has_tag_name("rect"));
        let ground = luminance(ground.unwrap().attribute("fill").unwrap());
        for node in document.descendants() {
            let least = match node.tag_name().name() {
                "text" => 4.5,
                "circle" | "polygon" => 3.0,
                _ => continue,
            };
            let colour = node.attribute("fill").unwrap();
            let it = luminance(colour);
            let contrast = (it.max(ground) + 0.05) / (it.min(ground) + 0.05);
            assert!(contrast >= least, "{colour}: {contrast:.2}");
        }
    }
}

/// Returns the relative luminance, as defined by WCAG 2.2.
fn luminance(hex: &str) -> f64 {
    let part = |from: usize| {
        let part = u8::from_str_radix(&hex[from..from + 2], 16).unwrap();
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn texts_are_escaped() {
    let trace = Trace {
        scenario: "a </title> & <script>\u{7}".to_owned(),
        ..Trace::default()
    };
    let label = "<b>\"&\"</b>";
    let svg = plot(
        &[PlotRun {
            label,
            trace: &trace,
        }],
        &figure(960),
    );
    let document = Document::parse(&svg).unwrap();
    assert!(!document.descendants().any(|it| it.has_tag_name("script")));
    let shown = texts(&svg);
    assert_eq!(shown[1], label);
    assert!(shown[0].starts_with("a </title> & <script> "), "{shown:?}");
    assert!(shown.iter().any(|it| it.starts_with("No data to plot")));
}

#[test]
fn plot_without_runs_is_valid() {
    let svg = plot(&[], &figure(0));
    let document = Document::parse(&svg).unwrap();
    assert_eq!(document.root_element().attribute("width"), Some("280"));
}

#[test]
fn plot_is_deterministic() {
    let labelled = presets("handler");
    let [a, b] = [(), ()].map(|()| plot(&runs(&labelled), &figure(960)));
    assert_eq!(a, b);
    // Small enough to embed.
    assert!(a.len() < 200_000, "{} bytes", a.len());
}
