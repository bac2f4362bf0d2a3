//! A supervisor, driven and watched.

mod calm;
mod event;
mod worker;

pub(crate) use event::{Event, event};
use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
use std::{collections::BTreeMap, time::Duration};
use worker::{Role, State, Worker};

const RESTARTS: usize = 4;
const PERIOD: Duration = Duration::from_secs(5);
const STEADY: Duration = Duration::from_secs(3);
const READY_WITHIN: Duration = Duration::from_secs(2);
const ALIVE_WITHIN: Duration = Duration::from_secs(4);
const DRAIN_WITHIN: Duration = Duration::from_secs(6);
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Whoever drives a supervisor, and watches what it asks for.
pub(crate) struct Driver {
    supervisor: Supervisor,
    now: Duration,
    wanted: usize,
    /// Those that have not exited.
    workers: BTreeMap<WorkerId, Worker>,
    generations: BTreeMap<usize, u64>,
    /// The times of replacements in each slot, as far as they count.
    ends: BTreeMap<usize, Vec<Duration>>,
    is_shut_down: bool,
    has_escalated: bool,
    /// The last generations when the reload under way began, and whether another
    /// one is to follow.
    before_reload: BTreeMap<usize, u64>,
    is_asked_again: bool,
}

impl Driver {
    pub(crate) fn new(slots: usize) -> Self {
        let options = SupervisorOptions::new()
            .intensity(RESTARTS, PERIOD)
            .stable_after(STEADY)
            .ready_within(READY_WITHIN)
            .heartbeat_within(ALIVE_WITHIN)
            .drain_within(DRAIN_WITHIN)
            .stop_within(STOP_WITHIN);
        let mut driver = Driver {
            supervisor: Supervisor::new(slots, options, Duration::ZERO),
            now: Duration::ZERO,
            wanted: slots,
            workers: BTreeMap::new(),
            generations: BTreeMap::new(),
            ends: BTreeMap::new(),
            is_shut_down: false,
            has_escalated: false,
            before_reload: BTreeMap::new(),
            is_asked_again: false,
        };
        driver.act(&Event::Pass(0));
        driver
    }

    fn pick(&self, number: usize) -> Option<WorkerId> {
        let count = self.workers.len().max(1);
        self.workers.keys().nth(number % count).copied()
    }

    pub(crate) fn happen(&mut self, event: &Event) {
        let ready_before = self.supervisor.ready_count();
        let was_reloading = self.supervisor.is_reloading();
        match *event {
            Event::Pass(passed) => {
                self.now += Duration::from_millis(passed);
                self.supervisor.tick(self.now);
            }
            Event::Deadline => {
                if let Some(deadline) = self.supervisor.next_deadline() {
                    self.now = self.now.max(deadline);
                    self.supervisor.tick(self.now);
                }
            }
            Event::Ready(number) => self.ready(number, was_reloading),
            Event::Heartbeat(number) => {
                if let Some(name) = self.pick(number) {
                    self.supervisor.heartbeat(name, self.now);
                    let worker = self.workers.get_mut(&name).unwrap();
                    if let State::Ready { .. } = worker.state {
                        worker.until = self.now + ALIVE_WITHIN;
                    }
                }
            }
            Event::Retire(number) => self.retire(number, was_reloading),
            Event::Exit(number) => self.exit(number),
            Event::Resumed(paused) => self.resume(Duration::from_millis(paused)),
            Event::Stale(slot) => self.stale(slot % 4),
            Event::Reload => {
                if was_reloading {
                    self.is_asked_again = true;
                } else {
                    self.before_reload = self.generations.clone();
                }
                self.supervisor.reload(self.now);
            }
            Event::Scale(slots) => {
                self.supervisor.scale_to(slots, self.now);
                if !self.is_over() {
                    self.wanted = slots;
                    self.scale(slots);
                }
            }
            Event::Shutdown => {
                self.supervisor.shutdown(self.now);
                if !self.is_over() {
                    self.hurry();
                    self.is_shut_down = true;
                }
            }
        }
        self.act(event);
        self.check();
        let is_harmless = matches!(
            event,
            Event::Ready(_)
                | Event::Heartbeat(_)
                | Event::Retire(_)
                | Event::Reload
                | Event::Resumed(_)
                | Event::Stale(_)
        );
        if is_harmless || (was_reloading && matches!(event, Event::Exit(_)) && ready_before > 1) {
            let is_fine = self.supervisor.ready_count() > 0 || ready_before == 0;
            assert!(
                is_fine || self.has_escalated,
                "nobody is ready after {event:?}"
            );
        }
    }

