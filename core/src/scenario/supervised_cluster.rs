//! A cluster of worker processes that a supervisor keeps running.
//!
//! It carries out the supervisor's actions, and assigns requests, identified by number,
//! to the workers.

use super::{
    Context,
    workers::{ProcessState, Worker, Workers},
};
use crate::{
    platform::{Platform, ProcessEvent, Program},
    scale::{Action, Escalation, Supervisor, SupervisorOptions, WorkerId},
    trace::{NameId, RecordKind, Recorder},
};
use std::{collections::VecDeque, time::Duration};

/// The supervisor's name in the trace.
pub(super) const SUPERVISOR: &str = "Supervisor";

// States of the supervisor in the trace.
pub(super) const RELOADED: &str = "reloaded";
pub(super) const RELOAD_ABORTED: &str = "reload aborted";

/// The exit cause of a supervisor that gives up.
const GIVEN_UP: &str = "too many restarts";

// Reasons to kill a worker.
pub(super) const NO_HEARTBEAT: &str = "no heartbeat";
const NOT_READY: &str = "not ready in time";
pub(super) const NOT_DRAINED: &str = "not drained in time";

/// Ranks a ready worker for the next request, given the slot after the one that got
/// the previous request. The lowest rank gets it, the first of equals. `None` if the
/// worker cannot take another request now.
pub(super) type Balancing = fn(worker: &Worker, next_slot: usize) -> Option<(usize, u64)>;

/// The properties of a cluster that differ between scenarios.
pub(super) struct ClusterOptions {
    /// The program of each worker.
    pub(super) program: &'static Program,
    /// Returns the first message to a new worker.
    pub(super) settings: Box<dyn Fn() -> String>,
    pub(super) balancing: Balancing,
    /// The number of requests that may wait: those that no worker has, and those that
    /// a worker has not started. Further requests are rejected.
    pub(super) queue: usize,
    /// The restart rules, or `None` if workers are not replaced.
    pub(super) supervision: Option<SupervisorOptions>,
    /// `Some` if workers are killed, with this cause, even where they should drain.
    pub(super) kill_cause: Option<&'static str>,
}

/// The workers, their supervisor, and the requests that wait for a worker.
///
/// The parameter `workers` sets the number of slots.
pub(super) struct SupervisedCluster {
    platform: Platform,
    trace: Recorder,
    id: NameId,
    pub(super) options: ClusterOptions,
    supervisor: Supervisor,
    replaces_workers: bool,
    pub(super) workers: Workers,
    /// `false` to reject requests while no worker is ready.
    pub(super) queues_requests: bool,
    /// The requests that wait for a worker.
    waiting: VecDeque<u64>,
    next_slot: usize,
    turn: u64,
}

/// The result of assigning a request.
pub(super) enum Assignment {
    /// Send it to this worker, which has this name in the trace.
    Worker(WorkerId, NameId),
    /// It waits for a worker.
    Waiting,
    /// No worker can take it, and it may not wait.
    Rejected,
}

/// An event of a cluster.
pub(super) enum ClusterEvent {
    /// A worker sent a message.
    Message {
        worker: WorkerId,
        name: NameId,
        line: String,
    },
    /// A worker exited. The requests in flight on it are lost.
    Exited(WorkerId),
}

/// Returns restart rules that allow the parameter `restarts` per worker within
/// `period`.
pub(super) fn supervision(context: &Context, period: Duration) -> SupervisorOptions {
    let restarts = usize::try_from(context.params.integer("restarts")).unwrap_or(0);
    SupervisorOptions::new()
        .intensity(restarts, period)
        .stable_after(Duration::MAX)
        .backoff(Duration::from_millis(50), Duration::from_millis(400))
        .seed(context.seed.0)
}

impl SupervisedCluster {
    pub(super) fn start(context: &Context, options: ClusterOptions) -> Self {
        let slots = usize::try_from(context.params.integer("workers")).unwrap_or(1);
        let trace = context.trace.clone();
        let id = trace.name(SUPERVISOR);
        let replaces_workers = options.supervision.is_some();
        if replaces_workers {
            trace.instant(RecordKind::Start, id, 0);
        }
        // Without restart rules, exits are not reported to the supervisor.
        let supervision = options.supervision.unwrap_or_else(|| {
            SupervisorOptions::new()
                .escalation(Escalation::Never)
                .ready_within(Duration::MAX)
        });
        let mut cluster = SupervisedCluster {
            platform: context.platform.clone(),
            trace,
            id,
            supervisor: Supervisor::new(slots, supervision, context.platform.now()),
            replaces_workers,
            options,
            workers: Workers::new(context, slots),
            queues_requests: true,
            waiting: VecDeque::new(),
            next_slot: 0,
            turn: 0,
        };
        if !cluster.replaces_workers {
            cluster.execute_actions();
        }
        cluster
    }

