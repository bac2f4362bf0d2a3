//! A supervisor under scripts and under random histories.

use highwater::scale::{Action, Supervisor, SupervisorOptions};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn actions(supervisor: &mut Supervisor) -> Vec<Action> {
    std::iter::from_fn(|| supervisor.next_action()).collect()
}

/// Two slots, both started and ready.
fn two_at_work(options: SupervisorOptions) -> Supervisor {
    let mut supervisor = Supervisor::new(2, options, ms(0));
    let started = [0, 1].map(|slot| Action::Start {
        slot,
        generation: 1,
    });
    assert_eq!(actions(&mut supervisor), started);
    supervisor.ready(0, 1, ms(10));
    supervisor.ready(1, 1, ms(10));
    supervisor
}

#[test]
fn the_end_of_one_concerns_its_slot_alone() {
    let mut supervisor = two_at_work(SupervisorOptions::new());
    assert_eq!(supervisor.next_deadline(), None);
    supervisor.exited(1, 1, ms(20));
    let again = Action::Start {
        slot: 1,
        generation: 2,
    };
    assert_eq!(actions(&mut supervisor), [again]);
    assert!(supervisor.is_ready(0) && !supervisor.is_ready(1));
    assert_eq!(supervisor.generation(0), 1);
    assert_eq!(supervisor.generation(1), 2);
    assert_eq!(supervisor.restarts(), 1);
}

#[test]
fn late_news_and_news_of_nobody_change_nothing() {
    let mut supervisor = two_at_work(SupervisorOptions::new());
    supervisor.exited(0, 1, ms(20));
    assert_eq!(actions(&mut supervisor).len(), 1);
    supervisor.exited(0, 1, ms(21));
    supervisor.ready(0, 1, ms(21));
    supervisor.exited(1, 7, ms(21));
    supervisor.exited(9, 1, ms(21));
    supervisor.ready(9, 1, ms(21));
    supervisor.tick(ms(21));
    assert_eq!(actions(&mut supervisor), []);
    assert!(!supervisor.is_ready(0) && !supervisor.is_ready(9));
    assert_eq!((supervisor.restarts(), supervisor.generation(9)), (1, 0));
}

#[test]
fn who_is_not_ready_in_time_is_killed_once_and_replaced_when_gone() {
    let options = SupervisorOptions::new().ready_within(ms(300));
    let mut supervisor = Supervisor::new(1, options, ms(0));
    assert_eq!(actions(&mut supervisor).len(), 1);
    assert_eq!(supervisor.next_deadline(), Some(ms(300)));
    supervisor.tick(ms(299));
    assert_eq!(actions(&mut supervisor), []);
    supervisor.tick(ms(300));
    supervisor.tick(ms(400));
    let kill = Action::Kill {
        slot: 0,
        generation: 1,
    };
    assert_eq!(actions(&mut supervisor), [kill]);
    // Too late: it is as good as dead.
    supervisor.ready(0, 1, ms(401));
    assert!(!supervisor.is_ready(0));
    supervisor.exited(0, 1, ms(402));
    let again = Action::Start {
        slot: 0,
        generation: 2,
    };
    assert_eq!(actions(&mut supervisor), [again]);
}

#[test]
fn a_crash_loop_is_given_up_and_the_others_are_ended() {
    let mut supervisor = two_at_work(SupervisorOptions::new());
    let mut now = ms(100);
    for generation in 1..=5 {
        supervisor.exited(0, generation, now);
        if generation > 1 {
            assert_eq!(actions(&mut supervisor), [], "it waits");
            now = supervisor.next_deadline().unwrap();
            supervisor.tick(now);
        }
        let start = Action::Start {
            slot: 0,
            generation: generation + 1,
        };
        assert_eq!(actions(&mut supervisor), [start]);
    }
    supervisor.exited(0, 6, now);
    let kill = Action::Kill {
        slot: 1,
        generation: 1,
    };
    assert_eq!(actions(&mut supervisor), [kill, Action::Escalate]);
    assert!(supervisor.has_escalated());
    supervisor.exited(1, 1, now);
    supervisor.tick(now + ms(60_000));
    assert_eq!(actions(&mut supervisor), []);
    assert_eq!(supervisor.next_deadline(), None);
    assert_eq!(supervisor.restarts(), 5);
}

