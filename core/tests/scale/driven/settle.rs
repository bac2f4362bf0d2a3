//! The final phase of a random history.

use super::{Driver, Event, State, Worker};

impl Driver {
    /// Runs well-behaved workers until the state is stable, then shuts down.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.is_stopping() || self.is_settled() {
                break;
            }
            self.step_well_behaved();
        }
        assert!(
            self.is_stopping() || self.is_settled(),
            "{:?}",
            self.workers
        );
        if !self.is_stopping() {
            assert!(!self.supervisor.is_reloading());
            assert_eq!(self.supervisor.ready_count(), self.wanted);
            self.apply(&Event::Shutdown);
        }
        for _ in 0..100 {
            self.step_well_behaved();
        }
        assert!(self.supervisor.is_stopped());
        assert_eq!(self.supervisor.next_deadline(), None);
    }

    fn is_settled(&self) -> bool {
        let is_ready = |worker: &Worker| matches!(worker.state, State::Ready { .. });
        self.workers.values().all(is_ready) && self.workers.len() == self.wanted
    }

    fn step_well_behaved(&mut self) {
        let ids: Vec<_> = self.workers.keys().copied().collect();
        for id in ids {
            let number = self.workers.keys().position(|it| *it == id);
            let (Some(number), Some(worker)) = (number, self.workers.get(&id)) else {
                continue;
            };
            match worker.state {
                State::Starting => self.apply(&Event::Ready(number)),
                State::Ready { .. } => self.apply(&Event::Heartbeat(number)),
                State::Draining | State::Killed { .. } => self.apply(&Event::Exit(number)),
            }
        }
        let is_waiting = self.workers.len() < self.wanted && !self.is_stopping();
        self.apply(&if is_waiting {
            Event::Deadline
        } else {
            Event::Pass(10)
        });
    }
}
