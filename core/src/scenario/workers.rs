//! The processes of a cluster, each at a position of its own, and on record.
//!
//! Who is to be started, drained or killed others decide: a
//! [`Supervisor`](crate::scale::Supervisor), mostly.

use super::Context;
use crate::{
    platform::{Exit, Platform, Process, ProcessEvent, Program},
    scale::WorkerId,
    trace::{NameId, RecordKind, Recorder},
};
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use std::{rc::Rc, time::Duration};

/// What a process changes to, in the trace.
pub(super) const STARTING: &str = "starting";
pub(super) const DRAINING: &str = "draining";
pub(super) const KILLED: &str = "killed";

/// How a process ends that nobody here killed: whoever found its id in the report
/// did.
pub(super) const KILLED_FROM_OUTSIDE: &str = "killed from outside";

/// How a process ends that panicked.
pub(super) const BUG_EXIT: &str = "a bug";

/// How a supervisor ends that has given up.
pub(super) const GIVEN_UP: &str = "too many restarts";

/// How a request ends, or an attempt at it, of whoever had it when it died.
pub(super) const LOST: &str = "lost";

/// The processes of a cluster.
///
/// In a reload two processes of a slot run at once, so a position is not a slot: a
/// process gets its slot's position if nobody is there, else the first that is free.
/// Who is gone leaves its position.
pub(super) struct Workers {
    platform: Platform,
    trace: Recorder,
    positions: Vec<Position>,
    sender: mpsc::UnboundedSender<(WorkerId, ProcessEvent)>,
    events: mpsc::UnboundedReceiver<(WorkerId, ProcessEvent)>,
}

struct Position {
    id: NameId,
    process: Option<WorkerProcess>,
}

/// Who is at a position.
struct WorkerProcess {
    member: WorkerId,
    process: Rc<Process>,
    state: ProcessState,
}

/// What a process does, as far as it is known here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessState {
    Starting,
    Ready,
    Draining,
    /// It is to be gone, because of that.
    Killed(&'static str),
}

impl Workers {
    /// So many positions, and nobody there.
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

    /// Starts a process, and tells it its settings. Answers its position.
    pub(super) fn start(
        &mut self,
        member: WorkerId,
        program: &'static Program,
        settings: &str,
    ) -> usize {
        let process = Rc::new(self.platform.start(program));
        process.send(settings);
        let position = self.free_position(member.slot);
        self.positions[position].process = Some(WorkerProcess {
            member,
            process: Rc::clone(&process),
            state: ProcessState::Starting,
        });
        self.record_state(position, STARTING);
        let sender = self.sender.clone();
        drop(self.platform.spawn(async move {
            loop {
                let event = process.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if sender.unbounded_send((member, event)).is_err() || is_last {
                    return;
                }
            }
        }));
        position
    }

    /// Waits for events, but not beyond `until`.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        let Some(at) = until else {
            return self.events.next().await;
        };
        let pause = at.saturating_sub(self.platform.now());
        match select(self.events.next(), self.platform.sleep(pause)).await {
            Either::Left((events, _)) => events,
            Either::Right(_) => None,
        }
    }

    /// The name of a position in the trace.
    pub(super) fn id(&self, position: usize) -> NameId {
        self.positions[position].id
    }

    /// Where a process is, unless it is gone.
    pub(super) fn position_of(&self, member: WorkerId) -> Option<usize> {
        let is_it = |position: &Position| {
            position
                .process
                .as_ref()
                .is_some_and(|it| it.member == member)
        };
        self.positions.iter().position(is_it)
    }

    /// Who is there.
    pub(super) fn member(&self, position: usize) -> Option<WorkerId> {
        self.positions[position]
            .process
            .as_ref()
            .map(|process| process.member)
    }

    /// What who is there does.
    pub(super) fn state(&self, position: usize) -> Option<ProcessState> {
        self.positions[position]
            .process
            .as_ref()
            .map(|process| process.state)
    }

    /// What all do that there are.
    pub(super) fn states(&self) -> impl Iterator<Item = ProcessState> + '_ {
        (0..self.positions.len()).filter_map(|position| self.state(position))
    }

    /// The positions of those that take work.
    pub(super) fn ready_positions(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.positions.len())
            .filter(|position| self.state(*position) == Some(ProcessState::Ready))
    }

    /// Whether nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        self.states().next().is_none()
    }

    pub(super) fn send(&self, position: usize, line: String) {
        if let Some(process) = &self.positions[position].process {
            process.process.send(line);
        }
    }

    /// It says that it takes work.
    pub(super) fn ready(&mut self, member: WorkerId) {
        let Some(position) = self.position_of(member) else {
            return;
        };
        if self.state(position) == Some(ProcessState::Starting) {
            self.set(position, ProcessState::Ready);
            let id = self.process_id(position);
            self.trace.instant(RecordKind::Start, self.id(position), id);
        }
    }

    /// Nothing more is sent to it, so that it can come to its end.
    pub(super) fn drain(&mut self, position: usize) {
        self.set(position, ProcessState::Draining);
        self.record_state(position, DRAINING);
        if let Some(process) = &self.positions[position].process {
            process.process.close();
        }
    }

    /// Ends it by force; `cause` is how it will have ended.
    pub(super) fn kill(&mut self, position: usize, cause: &'static str) {
        if self.state(position).is_some() {
            self.set(position, ProcessState::Killed(cause));
            self.record_state(position, KILLED);
            self.kill_from_outside(position);
        }
    }

    /// Ends it by force, as somebody else would: nobody here knows.
    pub(super) fn kill_from_outside(&self, position: usize) {
        if let Some(process) = &self.positions[position].process {
            process.process.kill();
        }
    }

    /// It has exited.
    pub(super) fn on_exit(&mut self, member: WorkerId, exit: &Exit) {
        let Some(position) = self.position_of(member) else {
            return;
        };
        let process = self.process_id(position);
        let state = self.state(position);
        let id = self.id(position);
        self.positions[position].process = None;
        let cause = match (exit, state) {
            (Exit::Finished, _) => return self.trace.instant(RecordKind::Exit, id, process),
            (Exit::Bug { .. }, _) => BUG_EXIT,
            (Exit::Killed, Some(ProcessState::Killed(cause))) => cause,
            (Exit::Killed, _) => KILLED_FROM_OUTSIDE,
            (Exit::Lost { reason }, _) => reason,
        };
        self.trace
            .instant_with_cause(RecordKind::Exit, id, process, cause);
    }

    fn add_position(&mut self) {
        let number = self.positions.len() + 1;
        let id = self.trace.name(&format!("Worker {number}"));
        self.positions.push(Position { id, process: None });
    }

    fn free_position(&mut self, slot: usize) -> usize {
        let is_free = |position: &usize| {
            self.positions
                .get(*position)
                .is_some_and(|it| it.process.is_none())
        };
        let free = (0..self.positions.len()).find(is_free);
        if let Some(position) = Some(slot).filter(is_free).or(free) {
            return position;
        }
        self.add_position();
        self.positions.len() - 1
    }

    fn set(&mut self, position: usize, state: ProcessState) {
        if let Some(process) = &mut self.positions[position].process {
            process.state = state;
        }
    }

    /// Puts on record what it changes to.
    fn record_state(&self, position: usize, state: &str) {
        let state = self.trace.name(state);
        let id = self.process_id(position);
        self.trace
            .send(RecordKind::Switch, self.id(position), state, id);
    }

    /// 0 if nobody is there.
    pub(super) fn process_id(&self, position: usize) -> u64 {
        let process = self.positions[position].process.as_ref();
        process.map_or(0, |process| process.process.id().into())
    }
}
