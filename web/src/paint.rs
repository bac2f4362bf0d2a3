//! Pictures: canvas strokes from a playback's records.

mod lanes;
mod layout;
mod pipes;
#[cfg(feature = "errors")]
mod railway;
mod services;
mod surface;

pub(crate) use surface::Surface;

use crate::playback::Playback;
use layout::Layout;

/// The least width and height in which anything could be made out. A canvas has
/// less while its page is laid out or not shown.
const LEAST: (f64, f64) = (160.0, 120.0);

/// Paints a moment of a run: above, who passes what to whom, what flows from
/// stage to stage, or what becomes of requests; below, who was busy when.
pub(crate) fn paint(surface: &Surface, playback: &Playback) {
    surface.clear();
    if surface.width < LEAST.0 || surface.height < LEAST.1 {
        return;
    }
    #[cfg(feature = "errors")]
    if let Some(plan) = railway::Plan::of(surface, playback) {
        railway::paint(surface, &plan, playback);
        return lanes::paint(surface, &plan.layout, playback);
    }
    let layout = Layout::of(surface, playback);
    if layout.is_chain {
        pipes::paint(surface, &layout, playback);
    } else {
        services::paint(surface, &layout, playback);
    }
    lanes::paint(surface, &layout, playback);
}
