//! Paints a playback's records on a canvas.
//!
//! # Where a dot is
//!
//! A picture shows the state after the records played. A dot moves only within time
//! that the record has:
//!
//! - A **call** has one dot, from its begin record to its end record. The dot travels to
//!   the callee for a quarter of the call's duration or 60 ms, whichever is shorter, and
//!   stays there. It leaves as much time before the end, and arrives at the end record:
//!   a ring after a success, a crossed dot after a failure. A dot that is gone and a
//!   counter that has counted it are the same moment, and calls one after the other
//!   never have two dots.
//! - A **message** has no duration. It lights its wire, and nothing flies.
//! - A **queue** shows a dot for each item that has arrived and has not started. Where
//!   space ends, it says how many more there are. A lost item falls out as a cross,
//!   after the record of its loss.
//! - A **request** without an answer is a ring at the service that received it.
//!
//! An end record that has not been received yet, in a live run, is treated as far away.
//! At most 500 records ahead are searched. With reduced motion, dots stay where they
//! spend most of the time, and lost items appear only in the counters.

mod axis;
#[cfg(feature = "events")]
mod bus;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod frames;
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
#[cfg(not(target_arch = "wasm32"))]
mod recording;
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