    /// Waits for the next event, at most until `until` or the supervisor's next
    /// deadline.
    pub(super) async fn next(&mut self, until: Option<Duration>) -> Option<ClusterEvent> {
        self.execute_actions();
        let until = match (until, self.supervisor.next_deadline()) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (until, deadline) => until.or(deadline),
        };
        let event = self.workers.next(until).await;
        self.report(|supervisor, now| {
            if let Some((worker, ProcessEvent::Message(_))) = &event {
                // Any message proves that the worker is alive.
                supervisor.heartbeat(*worker, now);
            }
            supervisor.tick(now);
        });
        let (worker, event) = event?;
        match event {
            ProcessEvent::Ready => {
                self.workers.ready(worker);
                self.report(|supervisor, now| supervisor.ready(worker, now));
                None
            }
            ProcessEvent::Message(line) => {
                let name = self.workers.get(worker)?.name;
                Some(ClusterEvent::Message { worker, name, line })
            }
            ProcessEvent::Exited(exit) => {
                self.workers.on_exit(worker, &exit);
                if self.replaces_workers {
                    self.report(|supervisor, now| supervisor.exited(worker, now));
                }
                Some(ClusterEvent::Exited(worker))
            }
        }
    }

    /// Assigns a request to the ready worker with the lowest rank. If none can take it,
    /// the request waits. It is rejected if too many wait or no worker can become
    /// ready.
    pub(super) fn assign(&mut self, number: u64) -> Assignment {
        let has_room = self.waiting_count() < self.options.queue;
        let chosen = self.choose();
        let Some(worker) = chosen.and_then(|worker| self.workers.get_mut(worker)) else {
            if !has_room || !self.may_wait() {
                return Assignment::Rejected;
            }
            self.waiting.push_back(number);
            return Assignment::Waiting;
        };
        if !has_room && worker.in_flight > 0 {
            return Assignment::Rejected;
        }
        self.turn += 1;
        self.next_slot = worker.id.slot + 1;
        worker.last_turn = self.turn;
        worker.in_flight += 1;
        Assignment::Worker(worker.id, worker.name)
    }

    /// Takes the first waiting request, unless it must keep waiting.
    pub(super) fn take_waiting(&mut self) -> Option<u64> {
        if self.waiting.is_empty() || self.choose().is_none() && self.may_wait() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Returns the ready worker with the lowest rank.
    fn choose(&self) -> Option<WorkerId> {
        let mut best = None;
        for worker in self.workers.iter_ready() {
            if let Some(rank) = (self.options.balancing)(worker, self.next_slot)
                && best.is_none_or(|(lowest, _)| rank < lowest)
            {
                best = Some((rank, worker.id));
            }
        }
        best.map(|(_, worker)| worker)
    }

    /// Counts the requests that no worker has started. A worker handles one at a time.
    fn waiting_count(&self) -> usize {
        let workers = self.workers.iter();
        let at_workers = workers.map(|worker| worker.in_flight.saturating_sub(1));
        self.waiting.len() + at_workers.sum::<usize>()
    }

    pub(super) fn send(&self, worker: WorkerId, line: String) {
        if let Some(worker) = self.workers.get(worker) {
            worker.send(line);
        }
    }

    /// Returns whether no worker is about to change state.
    pub(super) fn is_settled(&self) -> bool {
        let is_complete = || self.workers.iter().count() == self.supervisor.slots();
        let are_all_ready = self.workers.iter().all(Worker::is_ready);
        are_all_ready
            && (!self.expects_replacements() || is_complete())
            && !self.supervisor.is_reloading()
    }

    /// Drains all workers and waits for their exits.
    pub(super) async fn close(mut self) {
        self.options.kill_cause = None;
        self.report(Supervisor::shutdown);
        while !self.workers.is_empty() {
            self.next(None).await;
        }
    }

    /// Reports to the supervisor and carries out its actions.
    pub(super) fn report(&mut self, report: impl FnOnce(&mut Supervisor, Duration)) {
        report(&mut self.supervisor, self.platform.now());
        self.execute_actions();
    }

    /// Records the supervisor's new state.
    pub(super) fn record_state(&self, state: &str) {
        let state = self.trace.name(state);
        self.trace.send(RecordKind::Switch, self.id, state, 0);
    }

    fn execute_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(worker) => self.spawn(worker),
                Action::Drain(worker) => match self.options.kill_cause {
                    Some(cause) => self.workers.kill(worker, cause),
                    None => self.workers.drain(worker),
                },
                Action::Kill(worker) => self.kill(worker),
                Action::Escalate => {
                    self.trace
                        .instant_with_cause(RecordKind::Exit, self.id, 0, GIVEN_UP);
                }
                Action::Reloaded => self.record_state(RELOADED),
                Action::ReloadAborted(_) => self.record_state(RELOAD_ABORTED),
            }
        }
    }

    fn spawn(&mut self, worker: WorkerId) {
        let settings = (self.options.settings)();
        self.workers.start(worker, self.options.program, &settings);
    }

    fn kill(&mut self, id: WorkerId) {
        let state = self.workers.get(id).map(|worker| worker.state);
        let cause = match (self.options.kill_cause, state) {
            (Some(cause), _) => cause,
            (None, Some(ProcessState::Starting)) => NOT_READY,
            (None, Some(ProcessState::Draining)) => NOT_DRAINED,
            (None, _) => NO_HEARTBEAT,
        };
        self.workers.kill(id, cause);
    }

    /// Returns whether a worker is ready, or requests may wait until one is.
    fn may_wait(&self) -> bool {
        let is_starting = |worker: &Worker| worker.state == ProcessState::Starting;
        let expects_workers = || self.workers.iter().any(is_starting);
        self.workers.iter_ready().next().is_some()
            || self.queues_requests && (self.expects_replacements() || expects_workers())
    }

    fn expects_replacements(&self) -> bool {
        self.replaces_workers && !self.supervisor.has_escalated()
    }
}
