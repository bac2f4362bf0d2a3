//! Property tests: a supervisor always keeps a worker serving.

use highwater::scale::{Action, Supervisor, SupervisorOptions, WorkerId};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

/// The duration of each successful start.
const START_DURATION: Duration = Duration::from_millis(50);
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(5);
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
    Advance(u64),
    /// A ready worker has a bug, or gets a signal.
    Retire(usize),
    /// A draining worker exits.
    Drained(usize),
    Reload,
    Scale(usize),
    /// A worker is killed externally.
    Kill(usize),
    /// All workers are killed, including those that are starting.
    KillAll,
    /// The supervisor and all workers were suspended for this long.
    Suspend(u64),
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
    killed_while_starting: BTreeMap<usize, u32>,
    /// The time since which no worker serves.
    outage_since: Option<Duration>,
    starts: u64,
}

impl World {
    fn new(slots: usize, broken: Option<usize>) -> Self {
        let options = SupervisorOptions::new()
            .stable_after(Duration::from_secs(1))
            .heartbeat_within(HEARTBEAT_WITHIN);
        let mut world = World {
            supervisor: Supervisor::new(slots, options, Duration::ZERO),
            now: Duration::ZERO,
            workers: BTreeMap::new(),
            broken,
            killed_while_starting: BTreeMap::new(),
            outage_since: Some(Duration::ZERO),
            starts: 0,
        };
        world.process_actions();
        world
    }

    fn ready(&self) -> usize {
        let states = self.workers.values();
        states.filter(|state| **state == State::Ready).count()
    }

    fn process_actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Start(id) => {
                    self.starts += 1;
                    if self.broken == Some(id.slot) && id.generation > 1 {
                        self.supervisor.exited(id, self.now);
                    } else {
                        let state = State::Starting(self.now + START_DURATION);
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
                        "{action:?}: killed a healthy worker"
                    );
                    self.exit(id);
                }
                Action::Escalate => panic!("escalated"),
                _ => {}
            }
        }
        self.update_outage();
    }

    fn update_outage(&mut self) {
        if self.ready() > 0 {
            self.outage_since = None;
        } else {
            self.outage_since.get_or_insert(self.now);
        }
    }

    fn exit(&mut self, id: WorkerId) {
        let state = self.workers.remove(&id);
        if let Some(State::Starting(_)) = state {
            *self.killed_while_starting.entry(id.slot).or_default() += 1;
        }
        self.update_outage();
        self.supervisor.exited(id, self.now);
        self.process_actions();
    }

    /// Advances the time. Workers start and send heartbeats, and the supervisor ticks
    /// at its deadlines.
    fn advance(&mut self, time: Duration) {
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
            self.send_heartbeats();
            if let Some(id) = id {
                self.workers.insert(id, State::Ready);
                self.killed_while_starting.remove(&id.slot);
                self.supervisor.ready(id, self.now);
            } else {
                self.supervisor.tick(self.now);
            }
            self.process_actions();
        }
        self.now = end;
        self.send_heartbeats();
    }

    fn send_heartbeats(&mut self) {
        for (&id, state) in &self.workers {
            if *state == State::Ready {
                self.supervisor.heartbeat(id, self.now);
            }
        }
    }

    fn pick(&self, number: usize, matches_state: impl Fn(State) -> bool) -> Option<WorkerId> {
        let candidates = self
            .workers
            .iter()
            .filter(|(_, state)| matches_state(**state));
        let candidates: Vec<_> = candidates.map(|(id, _)| *id).collect();
        let index = number.checked_rem(candidates.len())?;
        candidates.get(index).copied()
    }

    /// Returns whether the slot restarts without a pause if this worker is killed.
    fn can_be_killed(&self, id: WorkerId) -> bool {
        let is_starting = matches!(self.workers.get(&id), Some(State::Starting(_)));
        let killed = self
            .killed_while_starting
            .get(&id.slot)
            .copied()
            .unwrap_or(0);
        !is_starting || killed < KILLS_WHILE_STARTING
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Advance(time) => self.advance(Duration::from_millis(time)),
            Event::Retire(number) => {
                if let Some(id) = self.pick(number, |state| state == State::Ready) {
                    self.supervisor.retire(id, self.now);
                    self.process_actions();
                }
            }
            Event::Drained(number) => {
                if let Some(id) = self.pick(number, |state| state == State::Draining) {
                    self.exit(id);
                }
            }
            Event::Reload => {
                self.supervisor.reload(self.now);
                self.process_actions();
            }
            Event::Scale(slots) => {
                self.supervisor.scale_to(slots, self.now);
                self.process_actions();
            }
            Event::Kill(number) => {
                let any = self.pick(number, |_| true);
                if let Some(id) = any.filter(|id| self.can_be_killed(*id)) {
                    self.exit(id);
                }
            }
            Event::KillAll => {
                let all: Vec<_> = self.workers.keys().copied().collect();
                for id in all {
                    if self.can_be_killed(id) {
                        self.exit(id);
                    }
                }
            }
            Event::Suspend(time) => {
                let time = Duration::from_millis(time);
                self.now += time;
                for state in self.workers.values_mut() {
                    if let State::Starting(until) = state {
                        *until += time;
                    }
                }
                self.supervisor.resumed(time, self.now);
                if let Some(since) = &mut self.outage_since {
                    *since += time;
                }
                self.supervisor.tick(self.now);
                self.process_actions();
            }
        }
    }
}

