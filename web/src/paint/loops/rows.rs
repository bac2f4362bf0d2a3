//! The lanes of the picture and their positions.

use crate::{
    paint::{Surface, axis::lanes_left},
    playback::Playback,
};
use highwater::{
    scenario::{WorkerSlot, WorkerState},
    trace::{Event, NameId, Phase, RecordKind},
};

/// Minimum number of lanes to reserve space for, so that new lanes do not move the
/// others.
const MIN_ROWS: f64 = 4.0;

/// The kind of lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Requests, from their arrival.
    Requests,
    /// State changes of a supervisor.
    Supervisor,
    /// The heartbeat of a loop.
    Heartbeat,
    /// Measurement rounds, one after the other.
    Rounds,
    /// A loop or a thread.
    Cpu,
    /// A worker slot.
    Worker,
}

impl Role {
    /// Returns the height of the lane, relative to a full one.
    fn relative_height(self) -> f64 {
        match self {
            Role::Supervisor | Role::Rounds => 0.5,
            _ => 1.0,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: NameId,
    pub(super) role: Role,
    /// Thread id; 0 is the loop.
    thread: u32,
    pub(super) top: f64,
    pub(super) height: f64,
}

pub(super) struct Rows {
    pub(super) all: Vec<Row>,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Rows {
    pub(super) fn new(surface: &Surface, playback: &Playback) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for event in playback.played() {
            let Some(role) = role(playback, event) else {
                continue;
            };
            let is_same_lane =
                |row: &Row| row.role == role && (row.id == event.source || role == Role::Rounds);
            if rows.iter().any(is_same_lane) {
                continue;
            }
            let thread = if role == Role::Cpu { event.thread } else { 0 };
            let row = Row {
                id: event.source,
                role,
                thread,
                top: 0.0,
                height: 0.0,
            };
            let rank = |row: &Row| (row.role as u8, row.thread);
            let index = rows.iter().position(|other| rank(other) > rank(&row));
            rows.insert(index.unwrap_or(rows.len()), row);
        }
        let top = 6.0;
        let bottom = surface.height - 20.0;
        let total: f64 = rows.iter().map(|row| row.role.relative_height()).sum();
        let height = (bottom - top) / total.max(MIN_ROWS);
        let mut next = top;
        for row in &mut rows {
            row.top = next;
            row.height = height * row.role.relative_height();
            next += row.height;
        }
        Rows {
            bottom: next,
            all: rows,
            left: lanes_left(surface),
            top,
        }
    }
}

/// Returns the number of lanes of this height that share a label.
pub(super) fn rows_per_label(height: f64) -> usize {
    let mut lanes = 1;
    while height * (lanes as f64) < 12.0 && lanes < 12 {
        lanes += 1;
    }
    lanes
}

/// Returns the role of the lane that shows a record, if there is one.
fn role(playback: &Playback, event: &Event) -> Option<Role> {
    match event.kind {
        RecordKind::Request => Some(Role::Requests),
        RecordKind::Beat if event.phase == Phase::End => Some(Role::Heartbeat),
        RecordKind::Compute => Some(Role::Cpu),
        RecordKind::Switch if event.subject > 0 => Some(Role::Worker),
        RecordKind::Start if event.subject == 0 => match playback.trace().name(event.source) {
            "Supervisor" => Some(Role::Supervisor),
            "Loop" => Some(Role::Cpu),
            "Front" | "Requests" => Some(Role::Requests),
            "Heartbeat" => Some(Role::Heartbeat),
            _ => None,
        },
        RecordKind::Handle if playback.trace().scenario == "threads" => Some(Role::Rounds),
        _ => None,
    }
}

/// Returns the second line of a lane's label, and its colour.
pub(super) fn detail(row: &Row, playback: &Playback, surface: &Surface) -> (String, &'static str) {
    let theme = surface.theme;
    let counters = playback.summary().counters(row.id);
    let text = match row.role {
        Role::Requests => format!("{} waiting", counters.in_flight()),
        Role::Cpu => format!("{} done", counters.succeeded),
        Role::Worker => {
            let slot = playback.worker_slot(row.id);
            return slot.map_or((String::new(), theme.muted), |it| {
                state(it, counters.succeeded, surface)
            });
        }
        Role::Heartbeat | Role::Rounds | Role::Supervisor => String::new(),
    };
    (text, theme.muted)
}

/// Describes the state of a process by a sign, a word and a colour. After a normal exit,
/// it shows the work done.
fn state(slot: &WorkerSlot, done: u64, surface: &Surface) -> (String, &'static str) {
    let theme = surface.theme;
    let (sign, colour) = match slot.state {
        WorkerState::Starting => ("○", theme.muted),
        WorkerState::Ready => ("●", theme.good),
        WorkerState::Draining => ("▽", theme.accent),
        WorkerState::Killed | WorkerState::Dead => ("✗", theme.bad),
        WorkerState::Ended => ("–", theme.muted),
    };
    let (word, number) = match slot.state {
        WorkerState::Ended => ("handled", done),
        state => (state.as_str(), slot.process()),
    };
    (format!("{sign} {word} {number}"), colour)
}
