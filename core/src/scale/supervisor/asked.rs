//! What a supervisor is asked for.

use super::{
    Action, Supervisor,
    slot::{Leaver, Newcomer, Slot, State},
};
use std::time::Duration;

/// How far a rolling reload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    None,
    UnderWay,
    /// When it is over, another one follows.
    Twice,
}

impl Supervisor {
    /// Replaces all workers, one after the other, while nobody misses them: a new
    /// one is started beside the old one, and when it is ready the old one
    /// [drains](Action::Drain). When that has exited it is the next slot's turn,
    /// so that one worker more than there are slots is all that runs.
    ///
    /// It ends with [`Action::Reloaded`]; or, if a new worker ends or drains
    /// before it is ready, or is not ready in time, with
    /// [`Action::ReloadAborted`], and the old ones that are left go on. That end
    /// counts as none. If an old worker ends meanwhile, the new one beside it has
    /// its place, and other slots are filled as always.
    ///
    /// Asked for while another one is under way, it follows that one, once
    /// however often it was asked for. After [`shutdown`](Self::shutdown) and
    /// after an [escalation](Action::Escalate) it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 1 }));
    /// supervisor.ready(0, 1, ms(10));
    ///
    /// supervisor.reload(ms(500));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 2 }));
    /// assert!(supervisor.is_ready(0), "the old one goes on");
    ///
    /// supervisor.ready(0, 2, ms(510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain { slot: 0, generation: 1 }));
    /// supervisor.exited(0, 1, ms(1_510));
    /// assert_eq!(supervisor.next_action(), Some(Action::Reloaded));
    /// assert_eq!(supervisor.restarts(), 0);
    /// ```
    pub fn reload(&mut self, now: Duration) {
        if self.is_ending() {
            return;
        }
        if self.reload == Reload::None {
            self.begin_reload(now);
        } else {
            self.reload = Reload::Twice;
        }
    }

    /// Wants that many workers from now on. New slots start theirs at once. Of
    /// the last slots, those that are too many drain.
    ///
    /// After [`shutdown`](Self::shutdown) and after an
    /// [escalation](Action::Escalate) it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let mut supervisor = Supervisor::new(1, SupervisorOptions::new(), ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 1 }));
    ///
    /// supervisor.scale_to(2, ms(10));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 1, generation: 1 }));
    /// supervisor.scale_to(1, ms(20));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain { slot: 1, generation: 1 }));
    /// assert_eq!(supervisor.slots(), 1);
    /// ```
    pub fn scale_to(&mut self, slots: usize, now: Duration) {
        if self.is_ending() {
            return;
        }
        let before = std::mem::replace(&mut self.wanted, slots);
        if self.slots.len() < slots {
            self.slots.resize(slots, Slot::new());
        }
        for slot in before..slots {
            self.start(slot, now);
        }
        let patience = self.options.drain_within;
        for slot in slots..before {
            self.empty(slot, patience, now);
        }
        self.go_on_with_reload(now);
    }

    /// Ends: all workers drain, and from now on none is started. Who has not
    /// exited in time is killed. Once it [`is_stopped`](Self::is_stopped) there
    /// are none.
    ///
    /// A reload under way is dropped, and nothing more is told of it. Called
    /// again, or after an [escalation](Action::Escalate), it does nothing.
    ///
    /// ```
    /// # use highwater::scale::{Action, Supervisor, SupervisorOptions};
    /// # use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let options = SupervisorOptions::new().stop_within(ms(3_000));
    /// let mut supervisor = Supervisor::new(1, options, ms(0));
    /// assert_eq!(supervisor.next_action(), Some(Action::Start { slot: 0, generation: 1 }));
    /// supervisor.ready(0, 1, ms(10));
    ///
    /// supervisor.shutdown(ms(500));
    /// assert_eq!(supervisor.next_action(), Some(Action::Drain { slot: 0, generation: 1 }));
    /// assert_eq!(supervisor.next_deadline(), Some(ms(3_500)));
    /// supervisor.exited(0, 1, ms(700));
    /// assert!(supervisor.is_stopped());
    /// ```
    pub fn shutdown(&mut self, now: Duration) {
        if self.is_ending() {
            return;
        }
        self.is_shut_down = true;
        self.reload = Reload::None;
        for slot in 0..self.wanted {
            self.empty(slot, self.options.stop_within, now);
        }
        self.hurry(now);
    }

