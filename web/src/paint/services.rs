//! Boxes of services, and the calls, messages and queues between them.

use super::{
    Surface,
    layout::Node,
    surface::{Text, clamp},
};
use crate::playback::Playback;
use highwater::trace::{Event, NameId, Phase, RecordKind};
use std::time::Duration;

/// Maximum time for which the dot of a call travels, each way.
const MAX_FLIGHT: Duration = Duration::from_millis(60);
/// Time for which a message lights its wire, and a lost item falls.
pub(super) const GLOW: Duration = Duration::from_millis(120);
/// Time for which an outcome stays highlighted.
const AFTERGLOW: Duration = Duration::from_millis(700);
/// Maximum number of records searched in each direction.
const MAX_SEARCHED: usize = 500;
/// Distance between dots in a row.
const STEP: f64 = 12.0;
/// Radius of the dot of a call.
pub(super) const CALL_RADIUS: f64 = 5.0;
/// Radius of the ring of a request.
#[cfg(any(feature = "events", feature = "errors"))]
pub(super) const REQUEST_RADIUS: f64 = 4.0;
/// Radius of the dot of a queued item.
#[cfg(any(feature = "events", feature = "streams"))]
pub(super) const QUEUED_RADIUS: f64 = 3.5;

pub(super) type Point = (f64, f64);

/// The position of a call's dot.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// On its way to the callee: the fraction travelled.
    Going(f64),
    Inside,
    /// On its way back.
    Leaving(f64),
}

/// A call in progress.
pub(super) struct Call<'a> {
    pub(super) begin: &'a Event,
    /// Its end, if that is near.
    pub(super) end: Option<&'a Event>,
    pub(super) place: Place,
}

/// Paints a box with a name, lines of details and the outcome of its last span.
pub(super) fn paint_panel(surface: &Surface, node: &Node, playback: &Playback, lines: &[String]) {
    let theme = surface.theme;
    let summary = playback.summary();
    let counters = summary.counters(node.id);
    let outcome = recent_outcome(playback, node.id);
    let is_latest = playback
        .latest()
        .is_some_and(|event| event.source == node.id || event.target == Some(node.id));
    let (border, weight) = match outcome {
        Some(true) => (theme.bad, 2.5),
        _ if counters.in_flight() > 0 => (theme.accent, 2.5),
        Some(false) => (theme.good, 2.0),
        None if is_latest => (theme.text, 2.0),
        None => (theme.line, 1.0),
    };
    surface.panel(node.x, node.y, node.width, node.height, border, weight);

    // In a narrow box, the name gets the full width, below the cross.
    let (margin, for_cross, size) = if node.width < 80.0 {
        (5.0, 0.0, 11)
    } else {
        (10.0, 14.0, 13)
    };
    let left = node.x + margin;
    let max_width = node.width - 2.0 * margin;
    let title = Text {
        size,
        bold: true,
        colour: theme.text,
        align: "left",
    };
    let detail = Text::small(theme.muted, false, "left");
    let line_height = 16.0;
    // The name is always shown. Details are omitted if there is no space.
    let has_room_for = |count: usize| line_height * (count as f64 + 1.0) < node.height;
    let shown = (0..=lines.len()).rev().find(|count| has_room_for(*count));
    let lines = &lines[..shown.unwrap_or(0)];
    let mut y = node.y + (node.height - line_height * lines.len() as f64) / 2.0;
    surface.text(
        playback.trace().name(node.id),
        (left, y),
        title,
        max_width - for_cross,
    );
    for line in lines {
        y += line_height;
        surface.text(line, (left, y), detail, max_width);
    }
    if outcome == Some(true) {
        surface.cross((node.x + node.width - 14.0, node.y + 13.0), 5.0, theme.bad);
    }
}

