//! Requests as dots, placed by arrival time and by queue length on arrival.

use super::rows::Row;
use crate::{
    paint::{Surface, axis::Scale, surface::Text},
    playback::Playback,
};
use highwater::trace::{Event, Phase, RecordKind};

/// Maximum number of dots, and of crosses. The counters are exact, so dots may be
/// sampled.
const MAX_DOTS: usize = 250;

pub(super) fn paint(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let theme = surface.theme;
    let is_request = |event: &&Event| event.kind == RecordKind::Request && event.source == row.id;
    let bottom = row.top + row.height - 5.0;
    let max_height = (row.height - 10.0).max(1.0);
    let mut rows = 1;
    while 4.0 * rows as f64 <= max_height {
        rows += 1;
    }
    let position = |event: &Event, depth: u64| {
        let offset = (depth.saturating_sub(1).min(rows) as f64 * 4.0).min(max_height);
        let left = scale.x(scale.since());
        (scale.x(event.at).max(left), bottom - offset)
    };
    // The arrival that found the longest queue, if that is higher than the lane.
    let mut highest = (rows, 0.0);
    let events: Vec<&Event> = scale.records(playback).filter(is_request).collect();
    let ends = || events.iter().filter(|event| event.phase == Phase::End);
    // Identified by user and arrival time, because users send several requests.
    let open: Vec<_> = playback
        .open()
        .filter(is_request)
        .map(|it| (it.subject, it.at))
        .collect();
    let step = events.len().div_ceil(MAX_DOTS).max(1) as u64;
    // The queue length at an arrival is the number of requests started and not
    // finished. A blocked loop records arrivals late.
    let mut earlier = ends().peekable();
    let finished_at_start = ends().next_back().map_or_else(
        || playback.summary().counters(row.id).finished(),
        |event| event.counters.finished() - 1,
    );
    let started = events.iter().filter(|event| event.phase == Phase::Begin);
    for event in started {
        while earlier
            .peek()
            .is_some_and(|end| end.recorded_at() > event.at)
        {
            earlier.next();
        }
        let finished = earlier
            .peek()
            .map_or(finished_at_start, |end| end.counters.finished());
        // A request recorded on arrival carries the exact count, even if other requests
        // are not recorded.
        let finished = if event.duration.is_zero() {
            event.counters.finished()
        } else {
            finished
        };
        let depth = event.counters.started.saturating_sub(finished);
        let (x, top) = position(event, depth);
        if depth > rows {
            surface.fill_rect(x - 2.0, top - 2.0, 4.0, 1.0, theme.text);
        }
        if depth > highest.0 {
            highest = (depth, x);
        }
        // The same requests are sampled in every frame.
        if event.subject.is_multiple_of(step) {
            let is_open = open.contains(&(event.subject, event.at));
            let (radius, colour) = if is_open {
                (3.0, theme.accent)
            } else {
                (1.5, theme.line)
            };
            surface.dot((x, top), radius, colour);
        }
    }
    if highest.0 > rows {
        let text = format!("+{} more", highest.0 - rows);
        let at = (highest.1 + 6.0, row.top + 8.0);
        surface.text(&text, at, Text::small(theme.text, true, "left"), 56.0);
    }
    let summary = playback.summary();
    let is_sample = summary.sources().any(|source| summary.is_sample(source));
    if is_sample && !summary.is_sample(row.id) {
        // All ends are recorded, and most begins are not. On average, a request leaves
        // as many behind as it found.
        for event in ends().filter(|event| event.subject.is_multiple_of(step)) {
            let depth = event.counters.in_flight() + 1;
            surface.dot(position(event, depth), 1.5, theme.line);
        }
    }
    let failed = ends().filter(|event| event.failure.is_some());
    for event in failed.take(MAX_DOTS) {
        let x = scale.x(event.recorded_at());
        surface.cross((x, bottom - max_height / 2.0), 4.0, theme.bad);
    }
    let counters = summary.counters(row.id);
    if counters.failed > 0 {
        let text = format!("✗ {} failed", counters.failed);
        let at = (scale.right() - 4.0, row.top + 8.0);
        surface.text(&text, at, Text::small(theme.bad, true, "right"), 120.0);
    }
    if is_sample {
        let at = (scale.right() - 4.0, row.top + row.height - 8.0);
        let text = "sampled dots and bars";
        surface.text(text, at, Text::small(theme.muted, false, "right"), 160.0);
    }
}
