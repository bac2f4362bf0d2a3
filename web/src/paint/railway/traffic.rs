//! Moving parts: requests, responses, retries and restarts.

use super::{
    super::{
        Surface,
        services::{self, CALL_RADIUS, Place},
    },
    plan::{Plan, Point},
};
use crate::playback::Playback;
use highwater::trace::{Event, Phase, RecordKind};

/// The appearance of a moving request. Kinds differ by shape as well as colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// A request in flight.
    Request,
    /// A successful response.
    Good,
    /// An operational error, a retry or a restart.
    Diverted,
    /// A bug, a wrong answer or a lost request.
    Bad,
}

/// Highlights the path of the last record, so that a step shows its effect.
pub(super) fn paint_latest(surface: &Surface, plan: &Plan, playback: &Playback) {
    let latest = playback.latest();
    if let Some((path, marker)) = latest.and_then(|event| path_of(plan, playback, event)) {
        surface.path(&path, colour(surface, marker), 3.0);
    }
}

/// Lights the paths of the last moments, with bad ones on top, because a wrong answer is
/// also recorded as a success. Then paints the requests in servers.
pub(super) fn paint_moving(surface: &Surface, plan: &Plan, playback: &Playback) {
    for is_bad in [false, true] {
        for event in services::recent_records(surface, playback) {
            let path = path_of(plan, playback, event);
            let Some((path, marker)) = path.filter(|(_, it)| (*it == Marker::Bad) == is_bad) else {
                continue;
            };
            let weight = 4.0 - 2.5 * services::progress(playback, event);
            surface.path(&path, colour(surface, marker), weight);
            if is_bad && let Some(at) = path.last() {
                surface.cross(*at, 4.0, surface.theme.bad);
            }
        }
    }
    for node in &plan.servers {
        let mut inside = 0;
        for call in services::calls(surface, playback) {
            if call.begin.source != node.id {
                continue;
            }
            let (event, fraction) = match call.place {
                Place::Going(fraction) => (Some(call.begin), fraction),
                Place::Leaving(fraction) => (call.end, fraction),
                Place::Inside => (None, 0.0),
            };
            match event.and_then(|event| path_of(plan, playback, event)) {
                Some((path, marker)) => paint(surface, point_along(&path, fraction), marker),
                None => inside += 1,
            }
        }
        services::paint_inside(surface, node, inside, |at| {
            paint(surface, at, Marker::Request);
        });
    }
}

fn paint(surface: &Surface, at: Point, marker: Marker) {
    let colour = colour(surface, marker);
    match marker {
        Marker::Request => surface.dot(at, CALL_RADIUS, colour),
        Marker::Good => surface.fill_rect(at.0 - 6.0, at.1 - 4.0, 12.0, 8.0, colour),
        Marker::Diverted => surface.ring(at, CALL_RADIUS, colour),
        Marker::Bad => {
            surface.fill_rect(at.0 - 6.0, at.1 - 4.0, 12.0, 8.0, surface.theme.background);
            surface.cross(at, 6.0, colour);
        }
    }
}

fn colour(surface: &Surface, marker: Marker) -> &'static str {
    match marker {
        Marker::Request | Marker::Diverted => surface.theme.accent,
        Marker::Good => surface.theme.good,
        Marker::Bad => surface.theme.bad,
    }
}

fn path_of(plan: &Plan, playback: &Playback, event: &Event) -> Option<(Vec<Point>, Marker)> {
    let trace = playback.trace();
    let cause = event.failure.map(|cause| trace.name(cause));
    let server = plan.server(event.source);
    Some(match (event.kind, event.phase) {
        (RecordKind::Request, Phase::Begin) => (plan.arrival_path(), Marker::Request),
        (RecordKind::Request, Phase::End) => match cause?.as_bytes().first() {
            Some(b'4') => (plan.response_path(1), Marker::Diverted),
            Some(b'5') => (plan.response_path(2), Marker::Diverted),
            _ => return None,
        },
        (RecordKind::Handle, Phase::Begin) => (plan.server_path(server?), Marker::Request),
        (RecordKind::Handle, Phase::End) => match cause {
            None => (plan.success_path(server?), Marker::Good),
            Some("lost") => (plan.lost_path(server?), Marker::Bad),
            Some("handed back") => (plan.return_path(server?), Marker::Diverted),
            Some(fault) if fault.starts_with("a bug") => (plan.handler_path(server?), Marker::Bad),
            Some(_) => (plan.handler_path(server?), Marker::Diverted),
        },
        (RecordKind::Wrong, _) => (plan.success_path(server?), Marker::Bad),
        (RecordKind::Retry, _) => (plan.retry_path(), Marker::Diverted),
        (RecordKind::Exit, _) if cause.is_some() => (plan.crash_path(), Marker::Bad),
        (RecordKind::Start, _) if is_restart(playback, event) => {
            (plan.restart_path(), Marker::Diverted)
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
