//! A task for each scenario.

mod all;
mod condition;

use super::Measures;
use crate::trace::Trace;
use condition::Condition;

/// A task: to change the settings of a scenario, and not its load, until a run
/// meets every goal.
///
/// ```
/// use highwater::{analysis::Challenge, trace::Trace};
///
/// let challenge = Challenge::of("decoupling").expect("each scenario has one");
/// let trace = Trace {
///     scenario: "decoupling".to_owned(),
///     ..Trace::default()
/// };
/// let goals = challenge.judge(&trace);
/// assert!(!goals[0].is_met, "of a run about something else nothing is shown");
/// ```
#[derive(Debug)]
pub struct Challenge {
    /// The scenario it is of.
    pub scenario: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What is to be done, in a sentence or two.
    pub task: &'static str,
    /// Parameters that stay as they are: the load.
    pub load: &'static [(&'static str, &'static str)],
    /// Parameters that it starts with, and that are to be changed. All others are at
    /// their defaults, and free.
    pub start: &'static [(&'static str, &'static str)],
    goals: &'static [(&'static str, Condition)],
}

/// One of the things that a [`Challenge`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// What has to hold, as a sentence.
    pub claim: &'static str,
    /// Whether it does.
    pub is_met: bool,
    /// What shows it.
    pub evidence: String,
}

const SAME_LOAD: &str = "the load is as it was given";

impl Challenge {
    /// Each of them, in the order of the scenarios.
    pub const ALL: &[Challenge] = all::ALL;

    /// That of a scenario.
    #[must_use]
    pub fn of(scenario: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|it| it.scenario == scenario)
    }

    /// What has to hold, in the order in which [`judge`](Self::judge) has it.
    pub fn claims(&self) -> impl Iterator<Item = &'static str> {
        let goals = self.goals.iter().map(|(claim, _)| *claim);
        [SAME_LOAD].into_iter().chain(goals)
    }

    /// Which goals a run meets. One that is not whole, because it died or records
    /// were lost, meets none.
    #[must_use]
    pub fn judge(&self, trace: &Trace) -> Vec<Goal> {
        let measures = Measures::of(trace);
        let goals = self.goals.iter().map(|(claim, condition)| {
            let (is_met, evidence) = condition.judge(trace, &measures);
            (*claim, is_met, evidence)
        });
        let (is_met, evidence) = self.has_its_load(trace);
        let load = [(SAME_LOAD, is_met, evidence)];
        let judged = load
            .into_iter()
            .chain(goals)
            .map(|(claim, is_met, evidence)| {
                let (is_met, evidence) = match (&trace.died, trace.dropped) {
                    (Some(cause), _) => (false, format!("not shown: the run died ({cause})")),
                    (None, 0) => (is_met, evidence),
                    (None, lost) => (false, format!("not shown: {lost} records were lost")),
                };
                Goal {
                    claim,
                    is_met,
                    evidence,
                }
            });
        judged.collect()
    }

    fn has_its_load(&self, trace: &Trace) -> (bool, String) {
        for (key, wanted) in self.load {
            let found = trace.param(key);
            if found != *wanted {
                return (false, format!("{key} is {found}, not {wanted}"));
            }
            // Changed while it ran: `key@moment`.
            let is_change = |it: &str| it.split_once('@').is_some_and(|(it, _)| it == *key);
            if trace.params.iter().any(|(it, _)| is_change(it)) {
                return (false, format!("{key} was changed while it ran"));
            }
        }
        (true, "nothing of it was changed".to_owned())
    }
}
