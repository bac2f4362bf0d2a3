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
use futures_util::FutureExt;
use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, Wake, Waker},
    time::Duration,
};

// A process's states in the trace.
pub(super) const STARTING: &str = "starting";
pub(super) const DRAINING: &str = "draining";
pub(super) const KILLED: &str = "killed";

/// The exit cause of a process killed from outside, for example by a user who found its
/// id in the report.
pub(super) const KILLED_FROM_OUTSIDE: &str = "killed from outside";

/// The exit cause of a process that panicked.
pub(super) const BUG_EXIT: &str = "a bug";

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
    readable: Arc<Readable>,
    /// The position of the last event, which may have more.
    last: Option<usize>,
}

/// The positions whose process may have an event, in the order of arrival.
#[derive(Default)]
struct Readable(Mutex<ReadableState>);

#[derive(Default)]
struct ReadableState {
    positions: VecDeque<usize>,
    /// The task that reads events. Kept after a wake-up.
    reader: Option<Waker>,
    is_reader_waiting: bool,
}

impl Readable {
    fn lock(&self) -> MutexGuard<'_, ReadableState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a position as readable when its process has an event.
struct PositionWaker {
    position: usize,
    readable: Arc<Readable>,
}

impl ReadableState {
    /// Wakes this task when a process has an event.
    fn wait(&mut self, reader: &Waker) {
        if !self.reader.as_ref().is_some_and(|it| it.will_wake(reader)) {
            self.reader = Some(reader.clone());
        }
        self.is_reader_waiting = true;
    }
}

impl Wake for PositionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.readable.lock();
        state.positions.push_back(self.position);
        if mem::take(&mut state.is_reader_waiting)
            && let Some(reader) = &state.reader
        {
            reader.wake_by_ref();
        }
    }
}

struct Position {
    name: NameId,
    worker: Option<Worker>,
    waker: Waker,
}

