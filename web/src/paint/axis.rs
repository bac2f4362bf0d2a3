//! The time axis, from left to right.

use super::{
    Surface,
    surface::{Text, clamp},
};
use crate::playback::Playback;
use highwater::trace::Event;
use std::time::Duration;

/// The time span shown.
const WINDOW: Duration = Duration::from_secs(3);

pub(super) fn ticks(surface: &Surface, scale: &Scale, top: f64, bottom: f64) {
    let theme = surface.theme;
    let style = Text::small(theme.muted, false, "center");
    let halves = |at: Duration| at.as_secs() * 2 + u64::from(at.subsec_millis() / 500);
    for tick in halves(scale.since()) + 1..=halves(scale.now) {
        let at = Duration::from_millis(500 * tick);
        let x = scale.x(at);
        surface.line((x, top), (x, bottom), theme.panel, 1.0);
        if tick % 2 == 0 {
            let label = format!("{} s", at.as_secs());
            surface.text(&label, (x, bottom + 10.0), style, 60.0);
        }
    }
}

/// Returns the left edge of the lanes, after their labels.
pub(super) fn lanes_left(surface: &Surface) -> f64 {
    clamp(surface.width * 0.2, 84.0, 130.0)
}

/// Returns whole milliseconds in 64 bits: formatting 128 bits costs a kilobyte of wasm.
#[cfg(feature = "scaling")]
pub(super) fn milliseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1_000 + u64::from(duration.subsec_millis())
}

/// Maps a time to a horizontal position.
pub(super) struct Scale {
    left: f64,
    pub(super) width: f64,
    pub(super) now: Duration,
}

impl Scale {
    pub(super) fn new(surface: &Surface, left: f64, playback: &Playback) -> Self {
        Scale {
            left,
            width: (surface.width - left - 12.0).max(1.0),
            now: playback.time(),
        }
    }

    /// Returns the right edge. It shows the present once the window is full.
    #[cfg(feature = "scaling")]
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Returns the earliest time shown.
    pub(super) fn since(&self) -> Duration {
        self.now.saturating_sub(WINDOW)
    }

    /// Returns the horizontal position of a time. The start of the run stays at the
    /// left until the window is full.
    pub(super) fn x(&self, at: Duration) -> f64 {
        let progress = at.saturating_sub(self.since()).as_secs_f64() / WINDOW.as_secs_f64();
        self.left + self.width * progress.min(1.0)
    }

    /// Returns the records in the time shown, latest first.
    pub(super) fn records<'a>(
        &self,
        playback: &'a Playback,
    ) -> impl Iterator<Item = &'a Event> + use<'a> {
        let since = self.since();
        let played = playback.played().iter().rev();
        played.take_while(move |event| event.recorded_at() >= since)
    }
}
