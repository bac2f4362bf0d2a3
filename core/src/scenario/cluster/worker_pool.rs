//! The workers, their supervisor and their load balancing.

use super::{
    HANGING, NO_HEARTBEAT, NOT_DRAINED, NOT_READY, RELOAD_ABORTED, RELOADED, RELOADING, STOPPED,
    SUPERVISOR, WORKER,
    balance::LoadBalancer,
    worker::{self, HANG},
};
use crate::{
    platform::{Exit, Platform, ProcessEvent},
    scale::{Action, Supervisor, SupervisorOptions, WorkerId},
    scenario::{
        Context, Values,
        workers::{GIVEN_UP, ProcessState, Workers},
    },
    trace::{NameId, RecordKind, Recorder},
};
use std::time::Duration;

/// The period over which restarts are counted.
const RESTART_PERIOD: Duration = Duration::from_mins(1);

pub(super) struct WorkerPool {
    platform: Platform,
    trace: Recorder,
    params: Values,
    supervisor: Supervisor,
    id: NameId,
    workers: Workers,
    balance: LoadBalancer,
    /// `true` once new workers crash on start.
    is_broken: bool,
    /// `true` while all workers stop. New ones start after the last exit.
    is_stopping_all: bool,
    /// `true` while new workers start. The reload completes when all are ready.
    is_restarting_all: bool,
    hanging: Option<WorkerId>,
}

impl WorkerPool {
    pub(super) fn start(context: &Context) -> Self {
        let params = &context.params;
        let trace = context.trace.clone();
        let number = |key| usize::try_from(params.integer(key)).unwrap_or(0);
        let options = SupervisorOptions::new()
            .intensity(number("restarts"), RESTART_PERIOD)
            .stable_after(Duration::MAX)
            .backoff(Duration::from_millis(50), Duration::from_millis(400))
            .heartbeat_within(params.millis("heartbeat"))
            .seed(context.seed.0);
        let id = trace.name(SUPERVISOR);
        trace.instant(RecordKind::Start, id, 0);
        WorkerPool {
            platform: context.platform.clone(),
            params: params.clone(),
            supervisor: Supervisor::new(number("workers"), options, context.platform.now()),
            id,
            workers: Workers::new(context, number("workers")),
            balance: LoadBalancer::new(params.choice("balance") == "least_busy"),
            is_broken: false,
            is_stopping_all: false,
            is_restarting_all: false,
            hanging: None,
            trace,
        }
    }

    /// Picks a worker for the next request. Returns its id and its name in the trace,
    /// or `None` if no worker is ready.
    pub(super) fn pick(&mut self) -> Option<(WorkerId, NameId)> {
        let position = self.balance.pick(self.workers.ready_positions())?;
        Some((self.workers.id(position)?, self.workers.name(position)))
    }

    pub(super) fn send(&self, worker: WorkerId, line: String) {
        if let Some(position) = self.workers.position_of(worker) {
            self.workers.send(position, line);
        }
    }

    /// Returns a worker's name in the trace, unless the worker has exited.
    pub(super) fn name(&self, worker: WorkerId) -> Option<NameId> {
        let position = self.workers.position_of(worker)?;
        Some(self.workers.name(position))
    }

    /// Returns whether a request may wait for a worker to become ready.
    pub(super) fn expects_workers(&self) -> bool {
        !self.supervisor.has_escalated() && !self.is_stopping_all && !self.is_restarting_all
    }

    /// Returns whether waiting requests must keep waiting for a worker.
    pub(super) fn keeps_waiting(&self) -> bool {
        self.expects_workers() && self.workers.ready_positions().next().is_none()
    }

    /// Returns whether no worker is about to change state.
    pub(super) fn is_settled(&self) -> bool {
        if self.supervisor.has_escalated() {
            return self.workers.is_empty();
        }
        let is_changing = self.supervisor.is_reloading() || self.is_stopping_all;
        let all_ready = self
            .workers
            .states()
            .all(|state| state == ProcessState::Ready);
        let ready = self.workers.ready_positions().count();
        let expected = self.supervisor.slots();
        !is_changing && self.hanging.is_none() && all_ready && ready == expected
    }

