//! Properties of a supervisor: some worker serves, whatever happens.

use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

/// The duration of each successful start.
const START_UP: Duration = Duration::from_millis(50);
const ALIVE_WITHIN: Duration = Duration::from_secs(5);
/// A slot waits only after more than five failed starts in a row.
const KILLS_WHILE_STARTING: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Becomes ready at this time.
    Starting(Duration),
    /// Serves until it has to drain.
    Ready,
    Draining,
}

/// An event. Numbers pick one of the existing workers.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes.
    Pass(u64),
    /// A ready worker has a bug, or gets a signal.
    Retire(usize),
    /// A draining worker has finished.
    Drained(usize),
    Reload,
    Scale(usize),
    /// A worker is killed from outside.
    Kill(usize),
    /// All workers are killed, including those that are starting.
    KillAll,
    /// The supervisor and all workers were suspended for this long.
    Stop(u64),
}

/// A supervisor with simulated workers.
#[derive(Clone)]
struct World {
    supervisor: Supervisor,
    now: Duration,
    workers: BTreeMap<WorkerId, State>,
    /// The slot whose workers cannot start.
    broken: Option<usize>,
    /// The number of workers in a row that were killed before they were ready, by
    /// slot.
    killed_starting: BTreeMap<usize, u32>,
    /// The time since which no worker serves.
    none_since: Option<Duration>,
    starts: u64,
}

impl World {
    fn new(slots: usize, broken: Option<usize>) -> Self {
        let options = SupervisorOptions::new()
            .stable_after(Duration::from_secs(1))
            .heartbeat_within(ALIVE_WITHIN);
        let mut world = World {
            supervisor: Supervisor::new(slots, options, Duration::ZERO),
            now: Duration::ZERO,
            workers: BTreeMap::new(),
            broken,
            killed_starting: BTreeMap::new(),
            none_since: Some(Duration::ZERO),
            starts: 0,
        };
        world.act();
        world
    }

    fn ready(&self) -> usize {
        let states = self.workers.values();
        states.filter(|state| **state == State::Ready).count()
    }

    fn act(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(id) => {
                    self.starts += 1;
                    if self.broken == Some(id.slot) && id.generation > 1 {
                        self.supervisor.exited(id, self.now);
                    } else {
                        let state = State::Starting(self.now + START_UP);
                        self.workers.insert(id, state);
                    }
                }
                Action::Drain(id) => {
                    self.workers.insert(id, State::Draining);
                }
                Action::Kill(id) => {
                    let state = self.workers.get(&id);
                    assert_eq!(
                        state,
                        Some(&State::Draining),
                        "{action:?}: the worker was healthy"
                    );
                    self.exit(id);
                }
                Action::Escalate => panic!("escalated"),
                _ => {}
            }
        }
        self.note();
    }

    fn note(&mut self) {
        if self.ready() > 0 {
            self.none_since = None;
        } else {
            self.none_since.get_or_insert(self.now);
        }
    }

    fn exit(&mut self, id: WorkerId) {
        let state = self.workers.remove(&id);
        if let Some(State::Starting(_)) = state {
            *self.killed_starting.entry(id.slot).or_default() += 1;
        }
        self.note();
        self.supervisor.exited(id, self.now);
        self.act();
    }

    /// Advances the time. Workers start and send heartbeats, and the supervisor ticks
    /// at its deadlines.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let starting = self.workers.iter().filter_map(|(id, state)| match state {
                State::Starting(until) => Some((*until, Some(*id))),
                _ => None,
            });
            let deadline = self.supervisor.next_deadline().map(|at| (at, None));
            let Some((at, id)) = starting.chain(deadline).min() else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.beat();
            if let Some(id) = id {
                self.workers.insert(id, State::Ready);
                self.killed_starting.remove(&id.slot);
                self.supervisor.ready(id, self.now);
            } else {
                self.supervisor.tick(self.now);
            }
            self.act();
        }
        self.now = end;
        self.beat();
    }

    fn beat(&mut self) {
        for (&id, state) in &self.workers {
            if *state == State::Ready {
                self.supervisor.heartbeat(id, self.now);
            }
        }
    }

    fn pick(&self, number: usize, is_meant: impl Fn(State) -> bool) -> Option<WorkerId> {
        let meant = self.workers.iter().filter(|(_, state)| is_meant(**state));
        let meant: Vec<_> = meant.map(|(id, _)| *id).collect();
        let index = number.checked_rem(meant.len())?;
        meant.get(index).copied()
    }

    /// Returns whether the slot restarts without a pause if this worker is killed.
    fn may_be_killed(&self, id: WorkerId) -> bool {
        let is_starting = matches!(self.workers.get(&id), Some(State::Starting(_)));
        let killed = self.killed_starting.get(&id.slot).copied().unwrap_or(0);
        !is_starting || killed < KILLS_WHILE_STARTING
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Pass(time) => self.pass(Duration::from_millis(time)),
            Event::Retire(number) => {
                if let Some(id) = self.pick(number, |state| state == State::Ready) {
                    self.supervisor.retire(id, self.now);
                    self.act();
                }
            }
            Event::Drained(number) => {
                if let Some(id) = self.pick(number, |state| state == State::Draining) {
                    self.exit(id);
                }
            }
            Event::Reload => {
                self.supervisor.reload(self.now);
                self.act();
            }
            Event::Scale(slots) => {
                self.supervisor.scale_to(slots, self.now);
                self.act();
            }
            Event::Kill(number) => {
                let any = self.pick(number, |_| true);
                if let Some(id) = any.filter(|id| self.may_be_killed(*id)) {
                    self.exit(id);
                }
            }
            Event::KillAll => {
                let all: Vec<_> = self.workers.keys().copied().collect();
                for id in all {
                    if self.may_be_killed(id) {
                        self.exit(id);
                    }
                }
            }
            Event::Stop(time) => {
                let time = Duration::from_millis(time);
                self.now += time;
                for state in self.workers.values_mut() {
                    if let State::Starting(until) = state {
                        *until += time;
                    }
                }
                self.supervisor.resumed(time, self.now);
                if let Some(since) = &mut self.none_since {
                    *since += time;
                }
                self.supervisor.tick(self.now);
                self.act();
            }
        }
    }
}

