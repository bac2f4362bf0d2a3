//! Services around an event bus, and the same services called directly.

use super::{
    Surface,
    axis::lanes_left,
    lanes,
    layout::{Layout, Node},
    services::{self, Place},
    surface::{Text, clamp},
};
use crate::playback::Playback;
use highwater::trace::{NameId, Phase, RecordKind};

/// The boxes of the picture, with their positions.
struct Plan {
    layout: Layout,
    /// The bus or emitter, once a service depends on it.
    bus: Option<Node>,
}

pub(super) fn paint(surface: &Surface, playback: &Playback) {
    let plan = Plan::new(surface, playback);
    let layout = &plan.layout;
    paint_wires(surface, &plan, playback);
    services::paint_messages(surface, playback, |source, target| {
        plan.wire(source, target)
    });
    if let Some(bus) = &plan.bus {
        paint_bus(surface, bus, playback.trace().name(bus.id));
    }
    if let Some(front) = &layout.front {
        services::paint_panel(surface, front, playback, &details(front, playback, true));
    }
    for service in &layout.services {
        services::paint_panel(
            surface,
            service,
            playback,
            &details(service, playback, false),
        );
    }
    if let Some(front) = &layout.front {
        services::paint_requests(surface, front, playback);
        paint_arrivals(surface, front, playback);
    }
    // An event from an inbox is handled later, and its emitter gets no answer.
    let has_inbox = plan.bus.is_some() && has_inbox(playback);
    services::paint_calls(surface, playback, &layout.services, |node, place| {
        let mut edges = playback.summary().edges();
        let (caller, ..) = edges.find(|(_, to, _)| *to == node.id)?;
        if has_inbox {
            return None;
        }
        let (from, to) = plan.wire(caller, node.id)?;
        Some(match place {
            Place::Leaving(_) => (to, from),
            _ => (from, to),
        })
    });
    if has_inbox {
        for node in &layout.services {
            paint_inbox(surface, &plan, node, playback);
        }
    }
    lanes::paint(surface, layout, playback);
}

fn paint_wires(surface: &Surface, plan: &Plan, playback: &Playback) {
    let layout = &plan.layout;
    let theme = surface.theme;
    let latest = playback.latest();
    // Dependencies between services. Only direct calls create them.
    let services = |id| layout.services.iter().find(|service| service.id == id);
    for (source, target) in playback.summary().dependencies() {
        let front = layout.front.as_ref().filter(|front| front.id == source);
        if let (Some(front), Some(service)) = (front, services(target)) {
            surface.line(front.right(), service.left(), theme.bad, 1.5);
        }
    }
    let Some(bus) = &plan.bus else { return };
    let front = layout.front.iter().map(|front| (front.id, bus.id));
    let subscribed = playback.summary().subscriptions();
    for (from, to) in front.chain(subscribed.map(|(listener, bus)| (bus, listener))) {
        let Some((start, end)) = plan.wire(from, to) else {
            continue;
        };
        let is_latest = latest.is_some_and(|it| it.source == from && it.target == Some(to));
        let (colour, weight) = if is_latest {
            (theme.accent, 3.0)
        } else {
            (theme.line, 1.5)
        };
        surface.line(start, end, colour, weight);
    }
}

fn paint_bus(surface: &Surface, bus: &Node, name: &str) {
    let theme = surface.theme;
    surface.panel(bus.x, bus.y, bus.width, bus.height, theme.accent, 1.5);
    let style = Text::small(theme.accent, true, "center");
    let middle = bus.x + bus.width / 2.0;
    surface.text(name, (middle, bus.y - 8.0), style, bus.width + 40.0);
}

/// Paints the requests that are due and that the service has not taken yet, below it.
fn paint_arrivals(surface: &Surface, front: &Node, playback: &Playback) {
    let now = playback.time();
    let upcoming = playback.upcoming().iter().filter(|event| {
        event.at <= now
            && event.recorded_at() > now
            && (event.kind, event.phase) == (RecordKind::Request, Phase::Begin)
    });
    let at = (front.x + front.width - 9.0, front.y + front.height + 14.0);
    let count = upcoming.count() as u64;
    services::paint_row(surface, at, front.width * 0.6, count, |at| {
        surface.dot(at, services::QUEUED_RADIUS, surface.theme.accent);
    });
    if count > 0 {
        let text = format!("{count} waiting");
        let style = Text::small(surface.theme.text, true, "left");
        surface.text(&text, (front.x, at.1 + 14.0), style, front.width);
    }
}