fn graceful_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_000_u64).prop_map(Event::Advance),
        12 => (0..200_u64).prop_map(Event::Advance),
        12 => any::<usize>().prop_map(Event::Retire),
        4 => any::<usize>().prop_map(Event::Drained),
        4 => Just(Event::Reload),
        3 => (1..5_usize).prop_map(Event::Scale),
        2 => (0..60_000_u64).prop_map(Event::Suspend),
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
    fn operations_never_interrupt_service(
        slots in 1..5_usize,
        events in prop::collection::vec(graceful_event(), 0..150),
    ) {
        let mut world = World::new(slots, None);
        world.advance(START_DURATION);
        for event in &events {
            world.apply(event);
            prop_assert!(world.ready() > 0, "no worker serves after {:?}", event);
        }
    }

    #[test]
    fn service_recovers_within_one_start(
        slots in 1..5_usize,
        events in prop::collection::vec(any_event(), 0..150),
    ) {
        let mut world = World::new(slots, None);
        for event in &events {
            world.apply(event);
            let killed_at = world.now;
            if world.ready() == 0 && matches!(event, Event::Kill(_) | Event::KillAll) {
                let mut later = world.clone();
                later.advance(START_DURATION);
                prop_assert!(later.ready() > 0, "no worker is ready {START_DURATION:?} after {event:?}");
            }
            let outage = world.outage_since.map_or(Duration::ZERO, |since| killed_at.saturating_sub(since));
            prop_assert!(outage <= START_DURATION * (1 + 5 * KILLS_WHILE_STARTING), "{outage:?}");
        }
    }

    #[test]
    fn broken_slot_does_not_affect_others(
        slots in 2..5_usize,
        events in prop::collection::vec(prop_oneof![
            8 => (0..3_000_u64).prop_map(Event::Advance),
            1 => Just(Event::Advance(60_000)),
        ], 1..50),
    ) {
        let broken = slots - 1;
        let mut world = World::new(slots, Some(broken));
        world.advance(START_DURATION);
        world.exit(WorkerId::new(broken, 1));
        for event in &events {
            world.apply(event);
            for slot in 0..broken {
                prop_assert!(world.supervisor.is_ready(slot));
                prop_assert_eq!(world.supervisor.generation(slot), 1);
            }
        }
        prop_assert!(world.supervisor.is_failing(broken));
        // The longest pauses are 5 s to 10 s.
        world.advance(Duration::from_mins(1));
        let before = world.starts;
        world.advance(Duration::from_mins(1));
        prop_assert!(world.starts - before <= 12);
        prop_assert!(world.starts > before, "the broken slot keeps trying");
    }
}
