//! The worker processes and their supervisor.

use super::{SUPERVISOR, WORKER, worker};
use crate::{
    platform::{Exit, Platform, ProcessEvent},
    scale::{Action, Supervisor, SupervisorOptions, WorkerId},
    scenario::{
        Context,
        workers::{GIVEN_UP, KILLED, ProcessState, Workers},
    },
    trace::{NameId, RecordKind, Recorder},
};
use std::time::Duration;

/// The period over which restarts are counted.
pub(super) const RESTART_PERIOD: Duration = Duration::from_secs(10);

/// The workers of a run. A slot never has two processes at the same time, so slots are
/// positions in [`Workers`].
pub(super) struct Cluster {
    platform: Platform,
    trace: Recorder,
    /// `None` with the policy `crash`.
    supervisor: Option<Supervisor>,
    id: NameId,
    has_given_up: bool,
    workers: Workers,
    slots: usize,
    settings: String,
    /// The slot to try first for the next request.
    next_slot: usize,
}

impl Cluster {
    pub(super) fn start(context: &Context) -> Self {
        let params = &context.params;
        let trace = context.trace.clone();
        let slots = usize::try_from(params.integer("workers")).unwrap_or(1);
        let restarts = usize::try_from(params.integer("restarts")).unwrap_or(0);
        let id = trace.name(SUPERVISOR);
        let policy = params.choice("policy");
        let supervisor = (policy != "crash").then(|| {
            trace.instant(RecordKind::Start, id, 0);
            let options = SupervisorOptions::new()
                .intensity(restarts, RESTART_PERIOD)
                .stable_after(Duration::MAX)
                .backoff(Duration::from_millis(50), Duration::from_millis(400))
                .seed(context.seed.0);
            Supervisor::new(slots, options, context.platform.now())
        });
        let mut cluster = Cluster {
            platform: context.platform.clone(),
            supervisor,
            id,
            has_given_up: false,
            workers: Workers::new(context, slots),
            slots,
            settings: worker::settings(policy, params.millis("latency")),
            next_slot: 0,
            trace,
        };
        if cluster.supervisor.is_none() {
            for slot in 0..slots {
                cluster.spawn(WorkerId::new(slot, 1));
            }
        }
        cluster
    }

    /// Returns a worker's name in the trace.
    pub(super) fn name(&self, slot: usize) -> NameId {
        self.workers.name(slot)
    }

    /// Picks the next ready worker, round robin.
    pub(super) fn pick(&mut self) -> Option<WorkerId> {
        let count = self.slots;
        let distance = |slot: &usize| (slot + count - self.next_slot % count) % count;
        let slot = self.workers.ready_positions().min_by_key(distance)?;
        self.next_slot = slot + 1;
        self.workers.id(slot)
    }

    pub(super) fn send(&self, slot: usize, line: String) {
        self.workers.send(slot, line);
    }

    /// Returns whether a request may wait for a worker to become ready.
    pub(super) fn expects_workers(&self) -> bool {
        let is_starting = |state: ProcessState| state == ProcessState::Starting;
        self.replaces_workers() || self.workers.states().any(is_starting)
    }

    /// Returns whether no worker is about to change state.
    pub(super) fn is_settled(&self) -> bool {
        (0..self.slots).all(|slot| match self.workers.state(slot) {
            Some(ProcessState::Ready) => true,
            None => !self.replaces_workers(),
            Some(ProcessState::Starting | ProcessState::Draining | ProcessState::Killed(_)) => {
                false
            }
        })
    }

    /// Executes the supervisor's actions and waits for the next event, at most until
    /// `until` or the supervisor's next deadline.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        self.execute_actions();
        let deadline = self.supervisor.as_ref().and_then(Supervisor::next_deadline);
        let event = self
            .workers
            .next(until.into_iter().chain(deadline).min())
            .await;
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.tick(now);
        }
        self.execute_actions();
        event
    }

    pub(super) fn on_ready(&mut self, worker: WorkerId) {
        self.workers.ready(worker);
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.ready(worker, now);
        }
    }

    /// Closes a worker's input, so that it finishes its work and exits.
    pub(super) fn drain(&mut self, slot: usize) {
        self.workers.drain(slot);
    }

    pub(super) fn on_exit(&mut self, worker: WorkerId, exit: &Exit) {
        self.workers.on_exit(worker, exit);
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.exited(worker, now);
        }
        self.execute_actions();
    }

    /// Drains all workers and waits for their exits.
    pub(super) async fn close(mut self) {
        for slot in 0..self.slots {
            if self.workers.state(slot).is_some() {
                self.workers.drain(slot);
            }
        }
        while !self.workers.is_empty() {
            if let Some((worker, ProcessEvent::Exited(exit))) = self.workers.next(None).await {
                self.workers.on_exit(worker, &exit);
            }
        }
    }

    fn replaces_workers(&self) -> bool {
        self.supervisor.is_some() && !self.has_given_up
    }

    fn execute_actions(&mut self) {
        while let Some(action) = self.supervisor.as_mut().and_then(Supervisor::next_action) {
            match action {
                Action::Start(worker) => self.spawn(worker),
                // The supervisor drains only when it gives up. Killing instead shows
                // what giving up costs.
                Action::Drain(worker) | Action::Kill(worker) => {
                    self.workers.kill(worker.slot, KILLED);
                }
                Action::Escalate => {
                    self.has_given_up = true;
                    self.trace
                        .instant_with_cause(RecordKind::Exit, self.id, 0, GIVEN_UP);
                }
                // This scenario never reloads.
                Action::Reloaded | Action::ReloadAborted(_) => {}
            }
        }
    }

    fn spawn(&mut self, worker: WorkerId) {
        self.workers.start(worker, &WORKER, &self.settings);
    }
}
