//! The workers' processes, and who replaces them.

use super::{BUG_EXIT, GIVEN_UP, SUPERVISOR, WORKER, WORKERS, worker};
use crate::{
    platform::{Exit, Platform, Process, ProcessEvent},
    scale::{Action, Supervisor, SupervisorOptions},
    scenario::{
        Context,
        railway::{DRAINING, KILLED, KILLED_FROM_OUTSIDE, STARTING},
    },
    trace::{Kind, NameId, Recorder},
};
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use std::{mem, rc::Rc, time::Duration};

/// The span in which restarts are counted.
const PERIOD: Duration = Duration::from_secs(10);

/// A process: which slot it is in, and which one there, counted from 1.
pub(super) type Place = (usize, u64);

pub(super) struct Cluster {
    platform: Platform,
    trace: Recorder,
    /// None under the policy `crash`.
    supervisor: Option<Supervisor>,
    id: NameId,
    has_given_up: bool,
    slots: Vec<Slot>,
    settings: String,
    /// Whose turn it is.
    turn: usize,
    sender: mpsc::UnboundedSender<(Place, ProcessEvent)>,
    news: mpsc::UnboundedReceiver<(Place, ProcessEvent)>,
}

struct Slot {
    id: NameId,
    process: Option<Rc<Process>>,
    generation: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    Draining,
    /// The supervisor wants it to be gone.
    Killed,
    Gone,
}

impl Cluster {
    pub(super) fn start(context: &Context) -> Self {
        let params = &context.params;
        let trace = context.trace.clone();
        let workers = usize::try_from(params.integer("workers")).unwrap_or(1);
        let restarts = usize::try_from(params.integer("restarts")).unwrap_or(0);
        let id = trace.name(SUPERVISOR);
        let policy = params.choice("policy");
        let supervisor = (policy != "crash").then(|| {
            trace.instant(Kind::Start, id, 0);
            let options = SupervisorOptions::new()
                .intensity(restarts, PERIOD)
                .steady_after(Duration::MAX)
                .backoff(Duration::from_millis(50), Duration::from_millis(400))
                .seed(context.seed.0);
            Supervisor::new(workers, options, context.platform.now())
        });
        let slots = WORKERS.iter().take(workers).map(|name| Slot {
            id: trace.name(name),
            process: None,
            generation: 0,
            state: State::Gone,
        });
        let (sender, news) = mpsc::unbounded();
        let mut cluster = Cluster {
            platform: context.platform.clone(),
            supervisor,
            id,
            has_given_up: false,
            slots: slots.collect(),
            settings: worker::settings(policy, params.millis("latency")),
            turn: 0,
            sender,
            news,
            trace,
        };
        if cluster.supervisor.is_none() {
            for slot in 0..workers {
                cluster.spawn(slot, 1);
            }
        }
        cluster
    }

    /// The name of a worker in the trace.
    pub(super) fn id(&self, slot: usize) -> NameId {
        self.slots[slot].id
    }

    /// Whose turn it is of those who take requests.
    pub(super) fn pick(&mut self) -> Option<Place> {
        let count = self.slots.len();
        let turns = (0..count).map(|offset| (self.turn + offset) % count);
        let is_ready = |slot: &usize| self.slots[*slot].state == State::Ready;
        let slot = turns.into_iter().find(is_ready)?;
        self.turn = slot + 1;
        Some((slot, self.slots[slot].generation))
    }

    pub(super) fn send(&self, slot: usize, line: String) {
        if let Some(process) = &self.slots[slot].process {
            process.send(line);
        }
    }

    /// Whether somebody is about to take requests.
    pub(super) fn is_worth_waiting(&self) -> bool {
        let is_starting = |slot: &Slot| slot.state == State::Starting;
        (self.supervisor.is_some() && !self.has_given_up) || self.slots.iter().any(is_starting)
    }

    /// Whether nothing will change by itself.
    pub(super) fn is_settled(&self) -> bool {
        let are_replaced = self.supervisor.is_some() && !self.has_given_up;
        self.slots.iter().all(|slot| match slot.state {
            State::Ready => true,
            State::Gone => !are_replaced,
            State::Starting | State::Draining | State::Killed => false,
        })
    }