    /// Surplus workers go, unless they are ready and no worker that stays is.
    fn scale(&mut self, slots: usize) {
        for (name, worker) in &mut self.workers {
            if name.slot < slots && worker.role == Role::Stays {
                worker.role = Role::Holds;
            }
        }
        let is_needed = slots > 0 && !self.is_one_ready(slots);
        let mut staying = None;
        let mut to_come = Vec::new();
        for (name, worker) in self.workers.range_mut(WorkerId::new(slots, 0)..) {
            let is_ready = matches!(worker.state, State::Ready { .. });
            worker.role = match worker.role {
                Role::MakesRoom => Role::MakesRoom,
                Role::Holds | Role::Stays if is_ready && is_needed => {
                    staying = Some(name.slot);
                    Role::Stays
                }
                Role::Comes if staying == Some(name.slot) => {
                    to_come.push(name.slot);
                    Role::Comes
                }
                _ => Role::Goes,
            };
        }
        for (name, worker) in self.workers.range_mut(WorkerId::new(slots, 0)..) {
            worker.is_retiring &= to_come.contains(&name.slot);
        }
    }

    fn is_one_ready(&self, slots: usize) -> bool {
        let mut staying = self.workers.range(..WorkerId::new(slots, 0));
        staying.any(|(_, worker)| matches!(worker.state, State::Ready { .. }))
    }

    fn ready(&mut self, number: usize, is_reloading: bool) {
        let Some(name) = self.pick(number) else {
            return;
        };
        self.supervisor.ready(name, self.now);
        let before = self.before_reload.get(&name.slot).copied().unwrap_or(0);
        let worker = self.workers.get_mut(&name).unwrap();
        if worker.state == State::Starting {
            worker.state = State::Ready { since: self.now };
            worker.until = self.now + ALIVE_WITHIN;
            if worker.role == Role::Comes {
                worker.role = if name.slot < self.wanted {
                    Role::Holds
                } else {
                    Role::Stays
                };
                let old = self.workers.range_mut(WorkerId::new(name.slot, 0)..name);
                let old = old.filter(|(_, old)| matches!(old.role, Role::Holds | Role::Stays));
                old.for_each(|(name, old)| {
                    old.role = if is_reloading && name.generation <= before {
                        Role::MakesRoom
                    } else {
                        Role::Goes
                    };
                });
            }
        }
    }

    /// A worker asks to be replaced.
    fn retire(&mut self, number: usize, is_reloading: bool) {
        let Some(name) = self.pick(number) else {
            return;
        };
        self.supervisor.retire(name, self.now);
        let worker = self.workers.get_mut(&name).unwrap();
        match worker.state {
            State::Starting => {
                let before = worker.role;
                worker.role = if is_reloading {
                    Role::MakesRoom
                } else {
                    Role::Goes
                };
                self.failed(name.slot, before);
            }
            State::Ready { .. } if !worker.is_retiring && worker.role == Role::Holds => {
                worker.is_retiring = true;
                let has_lasted = worker.has_lasted(self.now);
                self.count(name.slot, has_lasted);
            }
            _ => {}
        }
    }

    fn exit(&mut self, number: usize) {
        let Some(name) = self.pick(number) else {
            return;
        };
        self.supervisor.exited(name, self.now);
        let worker = self.workers.remove(&name).unwrap();
        match worker.role {
            Role::Holds if worker.is_retiring => self.move_up(name.slot),
            Role::Holds if worker.has_lasted(self.now) => self.move_up(name.slot),
            role => self.failed(name.slot, role),
        }
    }

