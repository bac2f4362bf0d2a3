//! What a supervisor is told of its workers.

use super::{
    Action, Supervisor,
    asked::Reload,
    slot::{Leaver, State},
};
use std::time::Duration;

impl Supervisor {
    /// A worker says that it can take work.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let options = SupervisorOptions::new().ready_within(Duration::from_secs(2));
    /// let mut supervisor = Supervisor::new(2, options, Duration::ZERO);
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(0, 1, Duration::from_secs(1));
    /// assert!(supervisor.is_ready(0));
    /// // The other one does not say so in time.
    /// supervisor.tick(Duration::from_secs(2));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill { slot: 1, generation: 1 }));
    /// ```
    pub fn ready(&mut self, slot: usize, generation: u64, now: Duration) {
        let until = self.alive_until(now);
        let Some(worker) = self.slots.get_mut(slot) else {
            return;
        };
        if worker.generation == generation {
            if let State::Starting { .. } = worker.state {
                worker.state = State::Ready { since: now, until };
            }
            return;
        }
        if worker.newcomer.is_none_or(|it| it.generation != generation) {
            return;
        }
        let (before, old) = (worker.state, worker.generation);
        worker.newcomer = None;
        worker.generation = generation;
        worker.state = State::Ready { since: now, until };
        let leaver = Leaver {
            slot,
            generation: old,
            until: now.saturating_add(self.options.drain_within),
            is_killed: matches!(before, State::Killed { .. }),
            is_of_reload: true,
        };
        if leaver.is_killed {
            self.leavers.push(leaver);
        } else {
            self.let_go(leaver);
        }
    }

    /// A worker that is ready gives a sign of life. If the next one does not come
    /// [within its time](super::SupervisorOptions::heartbeat_within), it is
    /// killed.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().heartbeat_within(secs(5));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// while supervisor.next_action().is_some() {}
    ///
    /// supervisor.ready(0, 1, secs(1));
    /// supervisor.heartbeat(0, 1, secs(4));
    /// assert_eq!(supervisor.next_deadline(), Some(secs(9)));
    /// supervisor.tick(secs(9));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill { slot: 0, generation: 1 }));
    /// ```
    pub fn heartbeat(&mut self, slot: usize, generation: u64, now: Duration) {
        let alive_until = self.alive_until(now);
        if let Some(worker) = self.slots.get_mut(slot)
            && worker.generation == generation
            && let State::Ready { until, .. } = &mut worker.state
        {
            *until = alive_until;
        }
    }

    /// A worker says that it drains of its own accord, as one does that had a bug:
    /// it takes no more work, finishes what it has, and exits. It is replaced now,
    /// and killed if it [takes too long](super::SupervisorOptions::drain_within).
    /// That it exits then changes nothing more.
    ///
    /// The pause before its replacement is that of an end. But if it was ready, it
    /// does not count towards giving up: such a worker does its work, and one
    /// request was poison to it. Whoever sends that again and again is not to end
    /// the service.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let secs = Duration::from_secs;
    /// let options = SupervisorOptions::new().drain_within(secs(30));
    /// let mut supervisor = Supervisor::new(1, options, secs(0));
    /// while supervisor.next_action().is_some() {}
    /// supervisor.ready(0, 1, secs(1));
    ///
    /// supervisor.draining(0, 1, secs(5));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 2 }));
    /// supervisor.ready(0, 2, secs(6));
    /// supervisor.tick(secs(35));
    /// assert_eq!(supervisor.next_action(), Some(Action::Kill { slot: 0, generation: 1 }));
    /// ```
    pub fn draining(&mut self, slot: usize, generation: u64, now: Duration) {
        let Some(worker) = self.slots.get(slot) else {
            return;
        };
        let mut leaver = Leaver {
            slot,
            generation,
            until: now.saturating_add(self.options.drain_within),
            is_killed: false,
            is_of_reload: false,
        };
        if worker
            .newcomer
            .is_some_and(|it| it.generation == generation)
        {
            leaver.is_of_reload = true;
            self.leavers.push(leaver);
            self.abort_reload(slot, generation, now);
        } else if worker.generation == generation
            && let State::Starting { .. } | State::Ready { .. } = worker.state
        {
            let never_worked = !worker.is_ready();
            self.leavers.push(leaver);
            self.ended(slot, never_worked, now);
        }
    }

