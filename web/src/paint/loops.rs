//! Loops side by side: one lane per loop, thread or process on a common time axis. A
//! bar is a job that occupies the loop, a dot a waiting request, and a flat line
//! missing heartbeats.

mod heartbeat;
mod lifecycle;
mod queue;
mod rows;

use super::{
    Surface,
    axis::{Scale, milliseconds, ticks},
    surface::Text,
};
use crate::playback::Playback;
use highwater::trace::{Event, Phase, RecordKind};
use rows::{Role, Row, Rows};
use std::time::Duration;

pub(super) fn paint(surface: &Surface, playback: &Playback) {
    let rows = Rows::new(surface, playback);
    let scale = Scale::new(surface, rows.left, playback);
    ticks(surface, &scale, rows.top, rows.bottom);
    for (index, row) in rows.all.iter().enumerate() {
        // Lanes too low for a line of text share a label.
        if index.is_multiple_of(rows::rows_per_label(row.height)) {
            paint_label(surface, &rows, row, playback);
        }
        let y = row.top + row.height;
        surface.line((rows.left, y), (scale.right(), y), surface.theme.panel, 1.0);
        match row.role {
            Role::Requests => queue::paint(surface, row, &scale, playback),
            Role::Heartbeat => heartbeat::paint_loop(surface, row, &scale, playback),
            Role::Supervisor => lifecycle::paint_supervisor_flags(surface, row, &scale, playback),
            Role::Worker => {
                lifecycle::paint(surface, row, &scale, playback);
                heartbeat::paint_worker(surface, row, &scale, playback);
                paint_bars(surface, row, &scale, playback);
            }
            Role::Cpu | Role::Rounds => paint_bars(surface, row, &scale, playback),
        }
    }
}

/// Paints the label at the left of a lane.
fn paint_label(surface: &Surface, rows: &Rows, row: &Row, playback: &Playback) {
    let theme = surface.theme;
    let middle = row.top + row.height / 2.0;
    let max_width = rows.left - 14.0;
    let (text, colour) = rows::detail(row, playback, surface);
    let has_two_lines = row.height >= 28.0;
    let up = if text.is_empty() || !has_two_lines {
        0.0
    } else {
        7.0
    };
    let at = |y| (rows.left - 8.0, y);
    let name = match row.role {
        Role::Rounds => "Rounds",
        _ => playback.trace().name(row.id),
    };
    surface.text(
        name,
        at(middle - up),
        Text::small(theme.text, true, "right"),
        max_width,
    );
    if up > 0.0 {
        surface.text(
            &text,
            at(middle + up),
            Text::small(colour, false, "right"),
            max_width,
        );
    }
}

/// Paints the jobs that occupied the loop, thread or worker.
fn paint_bars(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let belongs_to_row = |event: &&Event| match row.role {
        Role::Rounds => event.kind == RecordKind::Handle,
        _ => {
            event.source == row.id && matches!(event.kind, RecordKind::Handle | RecordKind::Compute)
        }
    };
    let open = playback.open().filter(belongs_to_row);
    let open = open.map(|event| (event, scale.now, true));
    let ended = scale
        .records(playback)
        .filter(|event| event.phase == Phase::End)
        .filter(belongs_to_row)
        .map(|event| (event, event.recorded_at(), false));
    // Bars are painted from right to left. Bars that start right of the leftmost pixel
    // painted are hidden and skipped, so the cost depends on the width and not on the
    // load.
    let mut leftmost = [f64::INFINITY; 2];
    for (event, end, is_open) in open.chain(ended) {
        let leftmost = &mut leftmost[usize::from(event.kind == RecordKind::Compute)];
        let from = scale.x(event.at).floor();
        if from >= *leftmost {
            continue;
        }
        *leftmost = from;
        paint_bar(surface, row, scale, (event, end, is_open), playback);
    }
}

fn paint_bar(
    surface: &Surface,
    row: &Row,
    scale: &Scale,
    (event, end, is_open): (&Event, Duration, bool),
    playback: &Playback,
) {
    let theme = surface.theme;
    let from = scale.x(event.at);
    let width = (scale.x(end) - from).max(1.5);
    let colour = match (event.failure, is_open) {
        (Some(_), _) => theme.bad,
        (None, true) => theme.accent,
        (None, false) => theme.good,
    };
    let (top, height) = match (row.role, event.kind) {
        (Role::Worker, _) => (row.height * 0.22, row.height * 0.36),
        // Handlers that only wait have lower bars than jobs that block the loop.
        (Role::Cpu, RecordKind::Handle) => (row.height * 0.34, row.height * 0.32),
        _ => (row.height * 0.14, row.height * 0.72),
    };
    let y = row.top + top;
    if row.role == Role::Rounds {
        surface.panel(from, y, width, height, theme.line, 1.0);
        let name = playback.trace().name(event.source);
        let at = (from + width / 2.0, y + height / 2.0);
        if width > 40.0 {
            surface.text(
                name,
                at,
                Text::small(theme.text, false, "center"),
                width - 6.0,
            );
        }
        return;
    }
    surface.fill_rect(from, y, width, height, colour);
    if event.failure.is_some() {
        surface.cross((from + width, y + height / 2.0), 4.0, theme.bad);
    }
    // The label shows how long the job blocked the loop.
    let ms = milliseconds(event.recorded_at().max(end).saturating_sub(event.at));
    if event.kind == RecordKind::Compute && width > 56.0 && height > 10.0 {
        let text = format!("job, {ms} ms");
        let at = (from + width / 2.0, y + height / 2.0);
        surface.text(
            &text,
            at,
            Text::small(theme.background, true, "center"),
            width - 6.0,
        );
    }
}
