//! Property test: a pool under random histories, against a model.

use crate::cases;
use futures::FutureExt;
use highwater::scale::{Pool, PoolOptions, PoolStats, Ticket, Work, WorkError};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum Step {
    Submit {
        panics: bool,
    },
    /// The ticket of the n-th work that still has one is dropped.
    Cancel(usize),
    /// A thread runs its work and everything in the queue.
    Run(usize),
    /// A thread drops its work.
    Lose(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::bool::weighted(0.2).prop_map(|panics| Step::Submit { panics }),
        2 => (0_usize..8).prop_map(Step::Cancel),
        2 => (0_usize..4).prop_map(Step::Run),
        1 => (0_usize..4).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 1..80)
}

/// The expected outcome of work.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Pending,
    Done,
    Panicked,
    Cancelled,
    Lost,
}

struct AcceptedWork {
    panics: bool,
    ticket: Option<Ticket<usize>>,
    outcome: Outcome,
}

struct World {
    pool: Pool,
    limits: (usize, usize),
    received: Arc<Mutex<Vec<Work>>>,
    /// The numbers of the work that ran.
    ran: Arc<Mutex<Vec<usize>>>,
    accepted: Vec<AcceptedWork>,
    /// The model: the numbers of the work on each thread and in the queue.
    on_threads: Vec<usize>,
    waiting: Vec<usize>,
    rejected: u64,
}

impl World {
    fn new(limits: (usize, usize)) -> Self {
        let received: Arc<Mutex<Vec<Work>>> = Arc::default();
        let list = Arc::clone(&received);
        let options = PoolOptions::new(limits.0).waiting(limits.1);
        World {
            pool: Pool::new(options, move |work| list.lock().unwrap().push(work)),
            limits,
            received,
            ran: Arc::default(),
            accepted: Vec::new(),
            on_threads: Vec::new(),
            waiting: Vec::new(),
            rejected: 0,
        }
    }

    fn submit(&mut self, panics: bool) {
        let number = self.accepted.len();
        let ran = Arc::clone(&self.ran);
        let ticket = self.pool.try_run(move |_| {
            ran.lock().unwrap().push(number);
            // `resume_unwind` skips the panic hook, which would print thousands of
            // messages.
            if panics {
                std::panic::resume_unwind(Box::new("a bug"));
            }
            number
        });
        let (running, waiting) = self.limits;
        let is_free = self.on_threads.len() < running;
        let has_room = is_free || self.waiting.len() < waiting;
        assert_eq!(ticket.is_ok(), has_room);
        let Ok(ticket) = ticket else {
            self.rejected += 1;
            return;
        };
        self.waiting.push(number);
        if is_free {
            // The oldest work in the queue starts.
            self.on_threads.push(self.waiting.remove(0));
        }
        self.accepted.push(AcceptedWork {
            panics,
            ticket: Some(ticket),
            outcome: Outcome::Pending,
        });
    }

    fn cancel(&mut self, index: usize) {
        let mut work_with_ticket = self.accepted.iter_mut().filter(|it| it.ticket.is_some());
        let Some(accepted) = work_with_ticket.nth(index) else {
            return;
        };
        accepted.ticket = None;
        if accepted.outcome == Outcome::Pending {
            accepted.outcome = Outcome::Cancelled;
        }
        let accepted = &self.accepted;
        self.waiting
            .retain(|number| accepted[*number].outcome == Outcome::Pending);
    }

    fn run(&mut self, thread: usize) {
        let Some(work) = self.take(thread) else {
            return;
        };
        work.run();
        let first = self.on_threads.remove(thread);
        for number in std::iter::once(first).chain(std::mem::take(&mut self.waiting)) {
            let accepted = &mut self.accepted[number];
            if accepted.outcome == Outcome::Pending {
                accepted.outcome = if accepted.panics {
                    Outcome::Panicked
                } else {
                    Outcome::Done
                };
            }
        }
    }

    fn lose(&mut self, thread: usize) {
        let Some(work) = self.take(thread) else {
            return;
        };
        drop(work);
        let mut lost = vec![self.on_threads.remove(thread)];
        if self.on_threads.is_empty() {
            lost.append(&mut self.waiting);
        }
        for number in lost {
            // The pool counts the work as lost even if its ticket was dropped
            // earlier.
            self.accepted[number].outcome = Outcome::Lost;
        }
    }

    fn take(&self, thread: usize) -> Option<Work> {
        let mut received = self.received.lock().unwrap();
        (thread < received.len()).then(|| received.remove(thread))
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let count = |outcome| {
            self.accepted
                .iter()
                .filter(|it| it.outcome == outcome)
                .count() as u64
        };
        let stats = self.pool.stats();
        let PoolStats {
            running, waiting, ..
        } = stats;
        prop_assert!(running <= self.limits.0 && waiting <= self.limits.1);
        prop_assert_eq!(running, self.on_threads.len());
        prop_assert_eq!(waiting, self.waiting.len());
        prop_assert_eq!(stats.rejected, self.rejected);
        prop_assert_eq!(stats.accepted, self.accepted.len() as u64);
        // Cancelled work on a thread is counted once that thread reaches it.
        let cancelled_on_threads = self.on_threads.iter();
        let cancelled_on_threads =
            cancelled_on_threads.filter(|it| self.accepted[**it].outcome == Outcome::Cancelled);
        let cancelled = count(Outcome::Cancelled) - cancelled_on_threads.count() as u64;
        let outcome_counts = [stats.done, stats.panicked, stats.cancelled, stats.lost];
        let expected = [
            count(Outcome::Done),
            count(Outcome::Panicked),
            cancelled,
            count(Outcome::Lost),
        ];
        prop_assert_eq!(outcome_counts, expected);
        let accounted = outcome_counts.iter().sum::<u64>() + (running + waiting) as u64;
        prop_assert_eq!(stats.accepted, accounted);
        let mut ran = self.ran.lock().unwrap().clone();
        ran.sort_unstable();
        let has_run = |it: &AcceptedWork| matches!(it.outcome, Outcome::Done | Outcome::Panicked);
        let expected = self
            .accepted
            .iter()
            .enumerate()
            .filter(|(_, it)| has_run(it));
        prop_assert!(ran.into_iter().eq(expected.map(|(number, _)| number)));
        for (number, accepted) in self.accepted.iter_mut().enumerate() {
            let Some(ticket) = &mut accepted.ticket else {
                continue;
            };
            let result = match accepted.outcome {
                Outcome::Pending | Outcome::Cancelled => None,
                Outcome::Done => Some(Ok(number)),
                Outcome::Panicked => Some(Err(WorkError::Panicked {
                    message: "a bug".to_owned(),
                })),
                Outcome::Lost => Some(Err(WorkError::Lost)),
            };
            let polled = ticket.now_or_never();
            prop_assert_eq!(&polled, &result);
            if polled.is_some() {
                accepted.ticket = None;
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases::cases(512))]

    #[test]
    fn each_accepted_work_has_exactly_one_outcome(
        running in 1_usize..4,
        waiting in 0_usize..4,
        steps in steps(),
    ) {
        let mut world = World::new((running, waiting));
        for step in steps {
            match step {
                Step::Submit { panics } => world.submit(panics),
                Step::Cancel(index) => world.cancel(index),
                Step::Run(thread) => world.run(thread),
                Step::Lose(thread) => world.lose(thread),
            }
            world.check()?;
        }
        while !world.on_threads.is_empty() {
            world.run(0);
        }
        world.check()?;
        prop_assert!(world.accepted.iter().all(|it| it.outcome != Outcome::Pending));
    }
}
