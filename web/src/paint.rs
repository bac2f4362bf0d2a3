//! Pictures: canvas strokes from a playback's records.

mod axis;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod lanes;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod layout;
#[cfg(feature = "scaling")]
mod loops;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod pipes;
#[cfg(feature = "errors")]
mod railway;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod services;
mod surface;

pub(crate) use surface::Surface;

use crate::playback::Playback;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
use layout::Layout;

/// The least width and height in which anything could be made out. A canvas has
/// less while its page is laid out or not shown.
const LEAST: (f64, f64) = (160.0, 120.0);

/// Paints a moment of a run: above, who passes what to whom, what flows from
/// stage to stage, or what becomes of requests; below, who was busy when. Of loops
/// only the latter, which is all there is to see.
pub(crate) fn paint(surface: &Surface, playback: &Playback) {
    surface.clear();
    if surface.width < LEAST.0 || surface.height < LEAST.1 {
        return;
    }
    #[cfg(feature = "scaling")]
    if playback.is_about("scaling") {
        loops::paint(surface, playback);
    }
    #[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
    if !playback.is_about("scaling") {
        paint_services(surface, playback);
    }
}

/// Who passes what to whom, and below who was busy when.
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
fn paint_services(surface: &Surface, playback: &Playback) {
    #[cfg(feature = "errors")]
    if let Some(plan) = railway::Plan::of(surface, playback) {
        railway::paint(surface, &plan, playback);
        return paint_lanes(surface, &plan.layout, playback);
    }
    let layout = Layout::of(surface, playback);
    if layout.is_chain {
        pipes::paint(surface, &layout, playback);
    } else {
        services::paint(surface, &layout, playback);
    }
    paint_lanes(surface, &layout, playback);
}

#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
fn paint_lanes(surface: &Surface, layout: &Layout, playback: &Playback) {
    if !surface.is_small {
        lanes::paint(surface, layout, playback);
    }
}
