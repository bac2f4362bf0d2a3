//! Lifecycles of worker processes, slot by slot, and the supervisor's state changes.

use super::rows::Row;
use crate::{
    paint::{Surface, axis::Scale, surface::Text},
    playback::Playback,
};
use highwater::trace::{Event, RecordKind};
use std::time::Duration;

/// Approximate width of a character.
const LETTER_WIDTH: f64 = 7.0;

/// The state of a process, as painted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProcessState {
    Starting,
    Ready,
    Draining,
    Killed,
}

/// Paints each process as a band: an outline while it starts, full height while it is
/// ready, half height while it drains. The cause of its exit is written at the end.
pub(super) fn paint(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let mut current: Option<(ProcessState, &Event)> = None;
    // Right edge of the text written so far.
    let mut text_end = f64::NEG_INFINITY;
    for event in playback.played() {
        if event.source != row.id {
            continue;
        }
        let state = match event.kind {
            RecordKind::Start => Some(ProcessState::Ready),
            RecordKind::Switch => match event.target.map(|state| playback.trace().name(state)) {
                Some("starting") => Some(ProcessState::Starting),
                Some("draining") => Some(ProcessState::Draining),
                Some("killed") => Some(ProcessState::Killed),
                _ => continue,
            },
            RecordKind::Exit => None,
            _ => continue,
        };
        if let Some((state, began)) = current {
            paint_band(surface, row, scale, state, (began, event.at));
        }
        current = state.map(|state| (state, event));
        if event.at < scale.since() {
            continue;
        }
        if event.kind == RecordKind::Exit {
            paint_exit(surface, row, scale, event, playback, &mut text_end);
        } else if event.kind == RecordKind::Start {
            let at = (scale.x(event.at) + 2.0, row.top + row.height * 0.1);
            let id = event.subject.to_string();
            if at.0 > text_end {
                surface.text(
                    &id,
                    at,
                    Text::small(surface.theme.muted, false, "left"),
                    50.0,
                );
                text_end = at.0 + LETTER_WIDTH * id.len() as f64;
            }
        }
    }
    if let Some((state, began)) = current {
        paint_band(surface, row, scale, state, (began, scale.now));
    }
}

fn paint_band(
    surface: &Surface,
    row: &Row,
    scale: &Scale,
    state: ProcessState,
    (began, end): (&Event, Duration),
) {
    if end < scale.since() {
        return;
    }
    let theme = surface.theme;
    let (left, right) = (scale.x(began.at.max(scale.since())), scale.x(end));
    let (y, height) = (row.top + row.height * 0.18, row.height * 0.44);
    let width = (right - left).max(1.0);
    match state {
        ProcessState::Ready => surface.fill_rect(left, y, width, height, theme.panel),
        ProcessState::Draining => {
            surface.fill_rect(left, y + height / 2.0, width, height / 2.0, theme.panel);
            surface.line((left, y), (left, y + height), theme.accent, 2.0);
        }
        ProcessState::Starting => {
            let middle = y + height / 2.0;
            surface.line((left, middle), (right, middle), theme.line, 1.0);
            surface.ring((left + 3.0, middle), 3.0, theme.line);
        }
        ProcessState::Killed => {
            let middle = y + height / 2.0;
            surface.line((left, middle), (right, middle), theme.bad, 2.0);
        }
    }
    if state == ProcessState::Ready && began.at >= scale.since() {
        surface.line((left, y), (left, y + height), theme.good, 2.0);
    }
}

/// Marks the exit of a process, with the cause if it fits.
fn paint_exit(
    surface: &Surface,
    row: &Row,
    scale: &Scale,
    event: &Event,
    playback: &Playback,
    text_end: &mut f64,
) {
    let theme = surface.theme;
    let x = scale.x(event.at);
    let y = row.top + row.height * 0.4;
    let Some(cause) = event.failure else {
        let height = row.height * 0.22;
        return surface.line((x, y - height), (x, y + height), theme.line, 2.0);
    };
    surface.cross((x, y), 5.0, theme.bad);
    let cause = playback.trace().name(cause);
    let width = LETTER_WIDTH * cause.len() as f64;
    let left = (x - width).max(scale.x(scale.since()));
    let at = (left + width + 2.0, row.top + row.height * 0.1);
    if left > *text_end {
        *text_end = left + width;
        surface.text(
            cause,
            at,
            Text::small(theme.bad, true, "right"),
            width.max(10.0),
        );
    }
}

/// Paints a flag for each state change of a supervisor.
pub(super) fn paint_supervisor_flags(
    surface: &Surface,
    row: &Row,
    scale: &Scale,
    playback: &Playback,
) {
    let theme = surface.theme;
    let mut right = f64::INFINITY;
    let is_supervisor = |event: &&Event| event.source == row.id;
    for event in scale.records(playback).filter(is_supervisor) {
        let (word, colour) = match (event.kind, event.target, event.failure) {
            (RecordKind::Switch, Some(state), _) => (state, theme.accent),
            (RecordKind::Exit, _, Some(cause)) => (cause, theme.bad),
            _ => continue,
        };
        let x = scale.x(event.at);
        let (top, bottom) = (row.top + 3.0, row.top + row.height - 3.0);
        surface.line((x, top), (x, bottom), colour, 2.0);
        // Skip the text if the next flag leaves no space.
        let max_width = (right - x - 8.0).min(scale.right() - x);
        let is_free = x <= right;
        right = right.min(x);
        let sign = if colour == theme.bad { "✗ " } else { "▸ " };
        let text = [sign, playback.trace().name(word)].concat();
        let at = (x + 4.0, row.top + row.height / 2.0);
        if max_width > 30.0 {
            surface.text(&text, at, Text::small(colour, true, "left"), max_width);
        } else if is_free && x - scale.x(scale.since()) > 60.0 {
            right = x - 124.0;
            let at = (x - 4.0, row.top + row.height / 2.0);
            surface.text(&text, at, Text::small(colour, true, "right"), 120.0);
        }
    }
}
