//! A heartbeat: a spike for each beat, and a flat line where none came.

use super::{in_window, milliseconds, rows::Row, style};
use crate::{
    paint::{Surface, axis::Scale},
    playback::Playback,
};
use highwater::{
    scenario::WorkerState,
    trace::{Event, Kind, Phase},
};
use std::time::Duration;

/// How often a worker that has nothing to do gives a sign of life.
const WORKERS_BEAT: Duration = Duration::from_millis(100);

/// Where a line is, and how high its spikes are.
struct Strip {
    y: f64,
    spike: f64,
    /// Longer without a beat, and the line is flat.
    patience: Duration,
}

/// Of the loop, over the whole lane.
pub(super) fn of_loop(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let millis = playback.trace().param("beat").parse().unwrap_or(20);
    let strip = Strip {
        y: row.top + row.height * 0.6,
        spike: row.height * 0.36,
        patience: Duration::from_millis(3 * millis),
    };
    let beats = in_window(playback, scale)
        .filter(|event| event.source == row.id && event.phase == Phase::End)
        .map(|event| (event.recorded_at(), Sign::Beat));
    let mut played = playback.played().iter();
    let began = played.find(|event| event.source == row.id);
    let began = began.map(|event| (event.at, Sign::Start));
    line(surface, scale, &strip, beats.chain(began), Some(scale.now));
}

/// Of a process, below what it does. Whatever it tells is a sign of life.
pub(super) fn of_worker(surface: &Surface, row: &Row, scale: &Scale, playback: &Playback) {
    let strip = Strip {
        y: row.top + row.height * 0.82,
        spike: row.height * 0.2,
        patience: 3 * WORKERS_BEAT,
    };
    let sign = |event: &Event| match event.kind {
        Kind::Start => Some(Sign::Start),
        Kind::Exit => Some(Sign::End),
        Kind::Beat => Some(Sign::Beat),
        Kind::Handle => Some(Sign::Work),
        _ => None,
    };
    let of_it = |event: &&Event| event.source == row.id;
    let signs = in_window(playback, scale)
        .filter(of_it)
        .filter_map(|event| Some((event.recorded_at(), sign(event)?)));
    let state = playback.worker_slot(row.id).map(|it| it.state);
    let is_alive = matches!(
        state,
        Some(WorkerState::Ready | WorkerState::Draining | WorkerState::Killed)
    );
    // Before what is shown there was a sign, too, unless it was not there.
    let earlier = playback.played().iter().rev().filter(of_it);
    let mut earlier = earlier.skip_while(|event| event.recorded_at() >= scale.since());
    let before = earlier.find_map(|event| Some((event.recorded_at(), sign(event)?)));
    let now = is_alive.then_some(scale.now);
    line(surface, scale, &strip, signs.chain(before), now);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Start,
    Beat,
    /// It did something: no beat, and no reason to worry.
    Work,
    End,
}

/// From the latest sign back to the first.
fn line(
    surface: &Surface,
    scale: &Scale,
    strip: &Strip,
    signs: impl Iterator<Item = (Duration, Sign)>,
    now: Option<Duration>,
) {
    let theme = surface.theme;
    let left = scale.x(scale.since());
    // Until when the line goes that the sign before it begins.
    let mut until = now;
    let mut spiked = f64::INFINITY;
    for (at, sign) in signs {
        let x = scale.x(at).max(left);
        if let Some(end) = until.filter(|_| sign != Sign::End) {
            let right = scale.x(end);
            let is_flat = end.saturating_sub(at) > strip.patience;
            let (color, weight) = if is_flat {
                (theme.bad, 3.0)
            } else {
                (theme.line, 1.0)
            };
            surface.line((x, strip.y), (right, strip.y), color, weight);
            if is_flat && right - x > 70.0 {
                let flat = milliseconds(end.saturating_sub(at));
                let text = format!("no heartbeat, {flat} ms");
                let at = (f64::midpoint(x, right), strip.y - 8.0);
                surface.text(&text, at, style(theme.bad, true, "center"), right - x);
            }
        }
        until = (sign != Sign::Start).then_some(at);
        // Spikes that would lie on each other are one.
        if sign == Sign::Beat && x > left && spiked - x >= 3.0 {
            spiked = x;
            spike(surface, (x, strip.y), strip.spike);
        }
    }
}

fn spike(surface: &Surface, (x, y): (f64, f64), height: f64) {
    let color = surface.theme.good;
    surface.line((x - 1.5, y), (x, y - height), color, 1.5);
    surface.line((x, y - height), (x + 1.5, y + height * 0.4), color, 1.5);
}
