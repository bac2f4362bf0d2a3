//! Moving parts: requests, answers, retries and restarts.

use super::{
    super::{Surface, services},
    plan::{Plan, Point},
    track,
};
use crate::playback::Playback;
use highwater::trace::{Event, Phase, RecordKind};

/// A moving request, by its appearance. Each differs by shape as well as color.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Train {
    /// A request in flight.
    Request,
    /// A correct answer.
    Good,
    /// An operational error, a retry or a restart.
    Diverted,
    /// A bug, a wrong answer or a lost request.
    Bad,
}

/// Highlights the path of the last record, so that a step shows its effect.
pub(super) fn latest(surface: &Surface, plan: &Plan, playback: &Playback) {
    let latest = playback.latest();
    if let Some((path, train)) = latest.and_then(|event| path_of(plan, playback, event)) {
        track(surface, &path, color(surface, train), 3.0);
    }
}

/// Paints moving requests, the bad ones on top: a wrong answer is also recorded as a
/// success.
pub(super) fn moving(surface: &Surface, plan: &Plan, playback: &Playback) {
    for is_bad in [false, true] {
        for event in services::recent(surface, playback) {
            let path = path_of(plan, playback, event);
            let Some((path, train)) = path.filter(|(_, it)| (*it == Train::Bad) == is_bad) else {
                continue;
            };
            let at = point_along(&path, services::progress(playback, event));
            paint(surface, at, train);
        }
    }
}

fn paint(surface: &Surface, at: Point, train: Train) {
    let color = color(surface, train);
    let wagon = |color| surface.fill_rect(at.0 - 6.0, at.1 - 4.0, 12.0, 8.0, color);
    match train {
        Train::Request | Train::Good => wagon(color),
        Train::Diverted => surface.ring(at, 5.0, color),
        Train::Bad => {
            wagon(surface.theme.background);
            surface.cross(at, 6.0, color);
        }
    }
}

fn color(surface: &Surface, train: Train) -> &'static str {
    match train {
        Train::Request | Train::Diverted => surface.theme.accent,
        Train::Good => surface.theme.good,
        Train::Bad => surface.theme.bad,
    }
}

fn path_of(plan: &Plan, playback: &Playback, event: &Event) -> Option<(Vec<Point>, Train)> {
    let trace = playback.trace();
    let cause = event.failure.map(|cause| trace.name(cause));
    let server = plan.server(event.source);
    Some(match (event.kind, event.phase) {
        (RecordKind::Request, Phase::Begin) => (plan.arrival_path(), Train::Request),
        (RecordKind::Request, Phase::End) => match cause?.as_bytes().first() {
            Some(b'4') => (plan.to_answer(1), Train::Diverted),
            Some(b'5') => (plan.to_answer(2), Train::Diverted),
            _ => return None,
        },
        (RecordKind::Handle, Phase::Begin) => (plan.to_server(server?), Train::Request),
        (RecordKind::Handle, Phase::End) => match cause {
            None => (plan.to_success(server?), Train::Good),
            Some("lost") => (plan.to_lost(server?), Train::Bad),
            Some("handed back") => (plan.back_to_front(server?), Train::Diverted),
            Some(fault) if fault.starts_with("a bug") => (plan.to_handler(server?), Train::Bad),
            Some(_) => (plan.to_handler(server?), Train::Diverted),
        },
        (RecordKind::Wrong, _) => (plan.to_success(server?), Train::Bad),
        (RecordKind::Retry, _) => (plan.retry_path(), Train::Diverted),
        (RecordKind::Exit, _) if cause.is_some() => (plan.crash_path(), Train::Bad),
        (RecordKind::Start, _) if is_restart(playback, event) => {
            (plan.restart_path(), Train::Diverted)
        }
        _ => return None,
    })
}

fn is_restart(playback: &Playback, event: &Event) -> bool {
    let mut slots = playback.tally().worker_slots().iter();
    slots.any(|it| it.worker == event.source && it.generation() > 1)
}

/// Returns the point at this fraction of a path. Every segment takes the same time.
fn point_along(path: &[Point], fraction: f64) -> Point {
    let parts = path.len().saturating_sub(1).max(1) as f64;
    let mut done = fraction * parts;
    for pair in path.windows(2) {
        if done <= 1.0 {
            let ((x, y), (to_x, to_y)) = (pair[0], pair[1]);
            return (x + (to_x - x) * done, y + (to_y - y) * done);
        }
        done -= 1.0;
    }
    path.last().copied().unwrap_or_default()
}
