//! The worker processes of a cluster, recorded in the trace.
//!
//! This module starts, drains and kills processes on request. A
//! [`Supervisor`](crate::scale::Supervisor) usually decides when.

use super::Context;
use crate::{
    platform::{Exit, Platform, Process, ProcessEvent, Program},
    scale::WorkerId,
    trace::{NameId, RecordKind, Recorder},
};
use futures_channel::mpsc;
use futures_util::{
    StreamExt,
    future::{Either, select},
};
use std::{rc::Rc, time::Duration};

// A process's states in the trace.
pub(super) const STARTING: &str = "starting";
pub(super) const DRAINING: &str = "draining";
pub(super) const KILLED: &str = "killed";

/// The exit cause of a process killed from outside, for example by a user who found its
/// id in the report.
pub(super) const KILLED_FROM_OUTSIDE: &str = "killed from outside";

/// The exit cause of a process that panicked.
pub(super) const BUG_EXIT: &str = "a bug";

/// The exit cause of a supervisor that gives up.
pub(super) const GIVEN_UP: &str = "too many restarts";

/// The failure of a request or attempt that was in flight on a worker when the worker
/// exited.
pub(super) const LOST: &str = "lost";

/// The processes of a cluster.
///
/// Each process runs at a position, which has a trace name such as `Worker 1`.
/// Positions are not slots, because during a reload two processes of one slot run at
/// the same time. A process takes its slot's position if that is free, otherwise the
/// first free position. An exit frees the position.
pub(super) struct Workers {
    platform: Platform,
    trace: Recorder,
    positions: Vec<Position>,
    sender: mpsc::UnboundedSender<(WorkerId, ProcessEvent)>,
    events: mpsc::UnboundedReceiver<(WorkerId, ProcessEvent)>,
}

struct Position {
    name: NameId,
    worker: Option<WorkerProcess>,
}

/// The process at a position.
struct WorkerProcess {
    id: WorkerId,
    process: Rc<Process>,
    state: ProcessState,
}

/// The last known state of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessState {
    Starting,
    Ready,
    Draining,
    /// Killed for this reason; the exit has not been reported yet.
    Killed(&'static str),
}

impl Workers {
    /// Creates `positions` free positions.
    pub(super) fn new(context: &Context, positions: usize) -> Self {
        let (sender, events) = mpsc::unbounded();
        let mut workers = Workers {
            platform: context.platform.clone(),
            trace: context.trace.clone(),
            positions: Vec::new(),
            sender,
            events,
        };
        for _position in 0..positions {
            workers.add_position();
        }
        workers
    }

    /// Starts a process and sends its settings as the first message. Returns its
    /// position.
    pub(super) fn start(
        &mut self,
        id: WorkerId,
        program: &'static Program,
        settings: &str,
    ) -> usize {
        let process = Rc::new(self.platform.start(program));
        process.send(settings);
        let position = self.free_position(id.slot);
        self.positions[position].worker = Some(WorkerProcess {
            id,
            process: Rc::clone(&process),
            state: ProcessState::Starting,
        });
        self.record_state(position, STARTING);
        let sender = self.sender.clone();
        drop(self.platform.spawn(async move {
            loop {
                let event = process.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if sender.unbounded_send((id, event)).is_err() || is_last {
                    return;
                }
            }
        }));
        position
    }

