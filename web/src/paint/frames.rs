//! Replays records and compares every painted frame with them.

use super::{
    paint,
    recording::Shape,
    services::{CALL_RADIUS, QUEUED_RADIUS, REQUEST_RADIUS},
    surface::Surface,
};
use crate::playback::Playback;
use highwater::{
    scenario,
    trace::{Event, Phase, RecordKind},
};
use std::time::Duration;

/// Time of the run between two frames.
const FRAME: Duration = Duration::from_millis(3);

/// Plays a complete simulated run and checks a frame after each record and in between.
fn replay(name: &str, set: &[(&str, &str)], mut check: impl FnMut(&Frame<'_>)) {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in set {
        experiment.set(key, value).unwrap();
    }
    let mut playback = Playback::new(experiment.simulate());
    playback.complete(None);
    let surface = Surface::recording(1000.0, 600.0);
    while !playback.is_finished() {
        let next = playback.upcoming().first().map(Event::recorded_at);
        if next.is_some_and(|next| next <= playback.time() + FRAME) {
            playback.step();
        } else {
            playback.advance(FRAME, false);
        }
        paint(&surface, &playback);
        check(&Frame {
            shapes: surface.take_shapes(),
            playback: &playback,
            surface: &surface,
        });
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.01
}

/// A painted frame.
struct Frame<'a> {
    shapes: Vec<Shape>,
    playback: &'a Playback,
    surface: &'a Surface,
}

impl Frame<'_> {
    fn played(&self, kind: RecordKind, phase: Phase) -> u64 {
        let played = self.playback.played().iter();
        let matching = played.filter(|event| (event.kind, event.phase) == (kind, phase));
        matching.count() as u64
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text, _) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns the sum of the numbers that stand before `word` in painted texts.
    fn sum(&self, word: &str) -> u64 {
        let mut sum = 0;
        for text in self.texts() {
            let words: Vec<&str> = text.split([' ', ',']).filter(|it| !it.is_empty()).collect();
            let pairs = words.windows(2).filter(|pair| pair[1] == word);
            let numbers =
                pairs.filter_map(|pair| pair[0].trim_start_matches('+').parse::<u64>().ok());
            sum += numbers.sum::<u64>();
        }
        sum
    }

    /// Returns the number of painted items that `is_item` accepts.
    fn count(&self, is_item: impl Fn(&Shape) -> bool) -> u64 {
        self.shapes.iter().filter(|shape| is_item(shape)).count() as u64
    }

    /// Returns the number of dots or rings of this radius.
    fn circles(&self, expected: f64) -> u64 {
        self.count(|shape| match shape {
            Shape::Dot(_, radius, _) | Shape::Ring(_, radius, _) => is_near(*radius, expected),
            _ => false,
        })
    }

    /// Returns the number of calls with a dot.
    fn calls(&self) -> u64 {
        // Requests of the railway that leave a server are rectangles.
        let is_leaving = |it: &Shape| matches!(it, Shape::Rect(_, size, _) if *size == (12.0, 8.0));
        self.circles(CALL_RADIUS) + self.count(is_leaving)
    }

    /// Returns the number of crosses of this size above the lanes.
    fn crosses(&self, size: f64) -> u64 {
        self.count(|shape| {
            let Shape::Line(from, to, colour) = shape else {
                return false;
            };
            let is_diagonal =
                is_near(to.0 - from.0, 2.0 * size) && is_near(to.1 - from.1, 2.0 * size);
            let is_above_lanes = from.1 < 0.6 * self.surface.height;
            is_diagonal && is_above_lanes && colour == self.surface.theme.bad
        })
    }

    fn context(&self) -> String {
        let latest = self.playback.latest();
        let texts: Vec<&str> = self.texts().collect();
        format!("{:?} {latest:?} {texts:?}", self.playback.time())
    }
}

#[test]
fn no_counter_is_ahead_of_its_dot() {
    for scenario in scenario::ALL {
        let mut dots = 0;
        replay(scenario.name, &[], |frame| {
            let open = |kind| frame.playback.open().filter(|it| it.kind == kind).count() as u64;
            match scenario.chapter {
                "events" | "streams" => {
                    let handled = frame.played(RecordKind::Handle, Phase::End);
                    let is_stream = scenario.chapter == "streams";
                    let requests = frame.played(RecordKind::Request, Phase::End);
                    let requests = if is_stream { 0 } else { requests };
                    let counted = frame.sum("done") + frame.sum("failed");
                    assert_eq!(counted, handled + requests, "{}", frame.context());
                    let calls = open(RecordKind::Handle);
                    assert_eq!(frame.calls(), calls, "{}", frame.context());
                    dots += calls;
                }
                "errors" => {
                    let calls = open(RecordKind::Handle);
                    assert_eq!(frame.calls(), calls, "{}", frame.context());
                    let requests = open(RecordKind::Request);
                    let rings = frame.circles(REQUEST_RADIUS) + frame.sum("more");
                    assert_eq!(rings, requests, "{}", frame.context());
                    assert_eq!(frame.sum("in"), requests, "{}", frame.context());
                    dots += calls;
                }
                _ => {}
            }
        });
        assert!(
            dots > 10 || scenario.chapter == "scaling",
            "{}",
            scenario.name
        );
    }
}

