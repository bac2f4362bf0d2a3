//! A place for a process, and the processes that were there.

use super::fleet::{DRAINING, KILLED, STARTING};
use crate::trace::{Event, Kind, NameId, Trace};
use std::{fmt::Write, time::Duration};

/// Every place for a process of a run, from its trace, in the order in which they
/// got their first process.
///
/// ```
/// use highwater::scenario::{self, StationState, Stations};
///
/// # if let Ok(scenario) = scenario::find("cluster") {
/// let stations = Stations::of(&scenario.experiment().simulate());
/// let [first, ..] = stations.as_slice() else { panic!("there are workers") };
/// assert_eq!(first.state, StationState::Ended);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stations(Vec<Station>);

impl Stations {
    /// Of a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut stations = Stations::default();
        for event in &trace.events {
            stations.apply(trace, event);
        }
        stations
    }

    /// Adds the next record of a trace, or of what is there of it already. Where
    /// that is of a process that fills a place which was empty, answers for how
    /// long it was.
    pub fn apply(&mut self, trace: &Trace, event: &Event) -> Option<Duration> {
        match event.kind {
            // What was not starting before is a pool, and its subject no process.
            Kind::Start if event.subject > 0 => {
                let mut stations = self.0.iter_mut();
                let station = stations.find(|it| it.worker == event.source)?;
                station.enter(event.subject, StationState::Ready);
                let since = station.empty_since.take()?;
                return Some(event.at.saturating_sub(since));
            }
            Kind::Switch => {
                let state = match event.target.map(|state| trace.name(state)) {
                    Some(STARTING) => StationState::Starting,
                    Some(DRAINING) => StationState::Draining,
                    Some(KILLED) => StationState::Killed,
                    // A breaker's are none of these.
                    _ => return None,
                };
                self.station(event.source).enter(event.subject, state);
            }
            Kind::Exit => {
                // A supervisor exits too, and is at no place.
                let mut stations = self.0.iter_mut();
                if let Some(station) = stations.find(|it| it.worker == event.source) {
                    station.exit(event.failure);
                    station.empty_since = Some(event.at);
                }
            }
            _ => {}
        }
        None
    }

    /// Each of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Station] {
        &self.0
    }

    /// The place of that name, if there is one.
    #[must_use]
    pub fn get(&self, worker: NameId) -> Option<&Station> {
        self.0.iter().find(|station| station.worker == worker)
    }

    fn station(&mut self, worker: NameId) -> &mut Station {
        let mut stations = self.0.iter();
        let place = stations.position(|station| station.worker == worker);
        let place = place.unwrap_or_else(|| {
            self.0.push(Station::new(worker));
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

/// A place for a process: who is there, and who was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Station {
    /// Whose place it is.
    pub worker: NameId,
    /// What the process there does.
    pub state: StationState,
    /// Every process that was started there, the latest last.
    pub generations: Vec<Generation>,
    /// Since when nobody is there who is ready; `None` if somebody is, and before
    /// the first.
    empty_since: Option<Duration>,
}

/// What the process at a [`Station`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationState {
    /// It is started, and takes no requests yet.
    Starting,
    /// It takes requests.
    Ready,
    /// It takes no more requests, and finishes those it has.
    Draining,
    /// It was killed, and is about to be gone.
    Killed,
    /// It has died, and no other is there yet.
    Dead,
    /// It has come to its end.
    Ended,
}

/// One process of those that were at a [`Station`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Its id.
    pub process: u64,
    /// Why it exited, unless it came to its end or is still there.
    pub cause: Option<NameId>,
}

impl Station {
    fn new(worker: NameId) -> Self {
        Station {
            worker,
            state: StationState::Starting,
            generations: Vec::new(),
            empty_since: None,
        }
    }

    /// Which of its processes is there, counted from 1.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generations.len()
    }

    /// The id of the latest process; 0 if there was none.
    #[must_use]
    pub fn process(&self) -> u64 {
        let latest = self.generations.last();
        latest.map_or(0, |latest| latest.process)
    }

    /// The ids of all its processes, and why they exited: `1 ✗ a bug → 3`.
    #[must_use]
    pub fn history(&self, trace: &Trace) -> String {
        let mut history = String::new();
        for (place, generation) in self.generations.iter().enumerate() {
            if place > 0 {
                history.push_str(" → ");
            }
            // A string takes whatever is written to it.
            let _ = write!(history, "{}", generation.process);
            if let Some(cause) = generation.cause {
                history.push_str(" ✗ ");
                history.push_str(trace.name(cause));
            }
        }
        history
    }

    /// This process is there now, if it was not before.
    fn enter(&mut self, process: u64, state: StationState) {
        // An id may come again; and those that could not be started have none.
        let is_new = state == StationState::Starting || self.generations.is_empty();
        if is_new || self.process() != process {
            self.generations.push(Generation {
                process,
                cause: None,
            });
        }
        self.state = state;
    }

    fn exit(&mut self, cause: Option<NameId>) {
        if let Some(latest) = self.generations.last_mut() {
            latest.cause = cause;
        }
        self.state = match cause {
            Some(_) => StationState::Dead,
            None => StationState::Ended,
        };
    }
}

impl StationState {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StationState::Starting => STARTING,
            StationState::Ready => "ready",
            StationState::Draining => DRAINING,
            StationState::Killed => KILLED,
            StationState::Dead => "dead",
            StationState::Ended => "ended",
        }
    }
}