    /// Waits for the next event of any process, at most until `until`.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        let Some(at) = until else {
            return self.events.next().await;
        };
        let pause = at.saturating_sub(self.platform.now());
        match select(self.events.next(), self.platform.sleep(pause)).await {
            Either::Left((event, _)) => event,
            Either::Right(_) => None,
        }
    }

    /// Returns a position's name in the trace.
    pub(super) fn name(&self, position: usize) -> NameId {
        self.positions[position].name
    }

    /// Returns a worker's position, unless the worker has exited.
    pub(super) fn position_of(&self, id: WorkerId) -> Option<usize> {
        (0..self.positions.len()).find(|position| self.id(*position) == Some(id))
    }

    /// Returns the id of the worker at a position.
    pub(super) fn id(&self, position: usize) -> Option<WorkerId> {
        self.worker(position).map(|worker| worker.id)
    }

    /// Returns the state of the worker at a position.
    pub(super) fn state(&self, position: usize) -> Option<ProcessState> {
        self.worker(position).map(|worker| worker.state)
    }

    /// Returns the states of all workers.
    pub(super) fn states(&self) -> impl Iterator<Item = ProcessState> + '_ {
        (0..self.positions.len()).filter_map(|position| self.state(position))
    }

    /// Returns the positions of the workers that are ready for requests.
    pub(super) fn ready_positions(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.positions.len())
            .filter(|position| self.state(*position) == Some(ProcessState::Ready))
    }

    /// Returns whether all workers have exited.
    pub(super) fn is_empty(&self) -> bool {
        self.states().next().is_none()
    }

    pub(super) fn send(&self, position: usize, line: String) {
        if let Some(worker) = self.worker(position) {
            worker.process.send(line);
        }
    }

    /// Marks a starting worker as ready.
    pub(super) fn ready(&mut self, id: WorkerId) {
        let Some(position) = self.position_of(id) else {
            return;
        };
        if self.state(position) == Some(ProcessState::Starting) {
            self.set_state(position, ProcessState::Ready);
            let process_id = self.process_id(position);
            self.trace
                .instant(RecordKind::Start, self.name(position), process_id);
        }
    }

    /// Closes a worker's input, so that it finishes its work and exits.
    pub(super) fn drain(&mut self, position: usize) {
        self.set_state(position, ProcessState::Draining);
        self.record_state(position, DRAINING);
        if let Some(worker) = self.worker(position) {
            worker.process.close();
        }
    }

    /// Kills a worker. Its exit will be recorded with `cause`.
    pub(super) fn kill(&mut self, position: usize, cause: &'static str) {
        if self.state(position).is_some() {
            self.set_state(position, ProcessState::Killed(cause));
            self.record_state(position, KILLED);
            self.kill_from_outside(position);
        }
    }

    /// Kills a worker without recording it, as an external kill would.
    pub(super) fn kill_from_outside(&self, position: usize) {
        if let Some(worker) = self.worker(position) {
            worker.process.kill();
        }
    }

    /// Records a worker's exit and frees its position.
    pub(super) fn on_exit(&mut self, id: WorkerId, exit: &Exit) {
        let Some(position) = self.position_of(id) else {
            return;
        };
        let process_id = self.process_id(position);
        let state = self.state(position);
        let name = self.name(position);
        self.positions[position].worker = None;
        let cause = match (exit, state) {
            (Exit::Finished, _) => return self.trace.instant(RecordKind::Exit, name, process_id),
            (Exit::Bug { .. }, _) => BUG_EXIT,
            (Exit::Killed, Some(ProcessState::Killed(cause))) => cause,
            (Exit::Killed, _) => KILLED_FROM_OUTSIDE,
            (Exit::Lost { reason }, _) => reason,
        };
        self.trace
            .instant_with_cause(RecordKind::Exit, name, process_id, cause);
    }

    /// Returns the process id at a position, or 0 if it is free.
    pub(super) fn process_id(&self, position: usize) -> u64 {
        let worker = self.worker(position);
        worker.map_or(0, |worker| worker.process.id().into())
    }

    /// Records a worker's new state.
    pub(super) fn record_state(&self, position: usize, state: &str) {
        let state = self.trace.name(state);
        let process_id = self.process_id(position);
        self.trace
            .send(RecordKind::Switch, self.name(position), state, process_id);
    }

    fn worker(&self, position: usize) -> Option<&WorkerProcess> {
        self.positions[position].worker.as_ref()
    }

    fn add_position(&mut self) {
        let number = self.positions.len() + 1;
        let name = self.trace.name(&format!("Worker {number}"));
        self.positions.push(Position { name, worker: None });
    }

    fn free_position(&mut self, slot: usize) -> usize {
        let is_free =
            |position: &usize| *position < self.positions.len() && self.worker(*position).is_none();
        let free = (0..self.positions.len()).find(is_free);
        if let Some(position) = Some(slot).filter(is_free).or(free) {
            return position;
        }
        self.add_position();
        self.positions.len() - 1
    }

    fn set_state(&mut self, position: usize, state: ProcessState) {
        if let Some(worker) = &mut self.positions[position].worker {
            worker.state = state;
        }
    }
}