#[test]
fn ends_that_are_far_apart_are_no_loop() {
    let mut supervisor = two_at_work(SupervisorOptions::new());
    let mut now = ms(0);
    for generation in 1..=100 {
        // Long enough to be forgiven: the next one starts at once.
        now += ms(10_000);
        supervisor.exited(0, generation, now);
        let start = Action::Start {
            slot: 0,
            generation: generation + 1,
        };
        assert_eq!(actions(&mut supervisor), [start]);
        supervisor.ready(0, generation + 1, now);
    }
}

#[test]
fn pauses_double_are_shortened_by_half_at_most_and_differ() {
    let patient = |seed| {
        let options = SupervisorOptions::new().intensity(usize::MAX, ms(10_000));
        let mut supervisor = Supervisor::new(1, options.seed(seed), ms(0));
        let mut now = ms(0);
        let pauses = (1..=12).map(|generation| {
            supervisor.exited(0, generation, now);
            let asked = now;
            // Started already, it has only the deadline to be ready.
            if supervisor.generation(0) == generation {
                now = supervisor.next_deadline().unwrap();
                supervisor.tick(now);
            }
            now.saturating_sub(asked)
        });
        pauses.collect::<Vec<_>>()
    };
    let pauses = patient(1);
    assert_eq!(pauses[0], ms(0));
    for (pause, doubled) in pauses[1..].iter().zip(0..) {
        let full = ms(100 << doubled).min(ms(10_000));
        assert!(full / 2 <= *pause && *pause <= full, "{pauses:?}");
    }
    assert_eq!(pauses, patient(1));
    assert_ne!(pauses, patient(2));
}

#[test]
fn nobody_to_supervise_is_fine() {
    let mut supervisor = Supervisor::new(0, SupervisorOptions::default(), ms(0));
    supervisor.tick(Duration::MAX);
    assert_eq!(supervisor.next_action(), None);
    assert_eq!(supervisor.next_deadline(), None);
}

#[test]
fn for_ever_is_a_time_to_be_ready_too() {
    let options = SupervisorOptions::new().ready_within(Duration::MAX);
    let mut supervisor = Supervisor::new(1, options, ms(1));
    assert_eq!(actions(&mut supervisor).len(), 1);
    assert_eq!(supervisor.next_deadline(), None);
    supervisor.tick(Duration::MAX);
    assert_eq!(actions(&mut supervisor), []);
}

#[derive(Clone, Debug)]
enum Event {
    /// Time passes, and the supervisor is ticked; perhaps late.
    Pass(u64),
    /// Time passes up to the deadline exactly.
    Deadline,
    Ready(usize),
    Exit(usize),
    /// The end of a worker that is long gone.
    Stale(usize),
}

fn event(slots: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4000_u64).prop_map(Event::Pass),
        4 => Just(Event::Deadline),
        4 => (0..slots).prop_map(Event::Ready),
        4 => (0..slots).prop_map(Event::Exit),
        1 => (0..slots).prop_map(Event::Stale),
    ]
}

const RESTARTS: usize = 4;
const PERIOD: Duration = Duration::from_secs(5);
const READY_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Worker {
    Starting(Duration),
    Ready,
    Killed,
}

/// Whoever drives a supervisor, and watches what it asks for.
struct Driver {
    supervisor: Supervisor,
    now: Duration,
    workers: BTreeMap<usize, Worker>,
    generations: Vec<u64>,
    /// When each worker ended that was the slot's own.
    ends: Vec<Duration>,
    has_escalated: bool,
}

