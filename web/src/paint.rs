//! Pictures: canvas strokes from a playback's records.

mod lanes;
mod layout;
mod services;
mod surface;

pub(crate) use surface::Surface;

use highwater::trace::Playback;
use layout::Layout;

/// Paints a moment of a run: above, who passes what to whom; below, who was
/// busy when.
pub(crate) fn paint(surface: &Surface, playback: &Playback) {
    let layout = Layout::of(surface, playback);
    surface.clear();
    services::paint(surface, &layout, playback);
    lanes::paint(surface, &layout, playback);
}
