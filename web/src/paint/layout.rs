//! The layout of service pictures.

use super::{Surface, axis::lanes_left, surface::clamp};
use crate::playback::Playback;
use highwater::trace::{NameId, RecordKind};

/// The services seen so far, and their positions.
pub(crate) struct Layout {
    /// The service that receives requests.
    pub(crate) front: Option<Node>,
    /// The bus or emitter, once a service depends on it.
    pub(crate) bus: Option<Node>,
    /// The other services, in the order in which they started.
    pub(crate) services: Vec<Node>,
    /// `true` if the services are the stages of a pipeline.
    pub(crate) is_pipeline: bool,
    /// Top of the queue-level history.
    pub(crate) history_top: f64,
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

    /// Returns the point on the vertical centre line at this height.
    fn at_height(&self, y: f64) -> (f64, f64) {
        let bottom = self.y + self.height;
        (self.x + self.width / 2.0, clamp(y, self.y, bottom))
    }
}

impl Layout {
    pub(crate) fn new(surface: &Surface, playback: &Playback) -> Self {
        let started = started_services(playback);
        if playback.is_in_chapter("streams") {
            return Layout::of_stages(surface, &started);
        }
        // The service that depends on the others is on the left.
        let front = playback.summary().dependencies().next();
        let is_front = |id: &NameId| front.is_some_and(|(source, _)| source == *id);
        let margin = if surface.width < 520.0 { 10.0 } else { 18.0 };
        let height = surface.above_lanes(0.6);
        let inner = height - 2.0 * margin;

        let front_width = (surface.width * 0.27).min(190.0);
        let front = started.iter().copied().find(is_front).map(|id| Node {
            id,
            x: margin,
            y: margin + inner / 2.0 - 44.0,
            width: front_width,
            height: 88.0,
        });

        let service_width = (surface.width * 0.38).min(250.0);
        let others: Vec<NameId> = started.iter().copied().filter(|id| !is_front(id)).collect();
        // Reserve space for four, so that a new service does not move the others.
        let slot = inner / others.len().max(4) as f64;
        let services = others.into_iter().enumerate().map(|(index, id)| Node {
            id,
            x: surface.width - margin - service_width,
            y: margin + slot * index as f64 + 4.0,
            width: service_width,
            height: (slot - 8.0).max(24.0),
        });

        let from = margin + front_width;
        let to = surface.width - margin - service_width;
        let bus_width = clamp((to - from) * 0.22, 10.0, 30.0);
        let bus = find_bus(playback, &started).map(|id| Node {
            id,
            x: f64::midpoint(from, to) - bus_width / 2.0,
            // Leave space for the name above the bus.
            y: margin + 12.0,
            width: bus_width,
            height: inner - 12.0,
        });

        Layout {
            front,
            bus,
            services: services.collect(),
            is_pipeline: false,
            history_top: height,
            lanes_top: height,
            lanes_left: lanes_left(surface),
        }
    }

    /// Lays out stages from left to right.
    fn of_stages(surface: &Surface, started: &[NameId]) -> Self {
        // On a narrow canvas, names get more of the space than pipes.
        let (margin, share) = if surface.width < 520.0 {
            (10.0, 0.84)
        } else {
            (18.0, 0.72)
        };
        let lanes_top = surface.above_lanes(0.66);
        let history_top = (lanes_top * 0.66).round();
        // Reserve space for three, so that the first stages do not fill the picture.
        let slot = (surface.width - 2.0 * margin) / started.len().max(3) as f64;
        let width = (slot * share).min(150.0);
        let height = clamp(history_top - 76.0, 40.0, 110.0);
        let services = started.iter().enumerate().map(|(index, id)| Node {
            id: *id,
            x: margin + slot * index as f64 + (slot - width) / 2.0,
            y: 26.0 + (history_top - 76.0 - height) / 2.0,
            width,
            height,
        });
        Layout {
            front: None,
            bus: None,
            services: services.collect(),
            is_pipeline: true,
            history_top,
            lanes_top,
            lanes_left: lanes_left(surface),
        }
    }

    /// Returns the services that have a lane.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = NameId> + '_ {
        self.front.iter().chain(&self.services).map(|node| node.id)
    }

    /// Returns the end points of the wire between two services.
    pub(crate) fn wire(&self, source: NameId, target: NameId) -> Option<((f64, f64), (f64, f64))> {
        let service = |id| self.services.iter().find(|node| node.id == id);
        if self.is_pipeline {
            return Some((service(source)?.right(), service(target)?.left()));
        }
        let front = self.front.as_ref();
        if let (Some(from), Some(to)) = (service(source), front)
            && to.id == target
        {
            return Some((from.left(), to.right()));
        }
        if let Some(bus) = &self.bus {
            if target == bus.id {
                let from = match service(source) {
                    Some(service) => service.left(),
                    None => front.filter(|front| front.id == source)?.right(),
                };
                return Some((from, bus.at_height(from.1)));
            }
            if source == bus.id {
                let to = service(target)?.left();
                return Some((bus.at_height(to.1), to));
            }
        }
        let from = front.filter(|front| front.id == source)?.right();
        Some((from, service(target)?.left()))
    }
}

/// Returns the sources that have started, in order.
fn started_services(playback: &Playback) -> Vec<NameId> {
    let mut started: Vec<NameId> = Vec::new();
    for event in playback.played() {
        if event.kind == RecordKind::Start {
            started.push(event.source);
        }
    }
    started
}

/// Returns the bus: a dependency that is not a started service.
fn find_bus(playback: &Playback, started: &[NameId]) -> Option<NameId> {
    let mut targets = playback.summary().dependencies().map(|(_, target)| target);
    targets.find(|id| !started.contains(id))
}
