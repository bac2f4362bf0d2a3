//! A pool under random histories: whatever is accepted ends once, and in the way
//! that its history says.

use crate::cases;
use futures::FutureExt;
use highwater::scale::{Pool, PoolOptions, PoolStats, Ticket, Work, WorkError};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum Step {
    Ask {
        panics: bool,
    },
    /// Drops the ticket of the oldest that has one, or of a later one.
    Cancel(usize),
    /// A thread runs what it was handed, and all that waits.
    Run(usize),
    /// A thread drops what it was handed.
    Lose(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::bool::weighted(0.2).prop_map(|panics| Step::Ask { panics }),
        2 => (0_usize..8).prop_map(Step::Cancel),
        2 => (0_usize..4).prop_map(Step::Run),
        1 => (0_usize..4).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is to become of work.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    Done,
    Panicked,
    Cancelled,
    Lost,
}

struct Asked {
    panics: bool,
    ticket: Option<Ticket<usize>>,
    fate: Fate,
}

struct World {
    pool: Pool,
    limits: (usize, usize),
    handed: Arc<Mutex<Vec<Work>>>,
    /// How often each was run.
    ran: Arc<Mutex<Vec<usize>>>,
    asked: Vec<Asked>,
    /// The model: numbers of what is with a thread, by thread, and of what waits.
    with_threads: Vec<usize>,
    waiting: Vec<usize>,
    rejected: u64,
}

impl World {
    fn new(limits: (usize, usize)) -> Self {
        let handed: Arc<Mutex<Vec<Work>>> = Arc::default();
        let list = Arc::clone(&handed);
        let options = PoolOptions::new(limits.0).waiting(limits.1);
        World {
            pool: Pool::new(options, move |work| list.lock().unwrap().push(work)),
            limits,
            handed,
            ran: Arc::default(),
            asked: Vec::new(),
            with_threads: Vec::new(),
            waiting: Vec::new(),
            rejected: 0,
        }
    }

    fn ask(&mut self, panics: bool) {
        let number = self.asked.len();
        let ran = Arc::clone(&self.ran);
        let ticket = self.pool.try_run(move |_| {
            ran.lock().unwrap().push(number);
            // No message, no hook: a property test would print thousands.
            if panics {
                std::panic::resume_unwind(Box::new("a bug"));
            }
            number
        });
        let (running, waiting) = self.limits;
        let is_free = self.with_threads.len() < running;
        let has_room = is_free || self.waiting.len() < waiting;
        assert_eq!(ticket.is_ok(), has_room);
        let Ok(ticket) = ticket else {
            self.rejected += 1;
            return;
        };
        self.waiting.push(number);
        if is_free {
            // Of those that wait, the first.
            self.with_threads.push(self.waiting.remove(0));
        }
        self.asked.push(Asked {
            panics,
            ticket: Some(ticket),
            fate: Fate::Open,
        });
    }

    fn cancel(&mut self, place: usize) {
        let mut with_ticket = self.asked.iter_mut().filter(|it| it.ticket.is_some());
        let Some(asked) = with_ticket.nth(place) else {
            return;
        };
        asked.ticket = None;
        if asked.fate == Fate::Open {
            asked.fate = Fate::Cancelled;
        }
        let asked = &self.asked;
        self.waiting
            .retain(|number| asked[*number].fate == Fate::Open);
    }

    fn run(&mut self, thread: usize) {
        let Some(work) = self.take(thread) else {
            return;
        };
        work.run();
        let first = self.with_threads.remove(thread);
        for number in std::iter::once(first).chain(std::mem::take(&mut self.waiting)) {
            let asked = &mut self.asked[number];
            if asked.fate == Fate::Open {
                asked.fate = if asked.panics {
                    Fate::Panicked
                } else {
                    Fate::Done
                };
            }
        }
    }

    fn lose(&mut self, thread: usize) {
        let Some(work) = self.take(thread) else {
            return;
        };
        drop(work);
        let mut lost = vec![self.with_threads.remove(thread)];
        if self.with_threads.is_empty() {
            lost.append(&mut self.waiting);
        }
        for number in lost {
            // Whoever cancelled it need not know, but the count has it as lost.
            self.asked[number].fate = Fate::Lost;
        }
    }

    fn take(&self, thread: usize) -> Option<Work> {
        let mut handed = self.handed.lock().unwrap();
        (thread < handed.len()).then(|| handed.remove(thread))
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let count = |fate| self.asked.iter().filter(|it| it.fate == fate).count() as u64;
        let stats = self.pool.stats();
        let PoolStats {
            running, waiting, ..
        } = stats;
        prop_assert!(running <= self.limits.0 && waiting <= self.limits.1);
        prop_assert_eq!(running, self.with_threads.len());
        prop_assert_eq!(waiting, self.waiting.len());
        prop_assert_eq!(stats.rejected, self.rejected);
        prop_assert_eq!(stats.accepted, self.asked.len() as u64);
        // One that was cancelled on its way to a thread counts when it gets there.
        let on_the_way = self.with_threads.iter();
        let on_the_way = on_the_way.filter(|it| self.asked[**it].fate == Fate::Cancelled);
        let cancelled = count(Fate::Cancelled) - on_the_way.count() as u64;
        let ended = [stats.done, stats.panicked, stats.cancelled, stats.lost];
        let expected = [
            count(Fate::Done),
            count(Fate::Panicked),
            cancelled,
            count(Fate::Lost),
        ];
        prop_assert_eq!(ended, expected);
        let all = ended.iter().sum::<u64>() + (running + waiting) as u64;
        prop_assert_eq!(stats.accepted, all);
        let mut ran = self.ran.lock().unwrap().clone();
        ran.sort_unstable();
        let has_run = |it: &Asked| matches!(it.fate, Fate::Done | Fate::Panicked);
        let expected = self.asked.iter().enumerate().filter(|(_, it)| has_run(it));
        prop_assert!(ran.into_iter().eq(expected.map(|(number, _)| number)));
        for (number, asked) in self.asked.iter_mut().enumerate() {
            let Some(ticket) = &mut asked.ticket else {
                continue;
            };
            let result = match asked.fate {
                Fate::Open | Fate::Cancelled => None,
                Fate::Done => Some(Ok(number)),
                Fate::Panicked => Some(Err(WorkError::Panicked {
                    message: "a bug".to_owned(),
                })),
                Fate::Lost => Some(Err(WorkError::Lost)),
            };
            let told = ticket.now_or_never();
            prop_assert_eq!(&told, &result);
            if told.is_some() {
                asked.ticket = None;
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases::cases(512))]

    #[test]
    fn each_accepted_work_ends_exactly_once(
        running in 1_usize..4,
        waiting in 0_usize..4,
        steps in steps(),
    ) {
        let mut world = World::new((running, waiting));
        for step in steps {
            match step {
                Step::Ask { panics } => world.ask(panics),
                Step::Cancel(place) => world.cancel(place),
                Step::Run(thread) => world.run(thread),
                Step::Lose(thread) => world.lose(thread),
            }
            world.check()?;
        }
        while !world.with_threads.is_empty() {
            world.run(0);
        }
        world.check()?;
        prop_assert!(world.asked.iter().all(|it| it.fate != Fate::Open));
    }
}