    /// Starts what a reload wants next, unless it has to wait for something; or
    /// tells that it is complete.
    pub(super) fn go_on_with_reload(&mut self, now: Duration) {
        let waits = self.slots.iter().any(|slot| slot.newcomer.is_some())
            || self.leavers.iter().any(|leaver| leaver.is_of_reload);
        if self.reload == Reload::None || waits {
            return;
        }
        let wanted = &mut self.slots[..self.wanted];
        let is_anyone_dying = wanted.iter().any(Slot::is_dying);
        let Some((slot, worker)) = (0..).zip(wanted).find(|(_, worker)| worker.is_stale()) else {
            if is_anyone_dying {
                // Once it has exited it is replaced, and this comes here again.
                return;
            }
            self.actions.push_back(Action::Reloaded);
            self.end_reload(now);
            return;
        };
        worker.started += 1;
        let generation = worker.started;
        worker.newcomer = Some(Newcomer {
            generation,
            until: now.saturating_add(self.options.ready_within),
        });
        self.actions.push_back(Action::Start { slot, generation });
    }

    /// Tells that a reload goes no further. The newcomer is none any more.
    pub(super) fn abort_reload(&mut self, slot: usize, generation: u64, now: Duration) {
        self.slots[slot].newcomer = None;
        self.actions
            .push_back(Action::ReloadAborted { slot, generation });
        self.end_reload(now);
    }

    /// Has a worker drain that has no place any more.
    pub(super) fn let_go(&mut self, leaver: Leaver) {
        let Leaver {
            slot, generation, ..
        } = leaver;
        self.leavers.push(leaver);
        self.actions.push_back(Action::Drain { slot, generation });
    }

    /// Has a worker killed that has no place any more.
    pub(super) fn kill(&mut self, slot: usize, generation: u64, now: Duration) {
        self.leavers.push(Leaver {
            slot,
            generation,
            until: now,
            is_killed: true,
            is_of_reload: true,
        });
        self.actions.push_back(Action::Kill { slot, generation });
    }

    /// Whoever drains has no more time than there is for a stop.
    pub(super) fn hurry(&mut self, now: Duration) {
        let until = now.saturating_add(self.options.stop_within);
        for leaver in &mut self.leavers {
            leaver.until = leaver.until.min(until);
        }
    }

    /// Sees to it that nobody is left in a slot, and nobody comes.
    pub(super) fn empty(&mut self, slot: usize, patience: Duration, now: Duration) {
        let worker = &mut self.slots[slot];
        let newcomer = worker.newcomer.take();
        let state = std::mem::replace(&mut worker.state, State::Ended);
        let mut leaver = Leaver {
            slot,
            generation: worker.generation,
            until: now.saturating_add(patience),
            is_killed: false,
            is_of_reload: false,
        };
        match state {
            State::Starting { .. } | State::Ready { .. } => self.let_go(leaver),
            State::Killed { .. } => {
                leaver.is_killed = true;
                self.leavers.push(leaver);
            }
            State::Waiting { .. } | State::Ended => {}
        }
        if let Some(newcomer) = newcomer {
            leaver.generation = newcomer.generation;
            leaver.is_killed = false;
            self.let_go(leaver);
        }
    }

    /// Begins the one that was asked for meanwhile.
    fn end_reload(&mut self, now: Duration) {
        let follows = self.reload == Reload::Twice;
        self.reload = Reload::None;
        if follows {
            self.begin_reload(now);
        }
    }

    fn begin_reload(&mut self, now: Duration) {
        self.reload = Reload::UnderWay;
        for slot in 0..self.wanted {
            let worker = &mut self.slots[slot];
            worker.fresh_from = worker.started + 1;
            // Perhaps what made the others end was just mended.
            if let State::Waiting { .. } = worker.state {
                self.start(slot, now);
            }
        }
        self.go_on_with_reload(now);
    }
}
