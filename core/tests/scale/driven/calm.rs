//! How a history ends.

use super::{Driver, Event, State, Worker};

impl Driver {
    /// From now on all workers do what they should. All comes to its end.
    pub(crate) fn calm_down(&mut self) {
        for _ in 0..10_000 {
            if self.is_over() || self.is_calm() {
                break;
            }
            self.behave();
        }
        assert!(self.is_over() || self.is_calm(), "{:?}", self.workers);
        if !self.is_over() {
            assert!(!self.supervisor.is_reloading());
            assert_eq!(self.supervisor.ready_count(), self.wanted);
            self.happen(&Event::Shutdown);
        }
        for _ in 0..100 {
            self.behave();
        }
        assert!(self.supervisor.is_stopped());
        assert_eq!(self.supervisor.next_deadline(), None);
    }

    fn is_calm(&self) -> bool {
        let is_ready = |worker: &Worker| matches!(worker.state, State::Ready { .. });
        self.workers.values().all(is_ready) && self.workers.len() == self.wanted
    }

    fn behave(&mut self) {
        let names: Vec<_> = self.workers.keys().copied().collect();
        for name in names {
            let number = self.workers.keys().position(|it| *it == name);
            let (Some(number), Some(worker)) = (number, self.workers.get(&name)) else {
                continue;
            };
            match worker.state {
                State::Starting => self.happen(&Event::Ready(number)),
                State::Ready { .. } => self.happen(&Event::Heartbeat(number)),
                State::Drains | State::Killed { .. } => self.happen(&Event::Exit(number)),
            }
        }
        let is_waiting = self.workers.len() < self.wanted && !self.is_over();
        self.happen(&if is_waiting {
            Event::Deadline
        } else {
            Event::Pass(10)
        });
    }
}
