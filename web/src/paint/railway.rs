//! Railway-oriented picture of requests, which move from the left through a server to a
//! response. An error is switched to the handler, which retries it or sends an error
//! response. A bug continues on the restart track below.

mod plan;
mod traffic;

use super::{Surface, lanes, services, surface::Text};
use crate::playback::Playback;
use highwater::{
    scenario::{Tally, WorkerState},
    trace::{NameId, RecordKind},
};
use plan::{Plan, RestartTrack};

/// Height of a line of text.
const LINE_HEIGHT: f64 = 14.0;

pub(super) fn paint(surface: &Surface, playback: &Playback) {
    let Some(plan) = &Plan::new(surface, playback) else {
        return;
    };
    let tally = playback.tally();
    paint_tracks(surface, plan);
    traffic::paint_latest(surface, plan, playback);
    if let Some(front) = &plan.layout.front {
        let lines = [
            format!("{} arrived", tally.requests),
            format!("{} in flight", tally.in_flight()),
            tally.available(),
            "available".to_owned(),
        ];
        services::paint_panel(surface, front, playback, &lines);
        services::paint_requests(surface, front, playback);
    }
    for node in &plan.servers {
        paint_server(surface, node, playback);
    }
    paint_responses(surface, plan, tally);
    paint_handler(surface, plan, playback);
    paint_restart_track(surface, plan, playback);
    traffic::paint_moving(surface, plan, playback);
    lanes::paint(surface, &plan.layout, playback);
}

/// Paints every path.
fn paint_tracks(surface: &Surface, plan: &Plan) {
    for node in &plan.layout.services {
        for path in [
            plan.server_path(node),
            plan.success_path(node),
            plan.handler_path(node),
        ] {
            surface.path(&path, surface.theme.line, 1.5);
        }
    }
    for path in [
        plan.arrival_path(),
        plan.retry_path(),
        plan.response_path(1),
        plan.response_path(2),
    ] {
        surface.path(&path, surface.theme.line, 1.5);
    }
}

/// Paints a worker process with its id and generation, or a service with its
/// counters.
fn paint_server(surface: &Surface, node: &super::layout::Node, playback: &Playback) {
    let theme = surface.theme;
    let counters = playback.summary().counters(node.id);
    let mut slots = playback.tally().worker_slots().iter();
    let process = slots.find(|slot| slot.worker == node.id);
    let (state, detail, border) = match process {
        Some(slot) => {
            let (id, generation) = (slot.process(), slot.generation());
            let (sign, border) = match slot.state {
                WorkerState::Ready if counters.in_flight() > 0 => ("● ", theme.accent),
                WorkerState::Ready => ("● ", theme.good),
                WorkerState::Starting => ("○ ", theme.muted),
                WorkerState::Draining => ("▽ ", theme.bad),
                WorkerState::Killed | WorkerState::Dead => ("✗ ", theme.bad),
                WorkerState::Ended => ("– ", theme.line),
            };
            let detail = format!("process {id}, generation {generation}");
            let state = match slot.state {
                WorkerState::Ended => format!("{} done", counters.succeeded),
                state => [sign, state.as_str()].concat(),
            };
            (state, detail, border)
        }
        None if counters.started > 0 => {
            let (done, failed) = (counters.succeeded, counters.failed);
            let is_busy = counters.in_flight() > 0;
            let border = if is_busy { theme.accent } else { theme.line };
            (
                String::new(),
                format!("{done} done, {failed} failed"),
                border,
            )
        }
        None => (
            breaker_state(playback, node.id),
            calls(playback, node.id),
            theme.line,
        ),
    };
    surface.panel(node.x, node.y, node.width, node.height, border, 2.0);
    let (left, right) = (node.x + 8.0, node.x + node.width - 8.0);
    let max_width = node.width - 16.0;
    let (above, below) = (node.y + node.height * 0.3, node.y + node.height * 0.7);
    let share = if state.is_empty() {
        max_width
    } else {
        max_width * 0.5
    };
    let name = playback.trace().name(node.id);
    surface.text(
        name,
        (left, above),
        Text::small(theme.text, true, "left"),
        share,
    );
    surface.text(
        &state,
        (right, above),
        Text::small(border, true, "right"),
        max_width * 0.44,
    );
    surface.text(
        &detail,
        (left, below),
        Text::small(theme.muted, false, "left"),
        max_width,
    );
}

/// Returns the state of a circuit breaker.
fn breaker_state(playback: &Playback, id: NameId) -> String {
    let mut latest = playback.played().iter().rev();
    let change = latest.find(|event| event.kind == RecordKind::Switch && event.source == id);
    let state = change.and_then(|event| event.target);
    state
        .map_or("", |state| playback.trace().name(state))
        .to_owned()
}

