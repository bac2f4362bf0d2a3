//! Paints a playback's records on a canvas.

mod axis;
#[cfg(feature = "events")]
mod bus;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod lanes;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod layout;
#[cfg(feature = "scaling")]
mod loops;
#[cfg(feature = "streams")]
mod pipes;
#[cfg(feature = "errors")]
mod railway;
#[cfg(any(feature = "events", feature = "streams", feature = "errors"))]
mod services;
mod surface;

pub(crate) use surface::Surface;

use crate::playback::Playback;

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
    match playback.chapter() {
        #[cfg(feature = "events")]
        "events" => bus::paint(surface, playback),
        #[cfg(feature = "streams")]
        "streams" => pipes::paint(surface, playback),
        #[cfg(feature = "errors")]
        "errors" => railway::paint(surface, playback),
        #[cfg(feature = "scaling")]
        "scaling" => loops::paint(surface, playback),
        _ => {}
    }
}