    /// Executes the supervisor's actions and waits for the next event, at most until
    /// `until` or the supervisor's next deadline.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        self.execute_actions();
        let deadline = self.supervisor.next_deadline();
        let event = self
            .workers
            .next(until.into_iter().chain(deadline).min())
            .await;
        if let Some((worker, ProcessEvent::Message(_))) = &event {
            // Any message proves that the worker is alive.
            let now = self.platform.now();
            self.supervisor.heartbeat(*worker, now);
        }
        self.supervisor.tick(self.platform.now());
        self.execute_actions();
        event
    }

    pub(super) fn on_ready(&mut self, worker: WorkerId) {
        self.workers.ready(worker);
        let now = self.platform.now();
        self.supervisor.ready(worker, now);
        self.execute_actions();
        if self.is_restarting_all
            && self.workers.ready_positions().count() == self.supervisor.slots()
        {
            self.is_restarting_all = false;
            self.record_state(RELOADED);
        }
    }

    pub(super) fn record_heartbeat(&self, worker: WorkerId) {
        if let Some(position) = self.workers.position_of(worker) {
            self.trace
                .instant(RecordKind::Beat, self.workers.name(position), 0);
        }
    }

    /// Counts a completed request.
    pub(super) fn on_completed(&mut self, worker: WorkerId) {
        if let Some(position) = self.workers.position_of(worker) {
            self.balance.on_completed(position);
        }
    }

    pub(super) fn on_exit(&mut self, worker: WorkerId, exit: &Exit) {
        self.workers.on_exit(worker, exit);
        if self.hanging == Some(worker) {
            self.hanging = None;
        }
        let now = self.platform.now();
        self.supervisor.exited(worker, now);
        self.execute_actions();
        if self.is_stopping_all && self.workers.is_empty() {
            self.is_stopping_all = false;
            self.is_restarting_all = true;
            self.supervisor.scale_to(self.workers(), now);
            self.execute_actions();
        }
    }

    /// Triggers the event set by the parameter `event`.
    pub(super) fn inject_fault(&mut self) {
        let event = self.params.choice("event");
        self.is_broken = matches!(event, "crash_loop" | "bad_reload");
        let busiest = self.balance.busiest(self.workers.ready_positions());
        match (event, busiest) {
            ("kill" | "crash_loop", Some(position)) => self.workers.kill_from_outside(position),
            ("hang", Some(position)) => {
                self.hanging = self.workers.id(position);
                self.workers.record_state(position, HANGING);
                self.workers.send(position, HANG.to_owned());
            }
            ("reload" | "bad_reload", _) => self.reload(),
            _ => {}
        }
    }

    /// Drains all workers and waits for their exits.
    pub(super) async fn close(mut self) {
        self.supervisor.shutdown(self.platform.now());
        while !self.workers.is_empty() {
            if let Some((worker, ProcessEvent::Exited(exit))) = self.next(None).await {
                self.on_exit(worker, &exit);
            }
        }
    }

    fn reload(&mut self) {
        let now = self.platform.now();
        self.record_state(RELOADING);
        if self.params.choice("restart") == "rolling" {
            self.supervisor.reload(now);
        } else {
            self.is_stopping_all = true;
            self.supervisor.scale_to(0, now);
        }
        self.execute_actions();
    }

    fn execute_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(worker) => self.spawn(worker),
                Action::Drain(worker) => {
                    let Some(position) = self.workers.position_of(worker) else {
                        continue;
                    };
                    if self.is_stopping_all {
                        self.workers.kill(position, STOPPED);
                    } else {
                        self.workers.drain(position);
                    }
                }
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
        let work = match self.params.integer("users") {
            0 => self.params.millis("work"),
            _ => Duration::from_micros(self.params.integer("service")),
        };
        let startup = self.params.integer("startup");
        let settings = worker::settings(work, startup, self.is_broken);
        let position = self.workers.start(worker, &WORKER, &settings);
        self.balance.reset(position);
    }

    fn kill(&mut self, worker: WorkerId) {
        let Some(position) = self.workers.position_of(worker) else {
            return;
        };
        let cause = match self.workers.state(position) {
            Some(ProcessState::Starting) => NOT_READY,
            Some(ProcessState::Draining) => NOT_DRAINED,
            _ => NO_HEARTBEAT,
        };
        self.workers.kill(position, cause);
    }

    fn workers(&self) -> usize {
        usize::try_from(self.params.integer("workers")).unwrap_or(0)
    }

    /// Records the supervisor's new state.
    fn record_state(&self, state: &str) {
        let state = self.trace.name(state);
        self.trace.send(RecordKind::Switch, self.id, state, 0);
    }
}