fn calls(playback: &Playback, id: NameId) -> String {
    let rejected = playback.tally().rejected;
    match services::received_count(playback, id) {
        0 if rejected > 0 => format!("{rejected} rejected"),
        0 => String::new(),
        calls => format!("{calls} calls"),
    }
}

/// Paints the response counters by status class.
fn paint_responses(surface: &Surface, plan: &Plan, tally: &Tally) {
    let theme = surface.theme;
    let counts = [
        ("2xx", tally.succeeded, theme.good),
        ("4xx", tally.client_errors, theme.line),
        ("5xx", tally.server_errors, theme.bad),
        ("lost", tally.lost, theme.bad),
    ];
    for (node, (name, count, colour)) in plan.responses.iter().zip(counts) {
        let is_wrong = name == "2xx" && tally.wrong > 0;
        let border = match (count, is_wrong) {
            (0, _) => theme.line,
            (_, true) => theme.bad,
            _ => colour,
        };
        surface.panel(node.x, node.y, node.width, node.height, border, 2.0);
        let middle = node.x + node.width / 2.0;
        let max_width = node.width - 8.0;
        let text = format!("{name}: {count}");
        let y = node.y + node.height / 2.0;
        let up = if is_wrong { LINE_HEIGHT / 2.0 } else { 0.0 };
        surface.text(
            &text,
            (middle, y - up),
            Text::small(theme.text, true, "center"),
            max_width,
        );
        if is_wrong {
            let wrong = format!("✗ {} wrong", tally.wrong);
            surface.text(
                &wrong,
                (middle, y + up),
                Text::small(theme.bad, true, "center"),
                max_width,
            );
        }
    }
}

/// Paints the error handler and the latest lines of its log.
fn paint_handler(surface: &Surface, plan: &Plan, playback: &Playback) {
    let theme = surface.theme;
    let node = &plan.handler;
    surface.panel(node.x, node.y, node.width, node.height, theme.accent, 2.0);
    let (left, max_width) = (node.x + 8.0, node.width - 16.0);
    let title = format!(
        "{}: {} logged",
        playback.trace().name(node.id),
        playback.tally().logged
    );
    let mut y = node.y + 11.0;
    surface.text(
        &title,
        (left, y),
        Text::small(theme.text, true, "left"),
        max_width,
    );
    let bottom = node.y + node.height;
    let written = playback
        .played()
        .iter()
        .rev()
        .filter(|event| event.kind == RecordKind::Log);
    for event in written {
        y += LINE_HEIGHT;
        if y + 6.0 > bottom {
            break;
        }
        let code = event.failure.map_or("", |code| playback.trace().name(code));
        let is_bug = code == plan::BUG_CODE;
        let colour = if is_bug { theme.bad } else { theme.muted };
        let sign = if is_bug { "✗ " } else { "" };
        let line = format!("{sign}request-{} {code}", event.subject);
        surface.text(
            &line,
            (left, y),
            Text::small(colour, is_bug, "left"),
            max_width,
        );
    }
    let retries = format!("↻ {} retried", playback.tally().retries);
    let (at, label_width) = plan.retry_label();
    surface.text(
        &retries,
        at,
        Text::small(theme.text, false, "center"),
        label_width,
    );
}

/// Paints the restart track: a worker with a bug drains, crashes and is restarted.
fn paint_restart_track(surface: &Surface, plan: &Plan, playback: &Playback) {
    let tally = playback.tally();
    let theme = surface.theme;
    let Some(RestartTrack {
        y,
        stops,
        label_width,
    }) = plan.restart_track
    else {
        return;
    };
    surface.path(&plan.crash_path(), theme.line, 1.5);
    surface.line((stops[0], y), (stops[2], y), theme.line, 1.5);
    let has_slot = |state, least| {
        let mut slots = tally.worker_slots().iter();
        slots.any(|it| it.state == state && it.generation() > least)
    };
    let labels = [
        ("▽ drain".to_owned(), has_slot(WorkerState::Draining, 0)),
        (
            format!("✗ {} crashed", tally.crashes),
            has_slot(WorkerState::Dead, 0),
        ),
        if tally.has_given_up {
            (format!("✗ gave up after {}", tally.restarts), true)
        } else {
            let restarted = format!("↻ {} restarted", tally.restarts);
            (restarted, has_slot(WorkerState::Starting, 1))
        },
    ];
    for (x, (label, is_now)) in stops.into_iter().zip(labels) {
        if is_now {
            surface.dot((x, y), 6.0, theme.bad);
        }
        surface.ring((x, y), 6.0, if is_now { theme.bad } else { theme.line });
        let colour = if is_now { theme.bad } else { theme.muted };
        surface.text(
            &label,
            (x, y + 14.0),
            Text::small(colour, is_now, "center"),
            label_width,
        );
    }
}
