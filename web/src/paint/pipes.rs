//! Pipelines: stages, and the queues between them.

use super::{
    Surface,
    axis::{Scale, lanes_left},
    lanes,
    layout::{Layout, Node},
    services::{self, Place},
    surface::{Text, clamp},
};
use crate::playback::Playback;
use highwater::trace::{Event, NameId, Phase, QueueTotals, RecordKind};

/// Height of the tank relative to the high-water mark, so that exceeding the mark is
/// visible.
const HEADROOM_FACTOR: f64 = 1.25;
/// Width of the chunks that wait in a pipe.
const STACK: f64 = 24.0;

pub(super) fn paint(surface: &Surface, playback: &Playback) {
    let layout = &layout(surface, &services::started(playback));
    let stage = |id| layout.services.iter().find(|node| node.id == id);
    services::paint_messages(surface, playback, |source, target| {
        Some((stage(source)?.right(), stage(target)?.left()))
    });
    for pair in layout.services.windows(2) {
        if let [from, to] = pair {
            paint_pipe(surface, playback, from, to);
        }
    }
    for node in &layout.services {
        match queue(playback, node.id) {
            Some(queue) => paint_tank(surface, playback, node, queue),
            None => paint_stage(surface, playback, node),
        }
    }
    paint_chunks(surface, layout, playback);
    paint_space_signals(surface, layout, playback);
    if let Some((id, queue)) = playback.summary().queues().next() {
        paint_history(surface, layout, playback, id, queue);
    }
    lanes::paint(surface, layout, playback);
}

/// Lays out stages from left to right.
fn layout(surface: &Surface, started: &[NameId]) -> Layout {
    // On a narrow canvas, names get more of the space than pipes.
    let (margin, share) = if surface.width < 520.0 {
        (10.0, 0.84)
    } else {
        (18.0, 0.72)
    };
    let lanes_top = surface.above_lanes(0.66);
    let history_top = history_top(lanes_top);
    // Reserve space for three, so that the first stages do not fill the picture.
    let slot = (surface.width - 2.0 * margin) / started.len().max(3) as f64;
    let width = (slot * share).min(150.0);
    let height = clamp(history_top - 76.0, 40.0, 110.0);
    let services = started.iter().enumerate().map(|(index, id)| Node {
        id: *id,
        x: margin + slot * index as f64 + (slot - width) / 2.0,
        y: 26.0 + (history_top - 76.0 - height) / 2.0,
        width,
        height,
    });
    Layout {
        front: None,
        services: services.collect(),
        lanes_top,
        lanes_left: lanes_left(surface),
    }
}

/// Returns the top of the queue-level history.
fn history_top(lanes_top: f64) -> f64 {
    (lanes_top * 0.66).round()
}

fn queue(playback: &Playback, id: NameId) -> Option<QueueTotals> {
    let mut queues = playback.summary().queues();
    queues
        .find(|(known, _)| *known == id)
        .map(|(_, queue)| queue)
}

/// Paints the pipe into a queue. It is closed while the writer waits.
fn paint_pipe(surface: &Surface, playback: &Playback, from: &Node, to: &Node) {
    let theme = surface.theme;
    let (start, end) = (from.right(), to.left());
    let is_stall = |event: &Event| event.kind == RecordKind::Stall && event.source == to.id;
    let is_closed = playback.open().any(is_stall);
    let colour = if is_closed { theme.bad } else { theme.line };
    surface.line(start, end, colour, if is_closed { 3.0 } else { 1.5 });
    if is_closed {
        let middle = f64::midpoint(start.0, end.0);
        let (above, below) = (start.1 - 9.0, start.1 + 9.0);
        surface.line((middle, above), (middle, below), colour, 3.0);
    }
}

/// Paints a stage and its counters.
fn paint_stage(surface: &Surface, playback: &Playback, node: &Node) {
    let counters = playback.summary().counters(node.id);
    let detail = match (counters.started, counters.failed) {
        (0, _) => format!("{} passed", counters.sent),
        (_, 0) => format!("{} done", counters.succeeded),
        (_, failed) => format!("{} done, {failed} failed", counters.succeeded),
    };
    services::paint_panel(surface, node, playback, &[detail]);
}

/// Paints a queue as a tank filled to its level.
fn paint_tank(surface: &Surface, playback: &Playback, node: &Node, queue: QueueTotals) {
    let theme = surface.theme;
    let full = full_scale(queue);
    let height = |bytes: u64| (node.height - 3.0) * bytes as f64 / full;
    let bottom = node.y + node.height;
    let is_above_mark = queue.level > queue.mark;
    let border = if is_above_mark {
        theme.bad
    } else {
        theme.accent
    };
    surface.panel(node.x, node.y, node.width, node.height, border, 2.0);
    let level = height(queue.level);
    let colour = if is_above_mark {
        theme.bad
    } else {
        theme.accent
    };
    surface.fill_rect(
        node.x + 2.0,
        bottom - 1.5 - level,
        node.width - 4.0,
        level,
        colour,
    );

    // The slots of a queue whose chunks have one size.
    let chunk: u64 = playback.trace().param("chunk").parse().unwrap_or(0) * 1024;
    let mut slot = chunk;
    while chunk > 0 && slot <= queue.peak.max(queue.mark) && height(chunk) > 4.0 {
        let y = bottom - 1.5 - height(slot);
        surface.line(
            (node.x + 2.0, y),
            (node.x + node.width - 2.0, y),
            theme.background,
            1.0,
        );
        slot += chunk;
    }
    let mark = bottom - 1.5 - height(queue.mark);
    let (left, right) = (node.x - 6.0, node.x + node.width + 6.0);
    surface.line((left, mark), (right, mark), theme.text, 2.0);
    let middle = node.x + node.width / 2.0;
    let style = |bold, colour| Text::small(colour, bold, "center");
    let max_width = node.width + 24.0;
    let name = playback.trace().name(node.id);
    surface.text(
        name,
        (middle, node.y - 9.0),
        style(true, theme.text),
        max_width,
    );
    let level_text = format!("{} of {}", size(queue.level), size(queue.mark));
    surface.text(
        &level_text,
        (middle, bottom + 10.0),
        style(false, theme.muted),
        max_width,
    );
    let lost = match (queue.dropped, queue.rejected) {
        (0, 0) => return,
        (dropped, 0) => format!("{dropped} dropped"),
        (_, rejected) => format!("{rejected} rejected"),
    };
    surface.text(
        &lost,
        (middle, bottom + 24.0),
        style(true, theme.bad),
        max_width,
    );
}

