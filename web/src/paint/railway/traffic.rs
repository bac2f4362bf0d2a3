//! What moves: a train for each request, and what is on its way because of one.

use super::{
    super::{Surface, services},
    plan::{Plan, Point},
    track,
};
use crate::playback::Playback;
use highwater::trace::{Event, Kind, Phase};

/// What it looks like. Each has a shape of its own beside its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Train {
    /// A request under way.
    Request,
    /// An answer that is right.
    Good,
    /// An error that is a part of operation, and what is done again.
    Switched,
    /// A bug, an answer that is wrong, and what is lost.
    Bad,
}

/// The way of the last record, so that a step shows what it did.
pub(super) fn latest(surface: &Surface, plan: &Plan, playback: &Playback) {
    let latest = playback.latest();
    if let Some((way, train)) = latest.and_then(|event| way_of(plan, playback, event)) {
        track(surface, &way, color(surface, train), 3.0);
    }
}

/// What is bad goes on top: a wrong answer has just left as a right one.
pub(super) fn moving(surface: &Surface, plan: &Plan, playback: &Playback) {
    for is_bad in [false, true] {
        for event in services::recent(surface, playback) {
            let way = way_of(plan, playback, event);
            let Some((way, train)) = way.filter(|(_, it)| (*it == Train::Bad) == is_bad) else {
                continue;
            };
            let at = along(&way, services::way(playback, event));
            paint(surface, at, train);
        }
    }
}

fn paint(surface: &Surface, at: Point, train: Train) {
    let color = color(surface, train);
    let wagon = |color| surface.fill_rect(at.0 - 6.0, at.1 - 4.0, 12.0, 8.0, color);
    match train {
        Train::Request | Train::Good => wagon(color),
        Train::Switched => surface.ring(at, 5.0, color),
        Train::Bad => {
            wagon(surface.theme.background);
            surface.cross(at, 6.0, color);
        }
    }
}

fn color(surface: &Surface, train: Train) -> &'static str {
    match train {
        Train::Request | Train::Switched => surface.theme.accent,
        Train::Good => surface.theme.good,
        Train::Bad => surface.theme.bad,
    }
}

fn way_of(plan: &Plan, playback: &Playback, event: &Event) -> Option<(Vec<Point>, Train)> {
    let trace = playback.trace();
    let cause = event.failure.map(|cause| trace.name(cause));
    let station = plan.station(event.source);
    Some(match (event.kind, event.phase) {
        (Kind::Request, Phase::Begin) => (plan.arrival(), Train::Request),
        (Kind::Request, Phase::End) => match cause?.as_bytes().first() {
            Some(b'4') => (plan.failed(1), Train::Switched),
            Some(b'5') => (plan.failed(2), Train::Switched),
            _ => return None,
        },
        (Kind::Handle, Phase::Begin) => (plan.to(station?), Train::Request),
        (Kind::Handle, Phase::End) => match cause {
            None => (plan.good(station?), Train::Good),
            Some("lost") => (plan.lost(station?), Train::Bad),
            Some("handed back") => (plan.back(station?), Train::Switched),
            Some(fault) if fault.starts_with("a bug") => (plan.astray(station?), Train::Bad),
            Some(_) => (plan.astray(station?), Train::Switched),
        },
        (Kind::Wrong, _) => (plan.good(station?), Train::Bad),
        (Kind::Retry, _) => (plan.again(), Train::Switched),
        (Kind::Exit, _) if cause.is_some() => (plan.to_siding(), Train::Bad),
        (Kind::Start, _) if is_restart(playback, event) => (plan.restart(), Train::Switched),
        _ => return None,
    })
}

fn is_restart(playback: &Playback, event: &Event) -> bool {
    let mut slots = playback.tally().worker_slots().iter();
    slots.any(|it| it.worker == event.source && it.generation() > 1)
}

/// The point at this share of the way, each part of which takes as long.
fn along(way: &[Point], share: f64) -> Point {
    let parts = way.len().saturating_sub(1).max(1) as f64;
    let mut done = share * parts;
    for pair in way.windows(2) {
        if done <= 1.0 {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            return (x + (to_x - x) * done, y + (to_y - y) * done);
        }
        done -= 1.0;
    }
    way.last().copied().unwrap_or_default()
}
