//! Heartbeat lines: a spike for each beat, flat where beats are missing.

use super::rows::Row;
use crate::{
    paint::{
        Surface,
        axis::{Scale, milliseconds},
        surface::Text,
    },
    playback::Playback,
};
use highwater::{
    scenario::WorkerState,
    trace::{Event, Phase, RecordKind},
};
use std::time::Duration;

/// The heartbeat interval of an idle worker.
const WORKER_INTERVAL: Duration = Duration::from_millis(100);

/// The geometry of a heartbeat line.
struct HeartbeatLine {
    y: f64,
    spike_height: f64,
    /// Time without a beat after which the line is flat.
    flat_after: Duration,
}

/// Paints the heartbeat of a loop over its whole lane.
pub(super) fn paint_loop(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let millis = playback.trace().param("beat").parse().unwrap_or(20);
    let heartbeat = HeartbeatLine {
        y: row.top + row.height * 0.6,
        spike_height: row.height * 0.36,
        flat_after: Duration::from_millis(3 * millis),
    };
    let beats = scale
        .records(playback)
        .filter(|event| event.source == row.id && event.phase == Phase::End)
        .map(|event| (event.recorded_at(), Activity::Beat));
    let mut played = playback.played().iter();
    let began = played.find(|event| event.source == row.id);
    let began = began.map(|event| (event.at, Activity::Start));
    paint_line(
        surface,
        scale,
        &heartbeat,
        beats.chain(began),
        Some(scale.now),
    );
}

/// Paints the heartbeat of a process below its jobs. Any record counts as activity.
pub(super) fn paint_worker(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    // With a sample of requests, heartbeats are not recorded.
    if playback.summary().is_sample(row.id) && playback.trace().param("users") == "0" {
        return;
    }
    let heartbeat = HeartbeatLine {
        y: row.top + row.height * 0.82,
        spike_height: row.height * 0.2,
        flat_after: 3 * WORKER_INTERVAL,
    };
    let activity = |event: &Event| match event.kind {
        RecordKind::Start => Some(Activity::Start),
        RecordKind::Exit => Some(Activity::End),
        RecordKind::Beat => Some(Activity::Beat),
        RecordKind::Handle => Some(Activity::Work),
        _ => None,
    };
    let is_worker = |event: &&Event| event.source == row.id;
    let activities = scale
        .records(playback)
        .filter(is_worker)
        .filter_map(|event| Some((event.recorded_at(), activity(event)?)));
    let state = playback.worker_slot(row.id).map(|it| it.state);
    let is_alive = matches!(
        state,
        Some(WorkerState::Ready | WorkerState::Draining | WorkerState::Killed)
    );
    // Activity before the window, if the process was running.
    let earlier = playback.played().iter().rev().filter(is_worker);
    let mut earlier = earlier.skip_while(|event| event.recorded_at() >= scale.since());
    let before = earlier.find_map(|event| Some((event.recorded_at(), activity(event)?)));
    let now = is_alive.then_some(scale.now);
    paint_line(surface, scale, &heartbeat, activities.chain(before), now);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    Start,
    Beat,
    /// Work other than a heartbeat. It shows that the process is alive.
    Work,
    End,
}

/// Paints the line from the latest activity back to the first.
fn paint_line(
    surface: &Surface,
    scale: &Scale,
    heartbeat: &HeartbeatLine,
    activities: impl Iterator<Item = (Duration, Activity)>,
    now: Option<Duration>,
) {
    let theme = surface.theme;
    let left = scale.x(scale.since());
    // The end of the current segment. Segments are painted from right to left.
    let mut segment_end = now;
    let mut last_spike = f64::INFINITY;
    for (at, activity) in activities {
        let x = scale.x(at).max(left);
        if let Some(end) = segment_end.filter(|_| activity != Activity::End) {
            let right = scale.x(end);
            let is_flat = end.saturating_sub(at) > heartbeat.flat_after;
            let (colour, weight) = if is_flat {
                (theme.bad, 3.0)
            } else {
                (theme.line, 1.0)
            };
            surface.line((x, heartbeat.y), (right, heartbeat.y), colour, weight);
            if is_flat && right - x > 70.0 {
                let flat = milliseconds(end.saturating_sub(at));
                let text = format!("no heartbeat, {flat} ms");
                let at = (f64::midpoint(x, right), heartbeat.y - 8.0);
                surface.text(&text, at, Text::small(theme.bad, true, "center"), right - x);
            }
        }
        segment_end = (activity != Activity::Start).then_some(at);
        // Overlapping spikes are painted only once.
        if activity == Activity::Beat && x > left && last_spike - x >= 3.0 {
            last_spike = x;
            paint_spike(surface, (x, heartbeat.y), heartbeat.spike_height);
        }
    }
}

fn paint_spike(surface: &Surface, (x, y): (f64, f64), height: f64) {
    let colour = surface.theme.good;
    surface.line((x - 1.5, y), (x, y - height), colour, 1.5);
    surface.line((x, y - height), (x + 1.5, y + height * 0.4), colour, 1.5);
}
