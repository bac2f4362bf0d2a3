//! The workers, their supervisor, and who hands them work.

use super::{
    HANGING, NO_SIGN_OF_LIFE, NOT_DRAINED, NOT_READY, RELOAD_ABORTED, RELOADED, RELOADING, STOPPED,
    SUPERVISOR, WORKER,
    balance::Balance,
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

/// The span in which restarts are counted.
const PERIOD: Duration = Duration::from_mins(1);

pub(super) struct WorkerPool {
    platform: Platform,
    trace: Recorder,
    params: Values,
    supervisor: Supervisor,
    id: NameId,
    workers: Workers,
    balance: Balance,
    /// Whether those who are started from now on die of it.
    is_bad: bool,
    /// All were stopped, and are started again when the last is gone.
    is_down: bool,
    /// They were started again, and a reload is over when they are ready.
    is_coming_up: bool,
    hanging: Option<WorkerId>,
}

impl WorkerPool {
    pub(super) fn start(context: &Context) -> Self {
        let params = &context.params;
        let trace = context.trace.clone();
        let number = |key| usize::try_from(params.integer(key)).unwrap_or(0);
        let options = SupervisorOptions::new()
            .intensity(number("restarts"), PERIOD)
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
            balance: Balance::new(params.choice("balance") == "least_busy"),
            is_bad: false,
            is_down: false,
            is_coming_up: false,
            hanging: None,
            trace,
        }
    }

    /// Whose the next request is, and its name in the trace; `None` if nobody
    /// takes one.
    pub(super) fn pick(&mut self) -> Option<(WorkerId, NameId)> {
        let place = self.balance.pick(self.workers.ready_positions())?;
        Some((self.workers.member(place)?, self.workers.id(place)))
    }

    pub(super) fn send(&self, member: WorkerId, line: String) {
        if let Some(place) = self.workers.position_of(member) {
            self.workers.send(place, line);
        }
    }

    /// The name of a worker in the trace, unless it is gone.
    pub(super) fn id(&self, member: WorkerId) -> Option<NameId> {
        let place = self.workers.position_of(member)?;
        Some(self.workers.id(place))
    }

    /// Whether somebody is about to take requests.
    pub(super) fn is_worth_waiting(&self) -> bool {
        !self.supervisor.has_escalated() && !self.is_down && !self.is_coming_up
    }

    /// Whether nobody takes requests, and somebody is about to.
    pub(super) fn keeps_waiting(&self) -> bool {
        self.is_worth_waiting() && self.workers.ready_positions().next().is_none()
    }

    /// Whether nothing will change by itself.
    pub(super) fn is_settled(&self) -> bool {
        if self.supervisor.has_escalated() {
            return self.workers.is_empty();
        }
        let is_busy_with_itself = self.supervisor.is_reloading() || self.is_down;
        let are_ready = self
            .workers
            .states()
            .all(|state| state == ProcessState::Ready);
        let ready = self.workers.ready_positions().count();
        let wanted = self.supervisor.slots();
        !is_busy_with_itself && self.hanging.is_none() && are_ready && ready == wanted
    }

    /// Does what the supervisor wants done, and waits for event, but not beyond
    /// `until`, nor beyond when the supervisor has to be asked again.
    pub(super) async fn next(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(WorkerId, ProcessEvent)> {
        self.act();
        let asked = self.supervisor.next_deadline();
        let event = self
            .workers
            .next(until.into_iter().chain(asked).min())
            .await;
        if let Some((member, ProcessEvent::Message(_))) = &event {
            // Whatever it says, it processes.
            let now = self.platform.now();
            self.supervisor.heartbeat(*member, now);
        }
        self.supervisor.tick(self.platform.now());
        self.act();
        event
    }

    pub(super) fn ready(&mut self, member: WorkerId) {
        self.workers.ready(member);
        let now = self.platform.now();
        self.supervisor.ready(member, now);
        self.act();
        if self.is_coming_up && self.workers.ready_positions().count() == self.supervisor.slots() {
            self.is_coming_up = false;
            self.switch(RELOADED);
        }
    }

    pub(super) fn beat(&self, member: WorkerId) {
        if let Some(place) = self.workers.position_of(member) {
            self.trace
                .instant(RecordKind::Beat, self.workers.id(place), 0);
        }
    }

    /// It has done what it was handed.
    pub(super) fn done(&mut self, member: WorkerId) {
        if let Some(place) = self.workers.position_of(member) {
            self.balance.done(place);
        }
    }

    pub(super) fn exited(&mut self, member: WorkerId, exit: &Exit) {
        self.workers.on_exit(member, exit);
        if self.hanging == Some(member) {
            self.hanging = None;
        }
        let now = self.platform.now();
        self.supervisor.exited(member, now);
        self.act();
        if self.is_down && self.workers.is_empty() {
            self.is_down = false;
            self.is_coming_up = true;
            self.supervisor.scale_to(self.workers(), now);
            self.act();
        }
    }

    /// What is to happen happens.
    pub(super) fn inject_fault(&mut self) {
        let event = self.params.choice("event");
        self.is_bad = matches!(event, "crash_loop" | "bad_reload");
        let busiest = self.balance.busiest(self.workers.ready_positions());
        match (event, busiest) {
            ("kill" | "crash_loop", Some(place)) => self.workers.kill_from_outside(place),
            ("hang", Some(place)) => {
                let state = self.trace.name(HANGING);
                self.hanging = self.workers.member(place);
                let id = self.workers.process_id(place);
                self.trace
                    .send(RecordKind::Switch, self.workers.id(place), state, id);
                self.workers.send(place, HANG.to_owned());
            }
            ("reload" | "bad_reload", _) => self.reload(),
            _ => {}
        }
    }

    /// Lets all come to their end.
    pub(super) async fn close(mut self) {
        self.supervisor.shutdown(self.platform.now());
        while !self.workers.is_empty() {
            if let Some((member, ProcessEvent::Exited(exit))) = self.next(None).await {
                self.exited(member, &exit);
            }
        }
    }

    fn reload(&mut self) {
        let now = self.platform.now();
        self.switch(RELOADING);
        if self.params.choice("restart") == "rolling" {
            self.supervisor.reload(now);
        } else {
            self.is_down = true;
            self.supervisor.scale_to(0, now);
        }
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(member) => self.spawn(member),
                Action::Drain(member) => {
                    let Some(place) = self.workers.position_of(member) else {
                        continue;
                    };
                    if self.is_down {
                        self.workers.kill(place, STOPPED);
                    } else {
                        self.workers.drain(place);
                    }
                }
                Action::Kill(member) => self.kill(member),
                Action::Escalate => {
                    self.trace
                        .instant_with_cause(RecordKind::Exit, self.id, 0, GIVEN_UP)
                }
                Action::Reloaded => self.switch(RELOADED),
                Action::ReloadAborted(_) => self.switch(RELOAD_ABORTED),
            }
        }
    }

    fn spawn(&mut self, member: WorkerId) {
        let work = match self.params.integer("users") {
            0 => self.params.millis("work"),
            _ => Duration::from_micros(self.params.integer("service")),
        };
        let startup = self.params.integer("startup");
        let settings = worker::settings(work, startup, self.is_bad);
        let place = self.workers.start(member, &WORKER, &settings);
        self.balance.reset(place);
    }

    fn kill(&mut self, member: WorkerId) {
        let Some(place) = self.workers.position_of(member) else {
            return;
        };
        let cause = match self.workers.state(place) {
            Some(ProcessState::Starting) => NOT_READY,
            Some(ProcessState::Draining) => NOT_DRAINED,
            _ => NO_SIGN_OF_LIFE,
        };
        self.workers.kill(place, cause);
    }

    fn workers(&self) -> usize {
        usize::try_from(self.params.integer("workers")).unwrap_or(0)
    }

    /// Puts on record what the supervisor changes to.
    fn switch(&self, state: &str) {
        let state = self.trace.name(state);
        self.trace.send(RecordKind::Switch, self.id, state, 0);
    }
}