/// Paints the inbox of a listener on its wire: its slots, with the waiting events, and
/// the events that it lost.
fn paint_inbox(surface: &Surface, plan: &Plan, node: &Node, playback: &Playback) {
    let theme = surface.theme;
    let Some(bus) = &plan.bus else { return };
    let capacity: u64 = playback.trace().param("inbox").parse().unwrap_or(0);
    let at = (node.x - 10.0, node.y + node.height / 2.0);
    let space = at.0 - bus.x - bus.width;
    let width = if services::row_length(space) > capacity {
        space
    } else {
        // Space for the number of those without space.
        space - 56.0
    };
    let slots = services::row_length(width).min(capacity);
    services::paint_row(surface, at, width, slots, |(x, y)| {
        surface.fill_rect(x - 6.0, y - 7.0, 12.0, 14.0, theme.line);
        surface.fill_rect(x - 5.0, y - 6.0, 10.0, 12.0, theme.background);
    });
    if slots < capacity {
        let style = Text::small(theme.muted, false, "right");
        let text = format!("inbox of {capacity}");
        surface.text(&text, (at.0 + 6.0, at.1 - 14.0), style, 80.0);
    }
    services::paint_row(surface, at, width, waiting(node.id, playback), |at| {
        surface.dot(at, services::QUEUED_RADIUS, theme.accent);
    });
    services::paint_drops(surface, playback, node.id, (at.0, at.1 + 12.0));
}

/// Returns whether listeners have inboxes whose waiting events can be told from the
/// record. With `reentry=email`, listeners also receive mail notifications, which are
/// not work.
fn has_inbox(playback: &Playback) -> bool {
    let trace = playback.trace();
    trace.param("listeners") == "async" && trace.param("reentry") != "email"
}

/// Returns the number of events in a listener's inbox.
fn waiting(listener: NameId, playback: &Playback) -> u64 {
    let summary = playback.summary();
    services::received_count(playback, listener)
        .saturating_sub(summary.counters(listener).started + summary.lost(listener))
}

/// Returns the lines below the name.
fn details(node: &Node, playback: &Playback, is_front: bool) -> Vec<String> {
    let summary = playback.summary();
    let counters = summary.counters(node.id);
    let done = match counters.failed {
        0 => format!("{} done", counters.succeeded),
        failed => format!("{} done, {failed} failed", counters.succeeded),
    };
    if is_front {
        let dependencies = summary.dependencies().filter(|(from, _)| *from == node.id);
        return vec![done, format!("depends on {}", dependencies.count())];
    }
    let waiting = if has_inbox(playback) {
        waiting(node.id, playback)
    } else {
        0
    };
    let mut line = done;
    if waiting > 0 {
        line = format!("{line}, {waiting} waiting");
    }
    let lost = summary.lost(node.id);
    if lost > 0 {
        line = format!("✗ {lost} lost, {line}");
    }
    vec![line]
}

impl Plan {
    /// Lays out the service that depends on the others on the left, the bus in the
    /// middle, and the others on the right.
    fn new(surface: &Surface, playback: &Playback) -> Self {
        let started = services::started(playback);
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

        let service_width = (surface.width * 0.34).min(250.0);
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

        let layout = Layout {
            front,
            services: services.collect(),
            lanes_top: height,
            lanes_left: lanes_left(surface),
        };
        Plan { layout, bus }
    }

    /// Returns the end points of the wire between two services.
    fn wire(&self, source: NameId, target: NameId) -> Option<((f64, f64), (f64, f64))> {
        let service = |id| self.layout.services.iter().find(|node| node.id == id);
        let front = self.layout.front.as_ref();
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
                return Some((from, at_height(bus, from.1)));
            }
            if source == bus.id {
                let to = service(target)?.left();
                return Some((at_height(bus, to.1), to));
            }
        }
        let from = front.filter(|front| front.id == source)?.right();
        Some((from, service(target)?.left()))
    }
}

/// Returns the point on a node's vertical centre line at this height.
fn at_height(node: &Node, y: f64) -> (f64, f64) {
    let bottom = node.y + node.height;
    (node.x + node.width / 2.0, clamp(y, node.y, bottom))
}

/// Returns the bus: a dependency that is not a started service.
fn find_bus(playback: &Playback, started: &[NameId]) -> Option<NameId> {
    let mut targets = playback.summary().dependencies().map(|(_, target)| target);
    targets.find(|id| !started.contains(id))
}
