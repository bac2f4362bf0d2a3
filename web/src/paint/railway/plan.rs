//! Where stations stand, and which ways there are.

use super::super::{
    Surface,
    axis::lanes_left,
    layout::{Layout, Node},
    surface::within,
};
use crate::playback::Playback;
use highwater::trace::{Kind, NameId};

pub(super) type Point = (f64, f64);

/// The names of a handler, by which a railway is known.
const HANDLERS: [&str; 2] = ["ErrorHandler", "CatchAll"];

/// The code by which the log tells a bug.
pub(super) const BUG_CODE: &str = "internal_error";

/// What has been recorded so far, and where it is painted.
pub(crate) struct Plan {
    /// Who takes requests, and what has a lane below.
    pub(crate) layout: Layout,
    /// Who serves them.
    pub(super) stations: Vec<Node>,
    pub(super) handler: Node,
    /// 2xx, 4xx, 5xx and lost.
    pub(super) answers: [Node; 4],
    /// Only processes can end there.
    pub(super) siding: Option<Siding>,
    /// Where errors go down to the handler.
    switch: f64,
}

/// Drain, crash, restart.
#[derive(Clone, Copy)]
pub(super) struct Siding {
    pub(super) y: f64,
    pub(super) stops: [f64; 3],
    /// How wide a label may be.
    pub(super) room: f64,
}

impl Plan {
    /// None if nobody handles errors.
    pub(crate) fn of(surface: &Surface, playback: &Playback) -> Option<Self> {
        let trace = playback.trace();
        let is_handler = |id: NameId| HANDLERS.contains(&trace.name(id));
        let mut events = trace.events.iter();
        let handler = events.find(|event| is_handler(event.source))?.source;

        let margin = if surface.width < 520.0 { 10.0 } else { 18.0 };
        let height = surface.above_lanes(0.66);
        let has_processes = !trace.param("workers").is_empty();
        let floor = height - if has_processes { 44.0 } else { 10.0 };
        let side = within(surface.width * 0.2, 58.0, 140.0);
        let gap = within(surface.width * 0.08, 18.0, 80.0);
        let middle = margin + side + gap;
        let right = surface.width - margin - side;
        let width = (right - gap - middle).max(40.0);
        let upper = floor * 0.6;

        let mut starts = playback.played().iter().filter(|it| it.kind == Kind::Start);
        let front = starts.next().map(|start| start.source);
        let served: Vec<NameId> = if has_processes {
            let slots = playback.tally().worker_slots().iter();
            slots.map(|slot| slot.worker).collect()
        } else {
            let services = starts.map(|start| start.source);
            services.filter(|id| !is_handler(*id)).collect()
        };
        let slot = (upper - margin) / served.len().max(2) as f64;
        let stations: Vec<Node> = served
            .into_iter()
            .enumerate()
            .map(|(place, id)| Node {
                id,
                x: middle,
                y: margin + slot * place as f64,
                width,
                height: slot - 5.0,
            })
            .collect();
        let front = front.map(|id| Node {
            id,
            x: margin,
            y: margin,
            width: side,
            height: upper - margin - 5.0,
        });
        let row = (floor - margin) / 4.0;
        let answers = [0.0, 1.0, 2.0, 3.0].map(|place| Node {
            id: handler,
            x: right,
            y: margin + row * place,
            width: side,
            height: row - 6.0,
        });
        let third = (surface.width - 2.0 * margin) / 3.0;
        let siding = has_processes.then_some(Siding {
            y: height - 24.0,
            stops: [0.5, 1.5, 2.5].map(|place| margin + third * place),
            room: third - 6.0,
        });
        let has_lane =
            |node: &&Node| has_processes || playback.summary().counters(node.id).started > 0;
        let layout = Layout {
            front,
            bus: None,
            services: stations.iter().filter(has_lane).cloned().collect(),
            is_chain: false,
            history_top: height,
            lanes_top: height,
            lanes_left: lanes_left(surface),
        };
        Some(Plan {
            layout,
            stations,
            handler: Node {
                id: handler,
                x: middle,
                y: upper + 12.0,
                width,
                height: floor - upper - 18.0,
            },
            answers,
            siding,
            switch: middle + width + gap * 0.3,
        })
    }

    pub(super) fn station(&self, id: NameId) -> Option<&Node> {
        self.stations.iter().find(|node| node.id == id)
    }

    /// From outside.
    pub(super) fn arrival(&self) -> Vec<Point> {
        let end = self.front(Node::left);
        vec![(0.0, end.1), end]
    }

    pub(super) fn to(&self, station: &Node) -> Vec<Point> {
        vec![self.front(Node::right), station.left()]
    }

    pub(super) fn back(&self, station: &Node) -> Vec<Point> {
        vec![station.left(), self.front(Node::right)]
    }

    pub(super) fn good(&self, station: &Node) -> Vec<Point> {
        vec![station.right(), self.answers[0].left()]
    }

    pub(super) fn lost(&self, station: &Node) -> Vec<Point> {
        vec![station.right(), self.answers[3].left()]
    }

    /// By the switch to the handler.
    pub(super) fn astray(&self, station: &Node) -> Vec<Point> {
        let (from, y) = (station.right(), self.handler.y + 11.0);
        let end = (self.handler.x + self.handler.width, y);
        vec![from, (self.switch, from.1), (self.switch, y), end]
    }

    /// From the handler to another attempt.
    pub(super) fn again(&self) -> Vec<Point> {
        let from = self.handler.left();
        let Some(front) = &self.layout.front else {
            return Vec::new();
        };
        let x = front.x + front.width / 2.0;
        vec![from, (x, from.1), (x, front.y + front.height)]
    }

    /// From the handler to the answer of an error.
    pub(super) fn failed(&self, answer: usize) -> Vec<Point> {
        vec![self.handler.right(), self.answers[answer].left()]
    }

    pub(super) fn to_siding(&self) -> Vec<Point> {
        let Some(siding) = self.siding else {
            return Vec::new();
        };
        let bottom = self.handler.y + self.handler.height;
        let x = self.handler.x + self.handler.width * 0.25;
        vec![(x, bottom), (x, siding.y), (siding.stops[1], siding.y)]
    }

    pub(super) fn restart(&self) -> Vec<Point> {
        let stops = self
            .siding
            .map(|siding| [1, 2].map(|stop| (siding.stops[stop], siding.y)));
        stops.map_or_else(Vec::new, Vec::from)
    }

    /// Where the number of retries stands, and how wide it may be.
    pub(super) fn retry_label(&self) -> (Point, f64) {
        let left = self.layout.front.as_ref().map_or(0.0, |front| front.x);
        let room = self.handler.x - left - 8.0;
        ((left + room / 2.0, self.handler.left().1 + 13.0), room)
    }

    fn front(&self, side: fn(&Node) -> Point) -> Point {
        self.layout.front.as_ref().map_or((0.0, 0.0), side)
    }
}