#[test]
fn every_drop_drawn_is_a_drop_recorded() {
    for (name, set) in [
        (
            "decoupling",
            &[
                "listeners=async",
                "inbox=2",
                "email_latency=400",
                "overflow=drop-oldest",
            ][..],
        ),
        (
            "decoupling",
            &[
                "listeners=async",
                "inbox=1",
                "email_latency=400",
                "overflow=fail",
            ],
        ),
        ("backpressure", &["overflow=drop-oldest"]),
        ("backpressure", &["overflow=fail"]),
        ("decoupling", &[]),
        ("backpressure", &[]),
    ] {
        let set: Vec<(&str, &str)> = set.iter().filter_map(|it| it.split_once('=')).collect();
        let (mut drawn, mut recorded) = (0, 0);
        replay(name, &set, |frame| {
            let played = frame.playback.played().iter();
            let lost = |event: &Event| match event.kind {
                RecordKind::Drop => event.subject,
                RecordKind::Reject => 1,
                _ => 0,
            };
            recorded = played.map(lost).sum();
            let now = frame.playback.screen_time();
            let recent = frame.playback.played().iter();
            let recent = recent.filter(|it| it.recorded_at() + super::services::GLOW >= now);
            let falling = frame.crosses(4.0);
            assert_eq!(
                falling,
                recent.map(lost).sum::<u64>(),
                "{}",
                frame.context()
            );
            let counted = frame.sum("lost") + frame.sum("dropped") + frame.sum("rejected");
            assert_eq!(counted, recorded, "{}", frame.context());
            drawn += falling;
        });
        assert_eq!(drawn > 0, recorded > 0, "{name} {set:?}: {recorded}");
        assert_eq!(set.is_empty(), recorded == 0, "{name} {set:?}");
    }
}

#[test]
fn queues_show_as_many_items_as_wait() {
    let set = [
        ("listeners", "async"),
        ("inbox", "4"),
        ("email_latency", "300"),
    ];
    let mut longest = 0;
    replay("decoupling", &set, |frame| {
        let queued = frame.circles(QUEUED_RADIUS) + frame.sum("more");
        assert_eq!(queued, frame.sum("waiting"), "{}", frame.context());
        longest = longest.max(queued);
    });
    assert!(longest > 2, "{longest}");
}

#[test]
fn queue_above_its_lane_is_counted() {
    let set = [("requests", "200"), ("interval", "3"), ("work", "6")];
    let (mut longest, mut beyond) = (0, 0);
    replay("blocking", &set, |frame| {
        let is_request = |event: &&Event| event.kind == RecordKind::Request;
        let open = frame.playback.open().filter(is_request).count() as u64;
        assert_eq!(frame.sum("waiting"), open, "{}", frame.context());
        longest = longest.max(open);
        beyond = beyond.max(frame.sum("more"));
    });
    assert!(
        beyond > 0,
        "the lane was never full, with {longest} waiting"
    );
}

#[test]
fn bars_of_overlapping_work_do_not_overlap() {
    for name in ["handler", "pipeline", "taxonomy"] {
        let mut bars = 0;
        replay(name, &[], |frame| {
            // Checking every tenth frame is enough, as lanes change slowly.
            if !frame.playback.position().is_multiple_of(10) {
                return;
            }
            let lanes_top = 0.66 * frame.surface.height;
            let rects = frame.shapes.iter().filter_map(|shape| match shape {
                Shape::Rect(at, size, _) if at.1 > lanes_top => Some((*at, *size)),
                _ => None,
            });
            let rects: Vec<_> = rects.collect();
            bars = bars.max(rects.len());
            for (index, (a, a_size)) in rects.iter().enumerate() {
                for (b, b_size) in &rects[..index] {
                    let overlap = |a: f64, a_size: f64, b: f64, b_size: f64| {
                        (a + a_size).min(b + b_size) - a.max(b)
                    };
                    // Bars are at least a pixel and a half wide.
                    let is_beside = overlap(a.0, a_size.0, b.0, b_size.0) < 1.6;
                    let is_below = overlap(a.1, a_size.1, b.1, b_size.1) < 0.1;
                    assert!(is_beside || is_below, "{a:?} {b:?} {}", frame.context());
                }
            }
        });
        assert!(bars > 20, "{name}: {bars}");
    }
}