    /// A worker has ended, or could not be started: of itself, by a bug, killed.
    ///
    /// ```
    /// # use highwater::scale::{Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), Duration::ZERO);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2);
    /// supervisor.exited(0, 1, Duration::from_secs(1));
    /// assert_eq!(supervisor.generation(0), 2, "that one was replaced already");
    /// ```
    pub fn exited(&mut self, slot: usize, generation: u64, now: Duration) {
        let is_it = |leaver: &Leaver| leaver.slot == slot && leaver.generation == generation;
        if let Some(at) = self.leavers.iter().position(is_it) {
            self.leavers.swap_remove(at);
            self.go_on_with_reload(now);
            return;
        }
        let Some(worker) = self.slots.get(slot) else {
            return;
        };
        if worker
            .newcomer
            .is_some_and(|it| it.generation == generation)
        {
            self.abort_reload(slot, generation, now);
        } else if worker.generation == generation && worker.is_alive() {
            let counts = !worker.has_lasted(self.options.proof(), now);
            self.ended(slot, counts, now);
        }
    }

    /// A slot has lost its worker.
    fn ended(&mut self, slot: usize, counts: bool, now: Duration) {
        if counts && self.is_too_much(now) {
            self.slots[slot].state = State::Ended;
            self.escalate(now);
        } else {
            self.replace(slot, now);
        }
    }

    /// Fills a slot whose worker has ended or goes: with who is there to take the
    /// place, or another one, perhaps later.
    fn replace(&mut self, slot: usize, now: Duration) {
        let is_steady = self.slots[slot].has_lasted(self.options.proof(), now);
        let worker = &mut self.slots[slot];
        if is_steady {
            worker.replaced = 0;
        }
        let replaced = worker.replaced;
        worker.replaced = replaced.saturating_add(1);
        self.restarts += 1;
        if let Some(newcomer) = worker.newcomer.take() {
            let until = newcomer.until;
            worker.generation = newcomer.generation;
            worker.state = State::Starting { until };
            self.go_on_with_reload(now);
            return;
        }
        let pause = self.backoff.pause(replaced);
        if pause.is_zero() {
            self.start(slot, now);
        } else {
            let until = now.saturating_add(pause);
            self.slots[slot].state = State::Waiting { until };
        }
        self.go_on_with_reload(now);
    }

    /// Counts an end, and says whether it is one too many.
    fn is_too_much(&mut self, now: Duration) -> bool {
        let period = self.options.period;
        while let Some(first) = self.ends.front()
            && now.saturating_sub(*first) > period
        {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        self.ends.len() > self.options.restarts
    }

    /// Ends what is left. Who is at work may finish that; nobody waits for those
    /// that are not ready.
    fn escalate(&mut self, now: Duration) {
        self.has_escalated = true;
        self.reload = Reload::None;
        for slot in 0..self.wanted {
            let worker = &mut self.slots[slot];
            let generation = worker.generation;
            let newcomer = worker.newcomer.take();
            if let State::Starting { .. } = worker.state {
                worker.state = State::Ended;
                self.kill(slot, generation, now);
            }
            if let Some(newcomer) = newcomer {
                self.kill(slot, newcomer.generation, now);
            }
            self.empty(slot, self.options.stop_within, now);
        }
        self.hurry(now);
        self.actions.push_back(Action::Escalate);
    }

    /// By when a worker is to give a sign of life.
    fn alive_until(&self, now: Duration) -> Duration {
        now.saturating_add(self.options.heartbeat_within)
    }
}