impl Driver {
    fn new(slots: usize) -> Self {
        let options = SupervisorOptions::new()
            .intensity(RESTARTS, PERIOD)
            .ready_within(READY_WITHIN);
        Driver {
            supervisor: Supervisor::new(slots, options, ms(0)),
            now: ms(0),
            workers: BTreeMap::new(),
            generations: vec![0; slots],
            ends: Vec::new(),
            has_escalated: false,
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Pass(passed) => {
                self.now += ms(passed);
                self.tick();
            }
            Event::Deadline => {
                if let Some(deadline) = self.supervisor.next_deadline() {
                    self.now = self.now.max(deadline);
                    self.tick();
                }
            }
            Event::Ready(slot) => {
                let generation = self.generations[slot];
                self.supervisor.ready(slot, generation, self.now);
                if let Some(worker) = self.workers.get_mut(&slot)
                    && let Worker::Starting(_) = worker
                {
                    *worker = Worker::Ready;
                }
            }
            Event::Exit(slot) => {
                let generation = self.generations[slot];
                self.supervisor.exited(slot, generation, self.now);
                if self.workers.remove(&slot).is_some() {
                    self.ends.push(self.now);
                }
            }
            Event::Stale(slot) => {
                let generation = self.generations[slot].saturating_sub(1);
                self.supervisor.exited(slot, generation, self.now);
            }
        }
        self.act();
        self.check();
    }

    fn tick(&mut self) {
        let before = actions(&mut self.supervisor);
        assert_eq!(before, [], "all was done before");
        self.supervisor.tick(self.now);
    }

    fn act(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            assert!(!self.has_escalated, "{action:?} after it gave up");
            match action {
                Action::Start { slot, generation } => {
                    self.generations[slot] += 1;
                    assert_eq!(generation, self.generations[slot]);
                    let before = self.workers.insert(slot, Worker::Starting(self.now));
                    assert_eq!(before, None, "two in slot {slot}");
                }
                Action::Kill { slot, generation } => {
                    assert_eq!(generation, self.generations[slot]);
                    let before = self.workers.insert(slot, Worker::Killed);
                    assert!(!matches!(before, None | Some(Worker::Killed)));
                }
                Action::Escalate => self.has_escalated = true,
                other => panic!("{other:?}"),
            }
        }
        self.supervisor.tick(self.now);
        let more = self.supervisor.next_action();
        assert_eq!(more, None, "a second tick at once changes nothing");
    }

    fn check(&self) {
        assert_eq!(self.supervisor.has_escalated(), self.has_escalated);
        let deadline = self.supervisor.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now));
        let in_period = |end: &&Duration| self.now.saturating_sub(**end) <= PERIOD;
        let recent = self.ends.iter().filter(in_period).count();
        if self.has_escalated {
            let still_run = |worker: &Worker| *worker != Worker::Killed;
            assert!(!self.workers.values().any(still_run));
            assert_eq!(deadline, None);
            return;
        }
        assert!(recent <= RESTARTS, "it should have given up");
        for slot in 0..self.generations.len() {
            let worker = self.workers.get(&slot);
            assert_eq!(
                self.supervisor.is_ready(slot),
                worker == Some(&Worker::Ready)
            );
            match worker {
                Some(Worker::Starting(since)) => {
                    assert!(self.now < *since + READY_WITHIN, "it has not been killed");
                }
                Some(Worker::Ready | Worker::Killed) => {}
                // Its replacement waits, and not for long.
                None => assert!(deadline.is_some()),
            }
        }
        let started: u64 = self.generations.iter().sum();
        let missing = self.generations.len() - self.workers.len();
        assert_eq!(
            self.supervisor.restarts(),
            started + missing as u64 - self.generations.len() as u64
        );
        assert_eq!(self.supervisor.restarts(), self.ends.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_survived_or_given_up(
        (slots, events) in (1..4_usize).prop_flat_map(|slots| {
            (Just(slots), prop::collection::vec(event(slots), 0..120))
        })
    ) {
        let mut driver = Driver::new(slots);
        driver.act();
        for event in &events {
            let had_escalated = driver.has_escalated;
            driver.happen(event);
            if driver.has_escalated && !had_escalated {
                let recent = driver.ends.iter().filter(|end| driver.now.saturating_sub(**end) <= PERIOD);
                prop_assert_eq!(recent.count(), RESTARTS + 1, "it gave up too early");
            }
        }
    }
}
