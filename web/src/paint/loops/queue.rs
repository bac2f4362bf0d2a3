//! Requests as dots: where one came, as high as there were requests then.

use super::{in_window, rows::Row, style};
use crate::{
    paint::{Surface, axis::Scale},
    playback::Playback,
};
use highwater::trace::{Event, Kind, Phase};

/// The most dots of one kind. The numbers are exact; dots need not be.
const MOST: usize = 250;

pub(super) fn paint(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let theme = surface.theme;
    let is_its = |event: &&Event| event.kind == Kind::Request && event.source == row.id;
    let bottom = row.top + row.height - 5.0;
    let most = (row.height - 10.0).max(1.0);
    let at = |event: &Event| {
        // With as many as a lane is high the rest lies on top of each other.
        let above = (event.counters.in_flight().saturating_sub(1) as f64 * 4.0).min(most);
        (scale.x(event.at), bottom - above)
    };
    let begun = {
        let events = in_window(playback, scale).filter(is_its);
        events.filter(|event| event.phase == Phase::Begin)
    };
    for event in sampled(begun) {
        surface.dot(at(event), 1.5, theme.line);
    }
    for event in sampled(playback.open().filter(is_its)) {
        let (x, y) = at(event);
        surface.dot((x.max(scale.x(scale.since())), y), 3.0, theme.accent);
    }
    let failed = {
        let events = in_window(playback, scale).filter(is_its);
        events.filter(|event| event.phase == Phase::End && event.failure.is_some())
    };
    for event in sampled(failed) {
        let x = scale.x(event.recorded_at());
        surface.cross((x, bottom - most / 2.0), 4.0, theme.bad);
    }
    let counters = playback.summary().counters(row.id);
    if counters.failed > 0 {
        let text = format!("✗ {} failed", counters.failed);
        let at = (scale.right() - 4.0, row.top + 8.0);
        surface.text(&text, at, style(theme.bad, true, "right"), 120.0);
    }
}

/// At most about so many: each so manieth request, so that what is shown of one
/// moment is shown of the next.
fn sampled<'a>(events: impl Iterator<Item = &'a Event>) -> impl Iterator<Item = &'a Event> {
    let events: Vec<&Event> = events.collect();
    let step = events.len().div_ceil(MOST).max(1) as u64;
    let is_shown = move |event: &&Event| event.subject.is_multiple_of(step);
    events.into_iter().filter(is_shown)
}