/// Lights the wires of recent messages. `wire` returns the end points of the wire from a
/// source to a target.
#[cfg(any(feature = "events", feature = "streams"))]
pub(super) fn paint_messages(
    surface: &Surface,
    playback: &Playback,
    wire: impl Fn(NameId, NameId) -> Option<(Point, Point)>,
) {
    for event in recent_records(surface, playback).filter(|event| event.kind.is_message()) {
        let ends = event.target.and_then(|target| wire(event.source, target));
        let Some((from, to)) = ends else { continue };
        let weight = 4.0 - 2.5 * progress(playback, event);
        surface.line(from, to, surface.theme.accent, weight);
    }
}

/// Returns the calls in progress.
pub(super) fn calls<'a>(
    surface: &Surface,
    playback: &'a Playback,
) -> impl Iterator<Item = Call<'a>> {
    let now = playback.time();
    let is_still = surface.has_reduced_motion;
    let begins = playback.open();
    let begins = begins.filter(|event| event.kind == RecordKind::Handle);
    begins.map(move |begin| {
        let upcoming = playback.upcoming().iter().take(MAX_SEARCHED);
        let mut near = upcoming.take_while(|event| event.recorded_at() <= now + 4 * MAX_FLIGHT);
        let end = near.find(|event| {
            event.phase == Phase::End
                && (event.kind, event.source, event.subject)
                    == (begin.kind, begin.source, begin.subject)
        });
        let flight = end.map_or(MAX_FLIGHT, |end| MAX_FLIGHT.min(end.duration / 4));
        let gone = now.saturating_sub(begin.at);
        let left = end.map_or(Duration::MAX, |end| end.recorded_at().saturating_sub(now));
        let fraction = |part: Duration| part.as_secs_f64() / flight.as_secs_f64();
        let place = if is_still {
            Place::Inside
        } else if gone < flight {
            Place::Going(fraction(gone))
        } else if left < flight {
            Place::Leaving(1.0 - fraction(left))
        } else {
            Place::Inside
        };
        Call { begin, end, place }
    })
}

/// Paints the calls in progress. `way` returns the end points of a call's current way;
/// without one, its dot is inside the callee.
#[cfg(any(feature = "events", feature = "streams"))]
pub(super) fn paint_calls(
    surface: &Surface,
    playback: &Playback,
    nodes: &[Node],
    way: impl Fn(&Node, Place) -> Option<(Point, Point)>,
) {
    let theme = surface.theme;
    for node in nodes {
        let mut inside = 0;
        for call in calls(surface, playback).filter(|call| call.begin.source == node.id) {
            let (Place::Going(fraction) | Place::Leaving(fraction)) = call.place else {
                inside += 1;
                continue;
            };
            let Some((from, to)) = way(node, call.place) else {
                inside += 1;
                continue;
            };
            let at = (
                from.0 + (to.0 - from.0) * fraction,
                from.1 + (to.1 - from.1) * fraction,
            );
            match (call.place, call.end.and_then(|end| end.failure)) {
                (Place::Leaving(_), Some(_)) => {
                    surface.dot(at, CALL_RADIUS, theme.bad);
                    surface.cross(at, 7.0, theme.bad);
                }
                // What a stage has done moves on. What returns is an answer.
                (Place::Leaving(_), None) if to.0 < from.0 => {
                    surface.ring(at, CALL_RADIUS, theme.good);
                }
                _ => surface.dot(at, CALL_RADIUS, theme.accent),
            }
        }
        paint_inside(surface, node, inside, |at| {
            surface.dot(at, CALL_RADIUS, theme.accent);
        });
    }
}

/// Paints items in a row at the lower right of a box, and the number of those without
/// space.
pub(super) fn paint_inside(surface: &Surface, node: &Node, count: u64, item: impl Fn(Point)) {
    let at = (node.x + node.width - 9.0, node.y + node.height - 9.0);
    paint_row(surface, at, node.width * 0.6, count, item);
}