/// Paints the chunks inside stages, on their way from and to the middle of a pipe, and
/// waiting in pipes.
fn paint_chunks(surface: &Surface, layout: &Layout, playback: &Playback) {
    let theme = surface.theme;
    let summary = playback.summary();
    let nodes = &layout.services;
    let middle = |index: usize| {
        let (from, to) = (nodes.get(index)?.right(), nodes.get(index + 1)?.left());
        Some((f64::midpoint(from.0, to.0), from.1))
    };
    let index = |node: &Node| nodes.iter().position(|it| it.id == node.id);
    services::paint_calls(surface, playback, nodes, |node, place| match place {
        Place::Leaving(_) => Some((node.right(), middle(index(node)?)?)),
        _ => Some((middle(index(node)?.checked_sub(1)?)?, node.left())),
    });
    for (index, pair) in nodes.windows(2).enumerate() {
        let ([from, to], Some(at)) = (pair, middle(index)) else {
            continue;
        };
        let (writer, reader) = (summary.counters(from.id), summary.counters(to.id));
        let rejected = queue(playback, to.id).map_or(0, |queue| queue.rejected);
        // Finished and not written, or written and not started.
        let mut waiting = writer.succeeded.saturating_sub(writer.sent + rejected);
        if reader.started > 0 {
            waiting += summary.edge(from.id, to.id).saturating_sub(reader.started);
        }
        services::paint_row(surface, (at.0 - 8.0, at.1), STACK, waiting, |at| {
            surface.dot(at, services::QUEUED_RADIUS, theme.accent);
        });
        services::paint_drops(surface, playback, to.id, (to.x - 8.0, at.1 + 10.0));
    }
}

/// Marks the writers whose wait for space ended a moment ago.
fn paint_space_signals(surface: &Surface, layout: &Layout, playback: &Playback) {
    let is_stall_end =
        |event: &&Event| (event.kind, event.phase) == (RecordKind::Stall, Phase::End);
    for event in services::recent_records(surface, playback).filter(is_stall_end) {
        for pair in layout.services.windows(2) {
            if let [writer, queue] = pair
                && queue.id == event.source
            {
                let (from, to) = (queue.left(), writer.right());
                let weight = 4.0 - 2.5 * services::progress(playback, event);
                let (from, to) = ((from.0, from.1 - 12.0), (to.0, to.1 - 12.0));
                surface.line(from, to, surface.theme.good, weight);
                surface.ring(to, 4.0, surface.theme.good);
            }
        }
    }
}

/// Paints the queue level on the same time axis as the lanes below.
fn paint_history(
    surface: &Surface,
    layout: &Layout,
    playback: &Playback,
    id: NameId,
    queue: QueueTotals,
) {
    let theme = surface.theme;
    let scale = Scale::new(surface, layout.lanes_left, playback);
    let (top, bottom) = (history_top(layout.lanes_top) + 6.0, layout.lanes_top - 6.0);
    let full = full_scale(queue);
    let y = |bytes: u64| bottom - (bottom - top) * (bytes as f64 / full).min(1.0);
    let style = Text::small(theme.muted, false, "right");
    let left = layout.lanes_left;
    surface.line(
        (left, bottom),
        (left + scale.width, bottom),
        theme.line,
        1.0,
    );
    // Painted from right to left, with one rectangle per record.
    let mut right = scale.x(scale.now);
    let since = scale.since();
    let levels = playback.played().iter().rev();
    for event in levels.filter(|it| it.kind == RecordKind::Level && it.source == id) {
        let from = scale.x(event.at.max(since)).floor();
        // Each column of pixels is painted once.
        if from < right {
            let height = bottom - y(event.subject);
            let colour = if event.subject > queue.mark {
                theme.bad
            } else {
                theme.accent
            };
            surface.fill_rect(from, bottom - height, right - from, height, colour);
            right = from;
        }
        if event.at <= since {
            break;
        }
    }
    let mark = y(queue.mark);
    surface.line((left, mark), (left + scale.width, mark), theme.text, 1.0);
    let max_width = left - 14.0;
    surface.text(&size(queue.mark), (left - 8.0, mark), style, max_width);
    if y(queue.peak) < mark - 12.0 {
        surface.text(
            &size(queue.peak),
            (left - 8.0, y(queue.peak)),
            style,
            max_width,
        );
    }
}

/// Returns the capacity of the tank, which grows with the peak level.
fn full_scale(queue: QueueTotals) -> f64 {
    (queue.mark as f64 * HEADROOM_FACTOR)
        .max(queue.peak as f64)
        .max(1.0)
}

/// Formats a size in whole units.
fn size(bytes: u64) -> String {
    match bytes {
        0..4096 => format!("{bytes} B"),
        4096..4_194_304 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
