//! Boxes of services, and the messages between them.

use super::{
    Surface,
    layout::Node,
    surface::{Text, clamp},
};
use crate::playback::Playback;
use highwater::trace::{Event, NameId, Phase, RecordKind};
use std::time::Duration;

/// Travel time of a message on the screen. In the run, it took no time.
const TRAVEL_TIME: Duration = Duration::from_millis(240);
/// Time for which an outcome stays highlighted.
const AFTERGLOW: Duration = Duration::from_millis(700);
/// Maximum number of records searched for moving messages. The counters are exact, so
/// dots may be missing.
const MAX_SEARCHED: usize = 500;

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

/// Paints recent messages as dots. `wire` returns the end points of the wire from a
/// source to a target.
#[cfg(any(feature = "events", feature = "streams"))]
pub(super) fn paint_messages(
    surface: &Surface,
    playback: &Playback,
    wire: impl Fn(NameId, NameId) -> Option<((f64, f64), (f64, f64))>,
) {
    for event in recent_records(surface, playback).filter(|event| event.kind.is_message()) {
        let ends = event.target.and_then(|target| wire(event.source, target));
        let Some((from, to)) = ends else { continue };
        let progress = progress(playback, event);
        let at = (
            from.0 + (to.0 - from.0) * progress,
            from.1 + (to.1 - from.1) * progress,
        );
        surface.dot(at, 5.0, surface.theme.accent);
    }
}

/// Returns the recent records that are still travelling.
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
    latest.take_while(move |event| event.recorded_at() + TRAVEL_TIME >= now)
}

/// Returns the fraction of the path travelled. Messages slow down on their way.
pub(super) fn progress(playback: &Playback, event: &Event) -> f64 {
    let since = playback.screen_time().saturating_sub(event.recorded_at());
    let progress = since.as_secs_f64() / TRAVEL_TIME.as_secs_f64();
    1.0 - (1.0 - clamp(progress, 0.0, 1.0)).powi(2)
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