    /// Does what the supervisor wants done, and waits for news, but not beyond
    /// `until`, nor beyond when the supervisor has to be asked again.
    pub(super) async fn next(&mut self, until: Option<Duration>) -> Option<(Place, ProcessEvent)> {
        self.act();
        let asked = self.supervisor.as_ref().and_then(Supervisor::next_deadline);
        let news = match until.into_iter().chain(asked).min() {
            None => self.news.next().await,
            Some(at) => {
                let pause = at.saturating_sub(self.platform.now());
                match select(self.news.next(), self.platform.sleep(pause)).await {
                    Either::Left((news, _)) => news,
                    Either::Right(_) => None,
                }
            }
        };
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.tick(now);
        }
        self.act();
        news
    }

    pub(super) fn ready(&mut self, (slot, generation): Place) {
        let now = self.platform.now();
        let place = &mut self.slots[slot];
        if place.state == State::Starting {
            place.state = State::Ready;
            let id = place.process.as_ref().map_or(0, |process| process.id());
            self.trace.instant(Kind::Start, place.id, id.into());
        }
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.ready(slot, generation, now);
        }
    }

    /// Nothing more is sent to it, so that it can come to its end.
    pub(super) fn drain(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.state = State::Draining;
        if let Some(process) = &slot.process {
            let state = self.trace.name(DRAINING);
            let id = process.id().into();
            self.trace.send(Kind::Switch, slot.id, state, id);
            process.close();
        }
    }

    pub(super) fn exited(&mut self, (slot, generation): Place, exit: &Exit) {
        self.bury(slot, exit);
        let now = self.platform.now();
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.exited(slot, generation, now);
        }
        self.act();
    }

    /// Lets all come to their end.
    pub(super) async fn close(mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].process.is_some() {
                self.drain(slot);
            }
        }
        while self.slots.iter().any(|slot| slot.process.is_some()) {
            if let Some(((slot, _), ProcessEvent::Exited(exit))) = self.news.next().await {
                self.bury(slot, &exit);
            }
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.supervisor.as_mut().and_then(Supervisor::next_action) {
            match action {
                Action::Start { slot, generation } => self.spawn(slot, generation),
                // Only when it gives up would one be asked to drain: what that
                // costs is to be seen.
                Action::Drain { slot, .. } | Action::Kill { slot, .. } => {
                    let slot = &mut self.slots[slot];
                    slot.state = State::Killed;
                    if let Some(process) = &slot.process {
                        process.kill();
                    }
                }
                Action::Escalate => {
                    self.has_given_up = true;
                    self.trace.caused(Kind::Exit, self.id, 0, GIVEN_UP);
                }
                // It is not asked for any.
                Action::Reloaded | Action::ReloadAborted { .. } => {}
            }
        }
    }

    fn spawn(&mut self, slot: usize, generation: u64) {
        let process = Rc::new(self.platform.start(&WORKER));
        process.send(self.settings.clone());
        let place = &mut self.slots[slot];
        place.process = Some(Rc::clone(&process));
        place.generation = generation;
        place.state = State::Starting;
        let (state, id) = (self.trace.name(STARTING), process.id().into());
        self.trace.send(Kind::Switch, place.id, state, id);
        let sender = self.sender.clone();
        drop(self.platform.spawn(async move {
            loop {
                let event = process.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if sender.unbounded_send(((slot, generation), event)).is_err() || is_last {
                    return;
                }
            }
        }));
    }

    fn bury(&mut self, slot: usize, exit: &Exit) {
        let slot = &mut self.slots[slot];
        let state = mem::replace(&mut slot.state, State::Gone);
        let id = slot.process.take().map_or(0, |process| process.id());
        let cause = match exit {
            Exit::Finished => return self.trace.instant(Kind::Exit, slot.id, id.into()),
            Exit::Bug { .. } => BUG_EXIT,
            Exit::Killed if state == State::Killed => KILLED,
            // By whoever found its id in the report.
            Exit::Killed => KILLED_FROM_OUTSIDE,
            Exit::Lost { reason } => reason,
        };
        self.trace.caused(Kind::Exit, slot.id, id.into(), cause);
    }
}