fn graceful_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_000_u64).prop_map(Event::Pass),
        12 => (0..200_u64).prop_map(Event::Pass),
        12 => any::<usize>().prop_map(Event::Retire),
        4 => any::<usize>().prop_map(Event::Drained),
        4 => Just(Event::Reload),
        3 => (1..5_usize).prop_map(Event::Scale),
        2 => (0..60_000_u64).prop_map(Event::Stop),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => graceful_event(),
        8 => any::<usize>().prop_map(Event::Kill),
        4 => Just(Event::KillAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_never_stop_serving(
        slots in 1..5_usize,
        events in prop::collection::vec(graceful_event(), 0..150),
    ) {
        let mut world = World::new(slots, None);
        world.pass(START_UP);
        for event in &events {
            world.happen(event);
            prop_assert!(world.ready() > 0, "no worker serves after {:?}", event);
        }
    }

    #[test]
    fn kills_recover_within_one_start(
        slots in 1..5_usize,
        events in prop::collection::vec(any_event(), 0..150),
    ) {
        let mut world = World::new(slots, None);
        for event in &events {
            world.happen(event);
            let killed_at = world.now;
            if world.ready() == 0 && matches!(event, Event::Kill(_) | Event::KillAll) {
                let mut later = world.clone();
                later.pass(START_UP);
                prop_assert!(later.ready() > 0, "no worker is ready {START_UP:?} after {event:?}");
            }
            let none_for = world.none_since.map_or(Duration::ZERO, |since| killed_at.saturating_sub(since));
            prop_assert!(none_for <= START_UP * (1 + 5 * KILLS_WHILE_STARTING), "{none_for:?}");
        }
    }

    #[test]
    fn broken_slot_does_not_affect_others(
        slots in 2..5_usize,
        events in prop::collection::vec(prop_oneof![
            8 => (0..3_000_u64).prop_map(Event::Pass),
            1 => Just(Event::Pass(60_000)),
        ], 1..50),
    ) {
        let broken = slots - 1;
        let mut world = World::new(slots, Some(broken));
        world.pass(START_UP);
        world.exit(WorkerId::new(broken, 1));
        for event in &events {
            world.happen(event);
            for slot in 0..broken {
                prop_assert!(world.supervisor.is_ready(slot));
                prop_assert_eq!(world.supervisor.generation(slot), 1);
            }
        }
        prop_assert!(world.supervisor.is_failing(broken));
        // The longest pauses are 5 s to 10 s.
        world.pass(Duration::from_mins(1));
        let before = world.starts;
        world.pass(Duration::from_mins(1));
        prop_assert!(world.starts - before <= 12);
        prop_assert!(world.starts > before, "it keeps trying");
    }
}