/// A worker process.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    /// The name of its position in the trace.
    pub(super) name: NameId,
    pub(super) state: ProcessState,
    /// Number of requests assigned to it, minus those that its user counted as
    /// completed.
    pub(super) in_flight: usize,
    /// Its place in the order in which workers got their latest request; 0 before the
    /// first.
    pub(super) last_turn: u64,
    process: Process,
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
        let mut workers = Workers {
            platform: context.platform.clone(),
            trace: context.trace.clone(),
            positions: Vec::new(),
            readable: Arc::default(),
            last: None,
        };
        for _position in 0..positions {
            workers.add_position();
        }
        workers
    }

    /// Starts a process and sends its settings as the first message.
    pub(super) fn start(&mut self, id: WorkerId, program: &'static Program, settings: &str) {
        let process = self.platform.start(program);
        process.send(settings);
        let position = self.free_position(id.slot);
        self.readable.lock().positions.push_back(position);
        self.positions[position].worker = Some(Worker {
            id,
            name: self.positions[position].name,
            state: ProcessState::Starting,
            in_flight: 0,
            last_turn: 0,
            process,
        });
        self.record_state(id, STARTING);
    }

    /// Waits for the next event of any process, at most until `until`.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        let pause = until.map(|at| at.saturating_sub(self.platform.now()));
        let mut pause = pause.map(|pause| self.platform.sleep(pause));
        let next = poll_fn(|context| {
            if let Poll::Ready(event) = self.poll_next(context) {
                return Poll::Ready(Some(event));
            }
            match &mut pause {
                Some(pause) => pause.poll_unpin(context).map(|()| None),
                None => Poll::Pending,
            }
        });
        next.await
    }

    fn poll_next(&mut self, context: &task::Context<'_>) -> Poll<(WorkerId, ProcessEvent)> {
        loop {
            let mut readable = self.readable.lock();
            if let Some(last) = self.last.take() {
                readable.positions.push_back(last);
            }
            let next = readable.positions.pop_front();
            let is_last = readable.positions.is_empty();
            if is_last {
                readable.wait(context.waker());
            }
            drop(readable);
            let Some(index) = next else {
                return Poll::Pending;
            };
            let position = &self.positions[index];
            let mut context = task::Context::from_waker(&position.waker);
            if let Some(worker) = &position.worker
                && let Poll::Ready(event) = worker.process.poll_next(&mut context)
            {
                self.last = Some(index);
                return Poll::Ready((worker.id, event));
            }
            if is_last {
                return Poll::Pending;
            }
        }
    }

    /// Returns all workers that have not exited, in the order of their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> + '_ {
        let positions = self.positions.iter();
        positions.filter_map(|position| position.worker.as_ref())
    }

    /// Returns the workers that accept requests.
    pub(super) fn iter_ready(&self) -> impl Iterator<Item = &Worker> + '_ {
        self.iter().filter(|worker| worker.is_ready())
    }

    /// Returns whether all workers have exited.
    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns a worker, unless it has exited.
    pub(super) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.iter().find(|worker| worker.id == id)
    }

    /// Returns a worker, unless it has exited.
    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        let positions = self.positions.iter_mut();
        let mut workers = positions.filter_map(|position| position.worker.as_mut());
        workers.find(|worker| worker.id == id)
    }

    /// Marks a starting worker as ready.
    pub(super) fn ready(&mut self, id: WorkerId) {
        if let Some(worker) = self.get_mut(id)
            && worker.state == ProcessState::Starting
        {
            worker.state = ProcessState::Ready;
            let (name, process) = (worker.name, worker.process_id());
            self.trace.instant(RecordKind::Start, name, process);
        }
    }

    /// Closes a worker's input, so that it finishes its work and exits.
    pub(super) fn drain(&mut self, id: WorkerId) {
        if let Some(worker) = self.get_mut(id) {
            worker.state = ProcessState::Draining;
            worker.process.close();
            self.record_state(id, DRAINING);
        }
    }

    /// Kills a worker. Its exit will be recorded with `cause`.
    pub(super) fn kill(&mut self, id: WorkerId, cause: &'static str) {
        if let Some(worker) = self.get_mut(id) {
            worker.state = ProcessState::Killed(cause);
            worker.kill_from_outside();
            self.record_state(id, KILLED);
        }
    }

    /// Records a worker's exit and frees its position.
    pub(super) fn on_exit(&mut self, id: WorkerId, exit: &Exit) {
        let mut positions = self.positions.iter_mut();
        let exited = positions.find_map(|it| it.worker.take_if(|worker| worker.id == id));
        let Some(worker) = exited else {
            return;
        };
        let (name, process) = (worker.name, worker.process_id());
        let cause = match (exit, worker.state) {
            (Exit::Finished, _) => None,
            (Exit::Bug { .. }, _) => Some(BUG_EXIT),
            (Exit::Killed, ProcessState::Killed(cause)) => Some(cause),
            (Exit::Killed, _) => Some(KILLED_FROM_OUTSIDE),
            (Exit::Lost { reason }, _) => Some(reason.as_str()),
        };
        match cause {
            None => self.trace.instant(RecordKind::Exit, name, process),
            Some(cause) => self
                .trace
                .instant_with_cause(RecordKind::Exit, name, process, cause),
        }
    }

    /// Records a worker's new state.
    pub(super) fn record_state(&self, id: WorkerId, state: &str) {
        if let Some(worker) = self.get(id) {
            let state = self.trace.name(state);
            let process = worker.process_id();
            self.trace
                .send(RecordKind::Switch, worker.name, state, process);
        }
    }

    fn add_position(&mut self) {
        let position = self.positions.len();
        let name = self.trace.name(&format!("Worker {}", position + 1));
        let readable = Arc::clone(&self.readable);
        self.positions.push(Position {
            name,
            worker: None,
            waker: Waker::from(Arc::new(PositionWaker { position, readable })),
        });
    }

    fn free_position(&mut self, slot: usize) -> usize {
        let is_free = |position: &Position| position.worker.is_none();
        if self.positions.get(slot).is_some_and(is_free) {
            return slot;
        }
        let free = self.positions.iter().position(is_free);
        free.unwrap_or_else(|| {
            self.add_position();
            self.positions.len() - 1
        })
    }
}

impl Worker {
    /// Returns whether it accepts requests.
    pub(super) fn is_ready(&self) -> bool {
        self.state == ProcessState::Ready
    }

    pub(super) fn send(&self, line: impl Into<String>) {
        self.process.send(line);
    }

    /// Kills it without recording it, as an external kill would.
    pub(super) fn kill_from_outside(&self) {
        self.process.kill();
    }

    fn process_id(&self) -> u64 {
        self.process.id().into()
    }
}
