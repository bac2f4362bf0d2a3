//! Challenges: a task for each scenario.

mod all;
mod condition;

use super::Measures;
use crate::trace::Trace;
use condition::Condition;

/// A task: change the settings of a scenario, but not its load, until a run meets
/// every goal.
///
/// ```
/// use highwater::{analysis::Challenge, trace::Trace};
///
/// let challenge = Challenge::find("decoupling").expect("each scenario has one");
/// let trace = Trace {
///     scenario: "decoupling".to_owned(),
///     ..Trace::default()
/// };
/// let goals = challenge.judge(&trace);
/// assert!(!goals[0].is_met, "an empty run meets no goal");
/// ```
#[derive(Debug)]
pub struct Challenge {
    /// The name of its scenario.
    pub scenario: &'static str,
    /// The title, a few words.
    pub title: &'static str,
    /// The task, a sentence or two.
    pub task: &'static str,
    /// Parameters that must not be changed: the load.
    pub load: &'static [(&'static str, &'static str)],
    /// Parameters with a poor initial value, to be changed. All others start at their
    /// defaults and may be changed.
    pub start: &'static [(&'static str, &'static str)],
    goals: &'static [(&'static str, Condition)],
}

/// A goal of a [`Challenge`], judged for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The requirement, as a sentence.
    pub claim: &'static str,
    /// True if the run meets it.
    pub is_met: bool,
    /// The evidence.
    pub evidence: String,
}

const SAME_LOAD: &str = "the load is unchanged";

impl Challenge {
    /// Returns the requirements, in the order in which [`judge`](Self::judge) returns
    /// them.
    pub fn claims(&self) -> impl Iterator<Item = &'static str> {
        let goals = self.goals.iter().map(|(claim, _)| *claim);
        [SAME_LOAD].into_iter().chain(goals)
    }

    /// Judges a run. A run that died, or whose records are incomplete, meets no goal.
    #[must_use]
    pub fn judge(&self, trace: &Trace) -> Vec<Goal> {
        let measures = Measures::of(trace);
        let goals = self.goals.iter().map(|(claim, condition)| {
            let (is_met, evidence) = condition.judge(trace, &measures);
            (*claim, is_met, evidence)
        });
        let (is_met, evidence) = self.judge_load(trace);
        let load = [(SAME_LOAD, is_met, evidence)];
        let judged = load
            .into_iter()
            .chain(goals)
            .map(|(claim, is_met, evidence)| {
                let (is_met, evidence) = match (&trace.died, trace.dropped) {
                    (Some(cause), _) => (false, format!("not shown: the run died ({cause})")),
                    (None, 0) => (is_met, evidence),
                    (None, lost) => (false, format!("not shown: {lost} records lost")),
                };
                Goal {
                    claim,
                    is_met,
                    evidence,
                }
            });
        judged.collect()
    }

    fn judge_load(&self, trace: &Trace) -> (bool, String) {
        for (key, wanted) in self.load {
            let found = trace.param(key);
            if found != *wanted {
                return (false, format!("{key} is {found}, not {wanted}"));
            }
            // Changes during a run have the key `key@moment`.
            let is_change = |it: &str| it.split_once('@').is_some_and(|(it, _)| it == *key);
            if trace.params.iter().any(|(it, _)| is_change(it)) {
                return (false, format!("{key} changed during the run"));
            }
        }
        (true, "unchanged".to_owned())
    }
}
