//! The positions of servers, and the paths between them.

use super::super::{
    Surface,
    axis::lanes_left,
    layout::{Layout, Node},
    services,
    surface::clamp,
};
use crate::playback::Playback;
use highwater::trace::NameId;

pub(super) type Point = (f64, f64);

/// Names of error handlers. A trace with one of them is painted as a railway.
const HANDLER_NAMES: [&str; 2] = ["ErrorHandler", "CatchAll"];

/// The log code of a bug.
pub(super) const BUG_CODE: &str = "internal_error";

/// The boxes of the picture, with their positions.
pub(crate) struct Plan {
    /// The service that receives requests, and the services with a lane below.
    pub(crate) layout: Layout,
    /// The workers or services that serve requests.
    pub(super) servers: Vec<Node>,
    pub(super) handler: Node,
    /// Counters of 2xx, 4xx and 5xx responses and lost requests.
    pub(super) responses: [Node; 4],
    /// Present if workers are processes.
    pub(super) restart_track: Option<RestartTrack>,
    /// Horizontal position at which error paths turn down to the handler.
    switch_x: f64,
}

/// The restart track, with the stops drain, crash and restart.
#[derive(Clone, Copy)]
pub(super) struct RestartTrack {
    pub(super) y: f64,
    pub(super) stops: [f64; 3],
    /// Maximum width of a label.
    pub(super) label_width: f64,
}

impl Plan {
    /// Lays out the picture. Returns `None` if the trace has no error handler.
    pub(crate) fn new(surface: &Surface, playback: &Playback) -> Option<Self> {
        let trace = playback.trace();
        let is_handler = |id: NameId| HANDLER_NAMES.contains(&trace.name(id));
        let mut events = trace.events.iter();
        let handler = events.find(|event| is_handler(event.source))?.source;

        let margin = if surface.width < 520.0 { 10.0 } else { 18.0 };
        let height = surface.above_lanes(0.66);
        let has_processes = !trace.param("workers").is_empty();
        let floor = height - if has_processes { 44.0 } else { 10.0 };
        let side = clamp(surface.width * 0.2, 58.0, 140.0);
        let gap = clamp(surface.width * 0.08, 18.0, 80.0);
        let middle = margin + side + gap;
        let right = surface.width - margin - side;
        let width = (right - gap - middle).max(40.0);
        let upper = floor * 0.6;

        let mut started = services::started(playback).into_iter();
        let front = started.next();
        let ids: Vec<NameId> = if has_processes {
            let slots = playback.tally().worker_slots().iter();
            slots.map(|slot| slot.worker).collect()
        } else {
            started.filter(|id| !is_handler(*id)).collect()
        };
        let slot = (upper - margin) / ids.len().max(2) as f64;
        let servers: Vec<Node> = ids
            .into_iter()
            .enumerate()
            .map(|(index, id)| Node {
                id,
                x: middle,
                y: margin + slot * index as f64,
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
        let responses = [0.0, 1.0, 2.0, 3.0].map(|index| Node {
            id: handler,
            x: right,
            y: margin + row * index,
            width: side,
            height: row - 6.0,
        });
        let third = (surface.width - 2.0 * margin) / 3.0;
        let restart_track = has_processes.then_some(RestartTrack {
            y: height - 24.0,
            stops: [0.5, 1.5, 2.5].map(|index| margin + third * index),
            label_width: third - 6.0,
        });
        let has_lane =
            |node: &&Node| has_processes || playback.summary().counters(node.id).started > 0;
        let layout = Layout {
            front,
            services: servers.iter().filter(has_lane).cloned().collect(),
            lanes_top: height,
            lanes_left: lanes_left(surface),
        };
        Some(Plan {
            layout,
            servers,
            handler: Node {
                id: handler,
                x: middle,
                y: upper + 12.0,
                width,
                height: floor - upper - 18.0,
            },
            responses,
            restart_track,
            switch_x: middle + width + gap * 0.3,
        })
    }

    pub(super) fn server(&self, id: NameId) -> Option<&Node> {
        self.servers.iter().find(|node| node.id == id)
    }

    /// Returns the path of an arriving request.
    pub(super) fn arrival_path(&self) -> Vec<Point> {
        let end = self.front(Node::left);
        vec![(0.0, end.1), end]
    }

    pub(super) fn server_path(&self, server: &Node) -> Vec<Point> {
        vec![self.front(Node::right), server.left()]
    }

    pub(super) fn return_path(&self, server: &Node) -> Vec<Point> {
        vec![server.left(), self.front(Node::right)]
    }

    pub(super) fn success_path(&self, server: &Node) -> Vec<Point> {
        vec![server.right(), self.responses[0].left()]
    }

    pub(super) fn lost_path(&self, server: &Node) -> Vec<Point> {
        vec![server.right(), self.responses[3].left()]
    }

    /// Returns the path of an error to the handler.
    pub(super) fn handler_path(&self, server: &Node) -> Vec<Point> {
        let (from, y) = (server.right(), self.handler.y + 11.0);
        let end = (self.handler.x + self.handler.width, y);
        vec![from, (self.switch_x, from.1), (self.switch_x, y), end]
    }

    /// Returns the path of a retry, from the handler to the front.
    pub(super) fn retry_path(&self) -> Vec<Point> {
        let from = self.handler.left();
        let Some(front) = &self.layout.front else {
            return Vec::new();
        };
        let x = front.x + front.width / 2.0;
        vec![from, (x, from.1), (x, front.y + front.height)]
    }

    /// Returns the path from the handler to an error response.
    pub(super) fn response_path(&self, response: usize) -> Vec<Point> {
        vec![self.handler.right(), self.responses[response].left()]
    }

    pub(super) fn crash_path(&self) -> Vec<Point> {
        let Some(restart_track) = self.restart_track else {
            return Vec::new();
        };
        let bottom = self.handler.y + self.handler.height;
        let x = self.handler.x + self.handler.width * 0.25;
        vec![
            (x, bottom),
            (x, restart_track.y),
            (restart_track.stops[1], restart_track.y),
        ]
    }

    pub(super) fn restart_path(&self) -> Vec<Point> {
        let stops = self
            .restart_track
            .map(|restart_track| [1, 2].map(|stop| (restart_track.stops[stop], restart_track.y)));
        stops.map_or_else(Vec::new, Vec::from)
    }

    /// Returns the position and maximum width of the retry counter.
    pub(super) fn retry_label(&self) -> (Point, f64) {
        let left = self.layout.front.as_ref().map_or(0.0, |front| front.x);
        let label_width = self.handler.x - left - 8.0;
        (
            (left + label_width / 2.0, self.handler.left().1 + 13.0),
            label_width,
        )
    }

    fn front(&self, side: fn(&Node) -> Point) -> Point {
        self.layout.front.as_ref().map_or((0.0, 0.0), side)
    }
}
