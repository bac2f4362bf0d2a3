//! The workers' processes, and who replaces them.

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

/// The span in which restarts are counted.
const PERIOD: Duration = Duration::from_secs(10);

/// A process. In a slot there is never more than one, so that its place is its
/// slot.
pub(super) type Place = WorkerId;

pub(super) struct Cluster {
    platform: Platform,
    trace: Recorder,
    /// None under the policy `crash`.
    supervisor: Option<Supervisor>,
    id: NameId,
    has_given_up: bool,
    workers: Workers,
    slots: usize,
    settings: String,
    /// Whose turn it is.
    turn: usize,
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
                .intensity(restarts, PERIOD)
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
            turn: 0,
            trace,
        };
        if cluster.supervisor.is_none() {
            for slot in 0..slots {
                cluster.spawn(WorkerId::new(slot, 1));
            }
        }
        cluster
    }

    /// The name of a worker in the trace.
    pub(super) fn id(&self, slot: usize) -> NameId {
        self.workers.id(slot)
    }

    /// Whose turn it is of those who take requests.
    pub(super) fn pick(&mut self) -> Option<Place> {
        let count = self.slots;
        let away = |slot: &usize| (slot + count - self.turn % count) % count;
        let slot = self.workers.ready_positions().min_by_key(away)?;
        self.turn = slot + 1;
        self.workers.member(slot)
    }

    pub(super) fn send(&self, slot: usize, line: String) {
        self.workers.send(slot, line);
    }

    /// Whether somebody is about to take requests.
    pub(super) fn is_worth_waiting(&self) -> bool {
        let is_starting = |state: ProcessState| state == ProcessState::Starting;
        self.are_replaced() || self.workers.states().any(is_starting)
    }

    /// Whether nothing will change by itself.
    pub(super) fn is_settled(&self) -> bool {
        (0..self.slots).all(|slot| match self.workers.state(slot) {
            Some(ProcessState::Ready) => true,
            None => !self.are_replaced(),
            Some(ProcessState::Starting | ProcessState::Draining | ProcessState::Killed(_)) => {
                false
            }
        })
    }

    /// Does what the supervisor wants done, and waits for event, but not beyond
    /// `until`, nor beyond when the supervisor has to be asked again.
    pub(super) async fn next(&mut self, until: Option<Duration>) -> Option<(Place, ProcessEvent)> {
        self.act();
        let asked = self.supervisor.as_ref().and_then(Supervisor::next_deadline);
        let event = self
            .workers
            .next(until.into_iter().chain(asked).min())
            .await;
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.tick(now);
        }
        self.act();
        event
    }

    pub(super) fn ready(&mut self, place: Place) {
        self.workers.ready(place);
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.ready(place, now);
        }
    }

    /// Nothing more is sent to it, so that it can come to its end.
    pub(super) fn drain(&mut self, slot: usize) {
        self.workers.drain(slot);
    }

    pub(super) fn exited(&mut self, place: Place, exit: &Exit) {
        self.workers.on_exit(place, exit);
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.exited(place, now);
        }
        self.act();
    }

    /// Lets all come to their end.
    pub(super) async fn close(mut self) {
        for slot in 0..self.slots {
            if self.workers.state(slot).is_some() {
                self.workers.drain(slot);
            }
        }
        while !self.workers.is_empty() {
            if let Some((place, ProcessEvent::Exited(exit))) = self.workers.next(None).await {
                self.workers.on_exit(place, &exit);
            }
        }
    }

    fn are_replaced(&self) -> bool {
        self.supervisor.is_some() && !self.has_given_up
    }

    fn act(&mut self) {
        while let Some(action) = self.supervisor.as_mut().and_then(Supervisor::next_action) {
            match action {
                Action::Start(place) => self.spawn(place),
                // Only when it gives up would one be asked to drain: what that
                // costs is to be seen.
                Action::Drain(place) | Action::Kill(place) => {
                    self.workers.kill(place.slot, KILLED);
                }
                Action::Escalate => {
                    self.has_given_up = true;
                    self.trace
                        .instant_with_cause(RecordKind::Exit, self.id, 0, GIVEN_UP);
                }
                // It is not asked for any.
                Action::Reloaded | Action::ReloadAborted(_) => {}
            }
        }
    }

    fn spawn(&mut self, place: Place) {
        self.workers.start(place, &WORKER, &self.settings);
    }
}
