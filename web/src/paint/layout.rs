//! The layout of service pictures.

use highwater::trace::NameId;

/// The services seen so far, and their positions.
pub(crate) struct Layout {
    /// The service that receives requests.
    pub(crate) front: Option<Node>,
    /// The other services, in the order in which they started.
    pub(crate) services: Vec<Node>,
    /// Top of the lanes.
    pub(crate) lanes_top: f64,
    /// Left edge of the lanes, after their labels.
    pub(crate) lanes_left: f64,
}

/// A box in the picture.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) id: NameId,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Node {
    pub(crate) fn left(&self) -> (f64, f64) {
        (self.x, self.y + self.height / 2.0)
    }

    pub(crate) fn right(&self) -> (f64, f64) {
        (self.x + self.width, self.y + self.height / 2.0)
    }
}

impl Layout {
    /// Returns the services that have a lane.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = NameId> + '_ {
        self.front.iter().chain(&self.services).map(|node| node.id)
    }
}
