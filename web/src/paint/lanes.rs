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
    // The leftmost pixel painted, by lane and outcome. Bars are painted from right to
    // left. Bars that start right of this pixel are hidden and skipped, so the cost
    // depends on the width and not on the load.
    let mut leftmost = vec![[f64::INFINITY; 2]; lanes.len()];
    for (event, end) in open.chain(ended) {
        let Some(index) = lanes.iter().position(|lane| *lane == event.source) else {
            continue;
        };
        let leftmost = &mut leftmost[index][usize::from(event.failure.is_some())];
        let from = scale.x(event.at).floor();
        if from >= *leftmost {
            continue;
        }
        *leftmost = from;
        let y = top + lane_height * index as f64;
        paint_bar(surface, &scale, event, end, y, lane_height);
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
        height * 0.36
    } else {
        height * 0.22
    };
    surface.fill_rect(from, y + inset, to - from, height - 2.0 * inset, colour);
    if event.failure.is_some() {
        surface.cross((to, y + height / 2.0), 4.0, colour);
    }
}
