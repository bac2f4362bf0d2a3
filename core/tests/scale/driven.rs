//! A driver that checks a supervisor against a model.

mod event;
mod settle;
mod worker;

pub(crate) use event::{Event, event};
use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
use std::{collections::BTreeMap, time::Duration};
use worker::{Role, STABLE_AFTER, State, Worker};

const MAX_RESTARTS: usize = 4;
const PERIOD: Duration = Duration::from_secs(5);
const READY_WITHIN: Duration = Duration::from_secs(2);
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(4);
const DRAIN_WITHIN: Duration = Duration::from_secs(6);
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Drives a supervisor and checks its actions.
pub(crate) struct Driver {
    supervisor: Supervisor,
    now: Duration,
    wanted: usize,
    /// The workers that have not exited.
    workers: BTreeMap<WorkerId, Worker>,
    generations: BTreeMap<usize, u64>,
    /// The times of restarts of unstable workers, by slot.
    restarts: BTreeMap<usize, Vec<Duration>>,
    is_shut_down: bool,
    has_escalated: bool,
    /// The generations at the start of the current reload.
    before_reload: BTreeMap<usize, u64>,
    is_reload_queued: bool,
}

impl Driver {
    pub(crate) fn new(slots: usize) -> Self {
        let options = SupervisorOptions::new()
            .intensity(MAX_RESTARTS, PERIOD)
            .stable_after(STABLE_AFTER)
            .ready_within(READY_WITHIN)
            .heartbeat_within(HEARTBEAT_WITHIN)
            .drain_within(DRAIN_WITHIN)
            .stop_within(STOP_WITHIN);
        let mut driver = Driver {
            supervisor: Supervisor::new(slots, options, Duration::ZERO),
            now: Duration::ZERO,
            wanted: slots,
            workers: BTreeMap::new(),
            generations: BTreeMap::new(),
            restarts: BTreeMap::new(),
            is_shut_down: false,
            has_escalated: false,
            before_reload: BTreeMap::new(),
            is_reload_queued: false,
        };
        driver.process_actions(&Event::Pass(0));
        driver
    }

    fn pick(&self, number: usize) -> Option<WorkerId> {
        let count = self.workers.len().max(1);
        self.workers.keys().nth(number % count).copied()
    }

