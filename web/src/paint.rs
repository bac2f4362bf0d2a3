//! Paints a playback's records on a canvas.

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

/// The minimum width and height for painting. A canvas is smaller while the page is
/// hidden or being laid out.
const MIN_SIZE: (f64, f64) = (160.0, 120.0);

/// Paints one moment of a run. The upper part shows services and their messages, stages
/// and their queues, or the paths of requests. The lower part shows busy times. The
/// scaling chapter has only the lower part.
pub(crate) fn paint(surface: &Surface, playback: &Playback) {
    surface.clear();
    if surface.width < MIN_SIZE.0 || surface.height < MIN_SIZE.1 {
        return;
    }
    #[cfg(feature = "scaling")]
    if playback.is_in_chapter("scaling") {
        loops::paint(surface, playback);
    }
    #[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
    if !playback.is_in_chapter("scaling") {
        paint_services(surface, playback);
    }
}

/// Paints services and their messages above, and busy times below.
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
fn paint_services(surface: &Surface, playback: &Playback) {
    #[cfg(feature = "errors")]
    if let Some(plan) = railway::Plan::new(surface, playback) {
        railway::paint(surface, &plan, playback);
        return paint_lanes(surface, &plan.layout, playback);
    }
    let layout = Layout::new(surface, playback);
    if layout.is_pipeline {
        pipes::paint(surface, &layout, playback);
    } else {
        services::paint(surface, &layout, playback);
    }
    paint_lanes(surface, &layout, playback);
}

#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
fn paint_lanes(surface: &Surface, layout: &Layout, playback: &Playback) {
    if !surface.is_thumbnail {
        lanes::paint(surface, layout, playback);
    }
}