/// Paints items from right to left within a width, and the number of those without space.
pub(super) fn paint_row(
    surface: &Surface,
    at: Point,
    width: f64,
    count: u64,
    item: impl Fn(Point),
) {
    let mut x = at.0;
    let shown = count.min(row_length(width));
    for _ in 0..shown {
        item((x, at.1));
        x -= STEP;
    }
    if shown < count {
        let theme = surface.theme;
        surface.fill_rect(x - 46.0, at.1 - 7.0, 52.0, 14.0, theme.panel);
        let text = format!("+{} more", count - shown);
        let style = Text::small(theme.text, true, "right");
        surface.text(&text, (x + 4.0, at.1), style, 48.0);
    }
}

/// Returns the number of items in a row of this width.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the width of a canvas has few steps"
)]
pub(super) fn row_length(width: f64) -> u64 {
    (width / STEP).max(1.0) as u64
}

/// Paints the requests that a service has not answered as rings inside its box.
#[cfg(any(feature = "events", feature = "errors"))]
pub(super) fn paint_requests(surface: &Surface, node: &Node, playback: &Playback) {
    let is_request = |event: &&Event| event.kind == RecordKind::Request && event.source == node.id;
    let count = playback.open().filter(is_request).count() as u64;
    paint_inside(surface, node, count, |at| {
        surface.ring(at, REQUEST_RADIUS, surface.theme.accent);
    });
}

/// Paints the items that a queue lost recently as crosses that fall out of it.
#[cfg(any(feature = "events", feature = "streams"))]
pub(super) fn paint_drops(surface: &Surface, playback: &Playback, id: NameId, at: Point) {
    for event in recent_records(surface, playback).filter(|event| event.source == id) {
        let lost = match event.kind {
            RecordKind::Drop => event.subject,
            RecordKind::Reject => 1,
            _ => continue,
        };
        let y = at.1 + 24.0 * progress(playback, event);
        paint_row(surface, (at.0, y), 5.0 * STEP, lost, |at| {
            surface.cross(at, 4.0, surface.theme.bad);
        });
    }
}

/// Returns the records of the last moments.
pub(super) fn recent_records<'a>(
    surface: &Surface,
    playback: &'a Playback,
) -> impl Iterator<Item = &'a Event> {
    let now = playback.screen_time();
    let shown = if surface.has_reduced_motion {
        0
    } else {
        MAX_SEARCHED
    };
    let latest = playback.played().iter().rev().take(shown);
    latest.take_while(move |event| event.recorded_at() + GLOW >= now)
}

/// Returns the elapsed fraction of the time for which a record is highlighted.
pub(super) fn progress(playback: &Playback, event: &Event) -> f64 {
    let since = playback.screen_time().saturating_sub(event.recorded_at());
    clamp(since.as_secs_f64() / GLOW.as_secs_f64(), 0.0, 1.0)
}

/// Returns `true` if the source's last span failed, or `None` if none finished
/// recently.
fn recent_outcome(playback: &Playback, source: NameId) -> Option<bool> {
    let now = playback.screen_time();
    let is_end = |event: &&Event| event.source == source && event.phase == Phase::End;
    playback
        .played()
        .iter()
        .rev()
        .take(MAX_SEARCHED)
        .take_while(|event| event.recorded_at() + AFTERGLOW >= now)
        .find(is_end)
        .map(|event| event.failure.is_some())
}

/// Returns the number of messages that a service received.
#[cfg(any(feature = "events", feature = "errors"))]
pub(super) fn received_count(playback: &Playback, target: NameId) -> u64 {
    let edges = playback.summary().edges();
    edges
        .filter(|(_, to, _)| *to == target)
        .map(|(.., count)| count)
        .sum()
}

/// Returns the sources that have started, in order.
pub(super) fn started(playback: &Playback) -> Vec<NameId> {
    let starts = playback.played().iter();
    let starts = starts.filter(|event| event.kind == RecordKind::Start);
    starts.map(|event| event.source).collect()
}