    pub(crate) fn apply(&mut self, event: &Event) {
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
                if let Some(id) = self.pick(number) {
                    self.supervisor.heartbeat(id, self.now);
                    let worker = self.workers.get_mut(&id).unwrap();
                    if let State::Ready { .. } = worker.state {
                        worker.until = self.now + HEARTBEAT_WITHIN;
                    }
                }
            }
            Event::Retire(number) => self.retire(number, was_reloading),
            Event::Exit(number) => self.exit(number),
            Event::Resumed(paused) => self.resume(Duration::from_millis(paused)),
            Event::Stale(slot) => self.send_stale_reports(slot % 4),
            Event::Reload => {
                if was_reloading {
                    self.is_reload_queued = true;
                } else {
                    self.before_reload = self.generations.clone();
                }
                self.supervisor.reload(self.now);
            }
            Event::Scale(slots) => {
                self.supervisor.scale_to(slots, self.now);
                if !self.is_stopping() {
                    self.wanted = slots;
                    self.scale(slots);
                }
            }
            Event::Shutdown => {
                self.supervisor.shutdown(self.now);
                if !self.is_stopping() {
                    self.shorten_drains();
                    self.is_shut_down = true;
                }
            }
        }
        self.process_actions(event);
        self.check();
        let must_keep_serving = matches!(
            event,
            Event::Ready(_)
                | Event::Heartbeat(_)
                | Event::Retire(_)
                | Event::Reload
                | Event::Resumed(_)
                | Event::Stale(_)
        );
        if must_keep_serving
            || (was_reloading && matches!(event, Event::Exit(_)) && ready_before > 1)
        {
            let has_ready_worker = self.supervisor.ready_count() > 0 || ready_before == 0;
            assert!(
                has_ready_worker || self.has_escalated,
                "no worker is ready after {event:?}"
            );
        }
    }

    /// Updates the roles: surplus workers drain, unless they are ready and no
    /// remaining worker is.
    fn scale(&mut self, slots: usize) {
        for (id, worker) in &mut self.workers {
            if id.slot < slots && worker.role == Role::Surplus {
                worker.role = Role::Current;
            }
        }
        let needs_surplus_worker = slots > 0 && !self.has_ready_worker_below(slots);
        let mut kept_slot = None;
        let mut slots_with_replacement = Vec::new();
        for (id, worker) in self.workers.range_mut(WorkerId::new(slots, 0)..) {
            let is_ready = matches!(worker.state, State::Ready { .. });
            worker.role = match worker.role {
                Role::LeavingForReload => Role::LeavingForReload,
                Role::Current | Role::Surplus if is_ready && needs_surplus_worker => {
                    kept_slot = Some(id.slot);
                    Role::Surplus
                }
                Role::Replacement if kept_slot == Some(id.slot) => {
                    slots_with_replacement.push(id.slot);
                    Role::Replacement
                }
                _ => Role::Leaving,
            };
        }
        for (id, worker) in self.workers.range_mut(WorkerId::new(slots, 0)..) {
            worker.is_retiring &= slots_with_replacement.contains(&id.slot);
        }
    }

    fn has_ready_worker_below(&self, slots: usize) -> bool {
        let mut remaining_workers = self.workers.range(..WorkerId::new(slots, 0));
        remaining_workers.any(|(_, worker)| matches!(worker.state, State::Ready { .. }))
    }

    fn ready(&mut self, number: usize, is_reloading: bool) {
        let Some(id) = self.pick(number) else {
            return;
        };
        self.supervisor.ready(id, self.now);
        let last_old_generation = self.before_reload.get(&id.slot).copied().unwrap_or(0);
        let worker = self.workers.get_mut(&id).unwrap();
        if worker.state == State::Starting {
            worker.state = State::Ready { since: self.now };
            worker.until = self.now + HEARTBEAT_WITHIN;
            if worker.role == Role::Replacement {
                worker.role = if id.slot < self.wanted {
                    Role::Current
                } else {
                    Role::Surplus
                };
                let old = self.workers.range_mut(WorkerId::new(id.slot, 0)..id);
                let old = old.filter(|(_, old)| matches!(old.role, Role::Current | Role::Surplus));
                old.for_each(|(id, old)| {
                    old.role = if is_reloading && id.generation <= last_old_generation {
                        Role::LeavingForReload
                    } else {
                        Role::Leaving
                    };
                });
            }
        }
    }

    /// Reports that a worker requests its replacement.
    fn retire(&mut self, number: usize, is_reloading: bool) {
        let Some(id) = self.pick(number) else {
            return;
        };
        self.supervisor.retire(id, self.now);
        let worker = self.workers.get_mut(&id).unwrap();
        match worker.state {
            State::Starting => {
                let before = worker.role;
                worker.role = if is_reloading {
                    Role::LeavingForReload
                } else {
                    Role::Leaving
                };
                self.on_worker_failed(id.slot, before);
            }
            State::Ready { .. } if !worker.is_retiring && worker.role == Role::Current => {
                worker.is_retiring = true;
                let is_stable = worker.is_stable(self.now);
                self.record_restart(id.slot, is_stable);
            }
            _ => {}
        }
    }

    fn exit(&mut self, number: usize) {
        let Some(id) = self.pick(number) else {
            return;
        };
        self.supervisor.exited(id, self.now);
        let worker = self.workers.remove(&id).unwrap();
        match worker.role {
            Role::Current if worker.is_retiring => self.promote_replacement(id.slot),
            Role::Current if worker.is_stable(self.now) => self.promote_replacement(id.slot),
            role => self.on_worker_failed(id.slot, role),
        }
    }

    /// Updates the model after a worker of this role was lost before it was stable.
    fn on_worker_failed(&mut self, slot: usize, role: Role) {
        match role {
            Role::Current => {
                self.promote_replacement(slot);
                self.record_restart(slot, false);
            }
            Role::Replacement => {
                let in_slot = self
                    .workers
                    .range_mut(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
                let remaining_workers = in_slot.filter(|(_, worker)| worker.role == Role::Surplus);
                remaining_workers.for_each(|(_, worker)| worker.is_retiring = false);
                let mut in_slot = self
                    .workers
                    .range(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
                let is_current = |it: &(_, &Worker)| it.1.role == Role::Current;
                let current = in_slot.find(is_current).map(|(_, current)| *current);
                if let Some(current) = current.filter(|current| current.is_retiring) {
                    self.record_restart(slot, current.is_stable(self.now));
                }
            }
            Role::Surplus | Role::LeavingForReload | Role::Leaving => {}
        }
    }

    fn record_restart(&mut self, slot: usize, is_stable: bool) {
        if !is_stable {
            self.restarts.entry(slot).or_default().push(self.now);
        }
    }

    /// Resumes the supervisor after a suspension.
    fn resume(&mut self, paused: Duration) {
        self.now += paused;
        self.supervisor.resumed(paused, self.now);
        for worker in self.workers.values_mut() {
            match worker.state {
                State::Starting => worker.until = self.now + READY_WITHIN,
                State::Ready { .. } => worker.until = self.now + HEARTBEAT_WITHIN,
                State::Draining => worker.until += paused,
                State::Killed { .. } => {}
            }
        }
        self.supervisor.tick(self.now);
    }

    /// Makes the replacement of a slot its current worker.
    fn promote_replacement(&mut self, slot: usize) {
        let in_slot = self
            .workers
            .range_mut(WorkerId::new(slot, 0)..WorkerId::new(slot + 1, 0));
        in_slot
            .filter(|(_, worker)| worker.role == Role::Replacement)
            .for_each(|(_, worker)| worker.role = Role::Current);
    }

    fn send_stale_reports(&mut self, slot: usize) {
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

    fn process_actions(&mut self, event: &Event) {
        while let Some(action) = self.supervisor.next_action() {
            let is_stopping = self.is_stopping();
            match action {
                Action::Start(id) => {
                    let WorkerId { slot, generation } = id;
                    assert!(!is_stopping && slot < self.wanted, "{action:?}");
                    let last = self.generations.entry(slot).or_default();
                    *last += 1;
                    assert_eq!(generation, *last);
                    let mut workers = self.workers.iter();
                    let has_current_worker =
                        workers.any(|(id, worker)| id.slot == slot && worker.role == Role::Current);
                    let worker = Worker {
                        state: State::Starting,
                        until: self.now + READY_WITHIN,
                        role: if has_current_worker {
                            Role::Replacement
                        } else {
                            Role::Current
                        },
                        is_retiring: false,
                    };
                    self.workers.insert(id, worker);
                }
                Action::Drain(id) => self.drain(id, event),
                Action::Kill(id) => {
                    let is_escalating = self.recent_restarts() > MAX_RESTARTS;
                    let now = self.now;
                    let worker = self.workers.get_mut(&id).unwrap();
                    let was_stable = worker.is_stable(now);
                    let is_killed = matches!(worker.state, State::Killed { .. });
                    assert!(!is_killed, "{action:?} again");
                    let is_killed_by_escalation = is_escalating && worker.state == State::Starting;
                    assert!(
                        worker.until <= now || is_killed_by_escalation,
                        "{action:?} too early"
                    );
                    worker.state = State::Killed { was_stable };
                    if worker.role == Role::Surplus {
                        worker.role = Role::Leaving;
                    }
                    if worker.role == Role::Replacement {
                        worker.role = Role::LeavingForReload;
                        if !is_escalating {
                            self.on_worker_failed(id.slot, Role::Replacement);
                        }
                    }
                }
                Action::Reloaded | Action::ReloadAborted(_) => {
                    assert!(!is_stopping, "{action:?}");
                    if action == Action::Reloaded {
                        self.check_reloaded();
                    }
                    if std::mem::take(&mut self.is_reload_queued) {
                        self.before_reload = self.generations.clone();
                    }
                }
                Action::Escalate => {
                    assert!(!is_stopping, "escalated twice");
                    assert_eq!(self.recent_restarts(), MAX_RESTARTS + 1);
                    self.shorten_drains();
                    self.has_escalated = true;
                }
            }
        }
        self.supervisor.tick(self.now);
        let extra_action = self.supervisor.next_action();
        assert_eq!(extra_action, None, "an immediate tick changes nothing");
    }

    /// Checks that old workers remain after a reload only if they are exiting for
    /// another reason.
    fn check_reloaded(&self) {
        for (id, worker) in &self.workers {
            let last_old_generation = self.before_reload.get(&id.slot).copied().unwrap_or(0);
            let is_new = id.generation > last_old_generation;
            assert!(is_new || worker.role == Role::Leaving, "{:?}", self.workers);
        }
    }

    fn drain(&mut self, id: WorkerId, event: &Event) {
        let is_escalating = self.recent_restarts() > MAX_RESTARTS;
        let is_replaced = self.workers.iter().any(|(it, worker)| {
            it.slot == id.slot
                && it.generation > id.generation
                && matches!(worker.state, State::Ready { .. })
        });
        let worker = self.workers.get_mut(&id).unwrap();
        assert!(matches!(
            worker.state,
            State::Starting | State::Ready { .. }
        ));
        worker.state = State::Draining;
        match event {
            _ if id.slot >= self.wanted && !self.is_shut_down => {
                worker.role = Role::Leaving;
                worker.until = self.now + DRAIN_WITHIN;
            }
            _ if self.is_shut_down || is_escalating => worker.until = self.now + STOP_WITHIN,
            Event::Scale(_) | Event::Retire(_) => worker.until = self.now + DRAIN_WITHIN,
            _ => {
                assert!(is_replaced, "{id:?} drains without a replacement");
                worker.until = self.now + DRAIN_WITHIN;
            }
        }
    }

    /// Limits the remaining time of draining workers to `STOP_WITHIN`.
    fn shorten_drains(&mut self) {
        let until = self.now + STOP_WITHIN;
        for worker in self.workers.values_mut() {
            if worker.state == State::Draining {
                worker.until = worker.until.min(until);
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_shut_down || self.has_escalated
    }

    /// Returns the largest number of recent restarts in any slot.
    fn recent_restarts(&self) -> usize {
        let in_period = |end: &&Duration| self.now.saturating_sub(**end) <= PERIOD;
        let counts = self.restarts.values();
        let counts = counts.map(|restarts| restarts.iter().filter(in_period).count());
        counts.max().unwrap_or(0)
    }

    fn check(&self) {
        let deadline = self.supervisor.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now));
        assert_eq!(self.supervisor.has_escalated(), self.has_escalated);
        assert_eq!(self.supervisor.slots(), self.wanted);
        let is_stopped = self.is_stopping() && self.workers.is_empty();
        assert_eq!(self.supervisor.is_stopped(), is_stopped);
        for (id, worker) in &self.workers {
            let is_killed = matches!(worker.state, State::Killed { .. });
            assert!(is_killed || self.now < worker.until, "{id:?} {worker:?}");
        }
        if self.is_stopping() {
            let is_active =
                |worker: &Worker| matches!(worker.state, State::Starting | State::Ready { .. });
            assert!(!self.workers.values().any(is_active));
            assert!(!self.supervisor.is_reloading());
            return;
        }
        assert!(
            self.recent_restarts() <= MAX_RESTARTS,
            "too many restarts without an escalation"
        );
        let (mut ready_count, mut reloaded_slots) = (0, 0);
        for slot in 0..self.wanted {
            let in_slot = |it: &(&WorkerId, &Worker)| it.0.slot == slot;
            let workers = self.workers.iter().filter(in_slot);
            let roles = |wanted_role: Role| {
                let wanted_role = move |it: &(&WorkerId, &Worker)| it.1.role == wanted_role;
                workers.clone().filter(wanted_role)
            };
            let (current_workers, replacement_count) =
                (roles(Role::Current), roles(Role::Replacement).count());
            let is_retiring = current_workers
                .clone()
                .any(|(_, current)| current.is_retiring);
            let worker_count = current_workers.count() + replacement_count;
            assert!(
                worker_count <= 2 && replacement_count <= 1,
                "{:?}",
                self.workers
            );
            reloaded_slots += usize::from(replacement_count > 0 && !is_retiring);
            // An empty slot has a deadline for its next worker.
            assert!(worker_count > 0 || deadline.is_some());
            let is_ready = |worker: &Worker| matches!(worker.state, State::Ready { .. });
            let ready = workers.filter(|(_, worker)| is_ready(worker)).count();
            assert!(
                ready <= 1,
                "two ready workers in slot {slot}: {:?}",
                self.workers
            );
            assert_eq!(self.supervisor.is_ready(slot), ready == 1);
            ready_count += ready;
        }
        let is_ready = |worker: &&Worker| matches!(worker.state, State::Ready { .. });
        let surplus_ready_count = self
            .workers
            .range(WorkerId::new(self.wanted, 0)..)
            .map(|it| it.1);
        let surplus_ready_count = surplus_ready_count.filter(is_ready).count();
        assert!(
            surplus_ready_count == 0 || ready_count == 0,
            "{:?}",
            self.workers
        );
        assert_eq!(
            self.supervisor.ready_count(),
            ready_count + surplus_ready_count
        );
        // A reload replaces one slot at a time; one replacement may remain from an
        // aborted reload.
        assert!(reloaded_slots <= 1, "{:?}", self.workers);
    }
}