    /// A worker of this role had to be replaced before it had lasted.
    fn failed(&mut self, slot: usize, role: Role) {
        match role {
            Role::Holds => {
                self.move_up(slot);
                self.count(slot, false);
            }
            Role::Comes => {
                let of_slot = self
                    .workers
                    .range_mut(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
                let staying = of_slot.filter(|(_, worker)| worker.role == Role::Stays);
                staying.for_each(|(_, worker)| worker.is_retiring = false);
                let mut of_slot = self
                    .workers
                    .range(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
                let is_holder = |it: &(_, &Worker)| it.1.role == Role::Holds;
                let holder = of_slot.find(is_holder).map(|(_, holder)| *holder);
                if let Some(holder) = holder.filter(|holder| holder.is_retiring) {
                    self.count(slot, holder.has_lasted(self.now));
                }
            }
            Role::Stays | Role::MakesRoom | Role::Goes => {}
        }
    }

    fn count(&mut self, slot: usize, has_lasted: bool) {
        if !has_lasted {
            self.ends.entry(slot).or_default().push(self.now);
        }
    }

    /// The supervisor itself could not run.
    fn resume(&mut self, paused: Duration) {
        self.now += paused;
        self.supervisor.resumed(paused, self.now);
        for worker in self.workers.values_mut() {
            match worker.state {
                State::Starting => worker.until = self.now + READY_WITHIN,
                State::Ready { .. } => worker.until = self.now + ALIVE_WITHIN,
                State::Drains => worker.until += paused,
                State::Killed { .. } => {}
            }
        }
        self.supervisor.tick(self.now);
    }

    /// The place of a slot is free.
    fn move_up(&mut self, slot: usize) {
        let of_slot = self
            .workers
            .range_mut(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
        of_slot
            .filter(|(_, worker)| worker.role == Role::Comes)
            .for_each(|(_, worker)| worker.role = Role::Holds);
    }

    fn stale(&mut self, slot: usize) {
        let started = self.generations.get(&slot).copied().unwrap_or(0);
        for generation in [0, started + 1, u64::MAX] {
            let id = WorkerId::new(slot, generation);
            self.supervisor.ready(id, self.now);
            self.supervisor.heartbeat(id, self.now);
            self.supervisor.retire(id, self.now);
            self.supervisor.exited(id, self.now);
        }
        for generation in 1..=started {
            let id = WorkerId::new(slot, generation);
            if !self.workers.contains_key(&id) {
                self.supervisor.ready(id, self.now);
                self.supervisor.heartbeat(id, self.now);
                self.supervisor.retire(id, self.now);
                self.supervisor.exited(id, self.now);
            }
        }
        assert_eq!(self.supervisor.clone().next_action(), None);
    }

    fn act(&mut self, event: &Event) {
        while let Some(action) = self.supervisor.next_action() {
            let is_over = self.is_over();
            match action {
                Action::Start(id) => {
                    let WorkerId { slot, generation } = id;
                    assert!(!is_over && slot < self.wanted, "{action:?}");
                    let last = self.generations.entry(slot).or_default();
                    *last += 1;
                    assert_eq!(generation, *last);
                    let mut workers = self.workers.iter();
                    let is_held = workers
                        .any(|(name, worker)| name.slot == slot && worker.role == Role::Holds);
                    let worker = Worker {
                        state: State::Starting,
                        until: self.now + READY_WITHIN,
                        role: if is_held { Role::Comes } else { Role::Holds },
                        is_retiring: false,
                    };
                    self.workers.insert(id, worker);
                }
                Action::Drain(id) => self.drain(id, event),
                Action::Kill(id) => {
                    let gives_up = self.recent() > RESTARTS;
                    let now = self.now;
                    let worker = self.workers.get_mut(&id).unwrap();
                    let had_lasted = worker.has_lasted(now);
                    let is_killed = matches!(worker.state, State::Killed { .. });
                    assert!(!is_killed, "{action:?} again");
                    let is_needless = gives_up && worker.state == State::Starting;
                    assert!(worker.until <= now || is_needless, "{action:?} too early");
                    worker.state = State::Killed { had_lasted };
                    if worker.role == Role::Stays {
                        worker.role = Role::Goes;
                    }
                    if worker.role == Role::Comes {
                        worker.role = Role::MakesRoom;
                        if !gives_up {
                            self.failed(id.slot, Role::Comes);
                        }
                    }
                }
                Action::Reloaded | Action::ReloadAborted(_) => {
                    assert!(!is_over, "{action:?}");
                    if action == Action::Reloaded {
                        self.check_reloaded();
                    }
                    if std::mem::take(&mut self.is_asked_again) {
                        self.before_reload = self.generations.clone();
                    }
                }
                Action::Escalate => {
                    assert!(!is_over, "twice");
                    assert_eq!(self.recent(), RESTARTS + 1);
                    self.hurry();
                    self.has_escalated = true;
                }
                other => panic!("{other:?}"),
            }
        }
        self.supervisor.tick(self.now);
        let more = self.supervisor.next_action();
        assert_eq!(more, None, "a tick at once changes nothing");
    }

    /// Nobody from before a reload is left but who drains by itself, or is one
    /// too many.
    fn check_reloaded(&self) {
        for (id, worker) in &self.workers {
            let before = self.before_reload.get(&id.slot).copied().unwrap_or(0);
            let is_new = id.generation > before;
            assert!(is_new || worker.role == Role::Goes, "{:?}", self.workers);
        }
    }

    fn drain(&mut self, name: WorkerId, event: &Event) {
        let gives_up = self.recent() > RESTARTS;
        let is_replaced = self.workers.iter().any(|(it, worker)| {
            it.slot == name.slot
                && it.generation > name.generation
                && matches!(worker.state, State::Ready { .. })
        });
        let worker = self.workers.get_mut(&name).unwrap();
        assert!(matches!(
            worker.state,
            State::Starting | State::Ready { .. }
        ));
        worker.state = State::Drains;
        match event {
            _ if name.slot >= self.wanted && !self.is_shut_down => {
                worker.role = Role::Goes;
                worker.until = self.now + DRAIN_WITHIN;
            }
            _ if self.is_shut_down || gives_up => worker.until = self.now + STOP_WITHIN,
            Event::Scale(_) | Event::Retire(_) => worker.until = self.now + DRAIN_WITHIN,
            _ => {
                assert!(is_replaced, "{name:?} drains, and nobody has its place");
                worker.until = self.now + DRAIN_WITHIN;
            }
        }
    }

    /// From now on nobody has more time than for a stop.
    fn hurry(&mut self) {
        let until = self.now + STOP_WITHIN;
        for worker in self.workers.values_mut() {
            if worker.state == State::Drains {
                worker.until = worker.until.min(until);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.is_shut_down || self.has_escalated
    }

    /// How many ends count against it, in the slot that has most.
    fn recent(&self) -> usize {
        let in_period = |end: &&Duration| self.now.saturating_sub(**end) <= PERIOD;
        let counts = self.ends.values();
        let counts = counts.map(|ends| ends.iter().filter(in_period).count());
        counts.max().unwrap_or(0)
    }

    fn check(&self) {
        let deadline = self.supervisor.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now));
        assert_eq!(self.supervisor.has_escalated(), self.has_escalated);
        assert_eq!(self.supervisor.slots(), self.wanted);
        let is_stopped = self.is_over() && self.workers.is_empty();
        assert_eq!(self.supervisor.is_stopped(), is_stopped);
        for (name, worker) in &self.workers {
            let is_killed = matches!(worker.state, State::Killed { .. });
            assert!(is_killed || self.now < worker.until, "{name:?} {worker:?}");
        }
        if self.is_over() {
            let works =
                |worker: &Worker| matches!(worker.state, State::Starting | State::Ready { .. });
            assert!(!self.workers.values().any(works));
            assert!(!self.supervisor.is_reloading());
            return;
        }
        assert!(self.recent() <= RESTARTS, "it should have given up");
        let (mut ready_count, mut reloaded_slots) = (0, 0);
        for slot in 0..self.wanted {
            let of_slot = |it: &(&WorkerId, &Worker)| it.0.slot == slot;
            let workers = self.workers.iter().filter(of_slot);
            let roles = |meant: Role| {
                let meant = move |it: &(&WorkerId, &Worker)| it.1.role == meant;
                workers.clone().filter(meant)
            };
            let (holders, comes) = (roles(Role::Holds), roles(Role::Comes).count());
            let is_retiring = holders.clone().any(|(_, holder)| holder.is_retiring);
            let placed = holders.count() + comes;
            assert!(placed <= 2 && comes <= 1, "{:?}", self.workers);
            reloaded_slots += usize::from(comes > 0 && !is_retiring);
            // If nobody is there, somebody will be.
            assert!(placed > 0 || deadline.is_some());
            let is_ready = |worker: &Worker| matches!(worker.state, State::Ready { .. });
            let ready = workers.filter(|(_, worker)| is_ready(worker)).count();
            assert!(ready <= 1, "two at work in slot {slot}: {:?}", self.workers);
            assert_eq!(self.supervisor.is_ready(slot), ready == 1);
            ready_count += ready;
        }
        let is_ready = |worker: &&Worker| matches!(worker.state, State::Ready { .. });
        let more = self
            .workers
            .range(WorkerId::new(self.wanted, 0)..)
            .map(|it| it.1);
        let more = more.filter(is_ready).count();
        assert!(more == 0 || ready_count == 0, "{:?}", self.workers);
        assert_eq!(self.supervisor.ready_count(), ready_count + more);
        // One may be left of a reload that was aborted in another slot.
        assert!(reloaded_slots <= 1, "{:?}", self.workers);
    }
}
