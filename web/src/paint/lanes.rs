//! Service busy times: one lane per service, with the present on the right.

use super::{
    Surface,
    axis::{Scale, ticks},
    layout::Layout,
    surface::Text,
};
use crate::playback::Playback;
use highwater::trace::{Event, NameId, Phase, RecordKind};
use std::time::Duration;

/// Maximum number of rows in a lane.
const MAX_ROWS: usize = 6;

/// A row of spans that do not overlap.
#[derive(Clone, Default)]
struct Row {
    /// The start of the earliest span.
    start: Duration,
    /// The leftmost pixel painted, by outcome. Bars that start right of it are hidden and
    /// skipped, so the cost depends on the width and not on the load.
    leftmost: [Option<f64>; 2],
}

/// Paints the lanes, except in a thumbnail.
pub(super) fn paint(surface: &Surface, layout: &Layout, playback: &Playback) {
    if surface.is_thumbnail {
        return;
    }
    let theme = surface.theme;
    let scale = Scale::new(surface, layout.lanes_left, playback);
    let lanes: Vec<NameId> = layout.lanes().collect();
    let top = layout.lanes_top + 4.0;
    let bottom = surface.height - 20.0;
    let lane_height = ((bottom - top) / lanes.len().max(4) as f64).min(30.0);
    let bottom = top + lane_height * lanes.len() as f64;

    ticks(surface, &scale, top, bottom);
    for (index, id) in lanes.iter().enumerate() {
        let middle = top + lane_height * (index as f64 + 0.5);
        let style = Text::small(theme.muted, false, "right");
        let name = playback.trace().name(*id);
        surface.text(
            name,
            (layout.lanes_left - 8.0, middle),
            style,
            layout.lanes_left - 14.0,
        );
        surface.line(
            (layout.lanes_left, middle),
            (scale.x(scale.now), middle),
            theme.panel,
            1.0,
        );
    }

    let ended = scale
        .records(playback)
        .filter(|event| event.phase == Phase::End && event.kind != RecordKind::Open)
        .map(|event| (event, event.recorded_at()));
    let open = playback
        .open()
        .filter(|event| event.kind != RecordKind::Open);
    let open = open.map(|event| (event, scale.now));
    // Spans come in the order of their ends, latest first. Each gets the first row of its
    // lane in which nothing has started before it ends.
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); lanes.len()];
    let mut bars = Vec::new();
    for (event, end) in open.chain(ended) {
        let Some(lane) = lanes.iter().position(|lane| *lane == event.source) else {
            continue;
        };
        let rows = &mut rows[lane];
        let free = rows.iter().position(|row| row.start >= end);
        let index = free.unwrap_or(rows.len()).min(MAX_ROWS - 1);
        if index == rows.len() {
            rows.push(Row::default());
        }
        rows[index].start = event.at;
        let leftmost = &mut rows[index].leftmost[usize::from(event.failure.is_some())];
        let from = scale.x(event.at).floor();
        if leftmost.is_none_or(|leftmost| from < leftmost) {
            *leftmost = Some(from);
            bars.push((event, end, lane, index));
        }
    }
    for (event, end, lane, index) in bars {
        let height = lane_height * 0.56 / rows[lane].len() as f64;
        let y = top + lane_height * (lane as f64 + 0.22) + height * index as f64;
        paint_bar(surface, &scale, event, end, y, height);
    }
}

fn paint_bar(surface: &Surface, scale: &Scale, event: &Event, end: Duration, y: f64, height: f64) {
    let theme = surface.theme;
    let colour = match (event.failure, event.kind) {
        (Some(_), _) => theme.bad,
        (None, RecordKind::Request) => theme.accent,
        (None, RecordKind::Stall) => theme.line,
        (None, _) => theme.good,
    };
    let from = scale.x(event.at);
    let to = scale.x(end).max(from + 1.5);
    // Failures and waits have lower bars, so colour is not the only cue.
    let inset = if event.failure.is_some() || event.kind == RecordKind::Stall {
        height * 0.25
    } else {
        0.0
    };
    surface.fill_rect(from, y + inset, to - from, height - 2.0 * inset, colour);
    if event.failure.is_some() {
        surface.cross((to, y + height / 2.0), 4.0, colour);
    }
}
