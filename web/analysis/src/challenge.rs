//! Challenges, and the goals that a run meets.

use crate::{
    runs::{Runs, json},
    side_by_side::escape,
};
use highwater::{analysis, trace::Trace};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Challenges as JSON, for Rust tests.
impl Runs {
    /// Returns the challenge of a run's scenario and the goals that the run meets, as
    /// JSON; `null` if the scenario has no challenge.
    ///
    /// ```json
    /// {
    ///   "title": "Respond fast, lose no mail",
    ///   "task": "A mail takes twice as long as …",
    ///   "settings": [["users", "40"], ["design", "direct"]],
    ///   "fixed": ["users"],
    ///   "goals": [
    ///     {"claim": "nothing is dropped", "met": false, "evidence": "35"}
    ///   ]
    /// }
    /// ```
    ///
    /// The challenge starts with these `settings` and defaults for all other
    /// parameters. Parameters in `fixed` define the load and must not change. The
    /// challenge is met when all goals are met.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn challenge(&self, index: usize) -> Result<String, JsError> {
        let trace = &self.get(index)?.trace;
        Ok(json(&Challenge::new(&trace.scenario, Some(trace))))
    }

    /// Returns the challenge of a scenario before any run, in the format of
    /// [`challenge`](Self::challenge). Each goal's `met` and `evidence` are `null`.
    pub fn challenge_of(scenario: &str) -> String {
        json(&Challenge::new(scenario, None))
    }
}

#[wasm_bindgen]
impl Runs {
    /// Returns the challenge of a run's scenario as HTML: the task, a link to the
    /// initial settings in the run's world, and the goals. Returns an empty string if
    /// there is no challenge. A run with a different load is not an attempt, so its
    /// goals are shown as open.
    ///
    /// # Errors
    ///
    /// Fails if `index` is out of range.
    pub fn challenge_html(&self, index: usize) -> Result<String, JsError> {
        let trace = &self.get(index)?.trace;
        Ok(html(&trace.scenario, Some(trace)))
    }

    /// Returns the challenge of a scenario as HTML, before any run.
    pub fn challenge_html_of(scenario: &str) -> String {
        html(scenario, None)
    }
}

fn html(scenario: &str, run: Option<&Trace>) -> String {
    let Some(judged) = Challenge::new(scenario, run) else {
        return String::new();
    };
    // The first goal checks the load.
    let is_attempt = judged
        .goals
        .first()
        .is_some_and(|load| load.met == Some(true));
    let goals = match Challenge::new(scenario, None) {
        Some(open) if !is_attempt => open.goals,
        _ => judged.goals,
    };
    let met = goals.iter().filter(|goal| goal.met == Some(true)).count();
    let status = match (is_attempt, run) {
        (true, _) if met == goals.len() => "✓ Challenge met.".to_owned(),
        (true, _) => format!("The last run meets {met} of {} goals.", goals.len()),
        (false, Some(run)) if run.died.is_some() || run.dropped > 0 => {
            "The last run is incomplete and does not count.".to_owned()
        }
        (false, Some(_)) => "The last run had a different load.".to_owned(),
        (false, None) => "No run yet.".to_owned(),
    };
    let mut html = ["<h2>Challenge: ", judged.title, "</h2><p>", judged.task].concat();
    html.extend([
        "</p><p><a href=\"",
        &start_address(scenario, &judged.settings, run),
    ]);
    html.extend(["\">Start</a>. Fixed: ", &judged.fixed.join(", ")]);
    html.extend([
        ".</p><p><strong>",
        &status,
        "</strong></p><ul class=verdicts>",
    ]);
    for goal in &goals {
        let (class, outcome) = match goal.met {
            Some(true) => ("passed", "✓ Met"),
            Some(false) => ("failed", "✗ Not met"),
            None => ("not_exercised", "– Open"),
        };
        html.extend(["<li class=", class, "><span class=outcome>", outcome]);
        html.extend(["</span><span>", &capitalize(goal.claim), "</span>"]);
        if let Some(evidence) = &goal.evidence {
            html.extend(["<span class=evidence>", &escape(evidence), "</span>"]);
        }
        html.push_str("</li>");
    }
    html + "</ul>"
}

/// Returns the page address of the initial settings, with the world and seed of the
/// last run.
fn start_address(scenario: &str, settings: &[(&str, &str)], run: Option<&Trace>) -> String {
    let seed = run.map_or(1, |trace| trace.seed);
    let mut address = format!("#/{}?seed={seed}", escape(scenario));
    for (key, value) in settings {
        address.extend(["&amp;", key, "=", value]);
    }
    let world = run.map_or("virtual", |trace| &trace.world);
    if world != "virtual" {
        address.extend(["&amp;world=", &escape(world)]);
    }
    address
}

fn capitalize(claim: &str) -> String {
    let mut chars = claim.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[derive(Serialize)]
pub(crate) struct Challenge {
    title: &'static str,
    task: &'static str,
    settings: Vec<(&'static str, &'static str)>,
    fixed: Vec<&'static str>,
    goals: Vec<GoalStatus>,
}

#[derive(Serialize)]
struct GoalStatus {
    claim: &'static str,
    met: Option<bool>,
    evidence: Option<String>,
}

impl Challenge {
    pub(crate) fn new(scenario: &str, run: Option<&Trace>) -> Option<Self> {
        let challenge = analysis::Challenge::find(scenario)?;
        let goals = match run {
            Some(trace) => challenge
                .judge(trace)
                .into_iter()
                .map(goal_status)
                .collect(),
            None => challenge.claims().map(open_goal).collect(),
        };
        Some(Challenge {
            title: challenge.title,
            task: challenge.task,
            settings: [challenge.load, challenge.start].concat(),
            fixed: challenge.load.iter().map(|(key, _)| *key).collect(),
            goals,
        })
    }
}

fn goal_status(goal: analysis::Goal) -> GoalStatus {
    GoalStatus {
        claim: goal.claim,
        met: Some(goal.is_met),
        evidence: Some(goal.evidence),
    }
}

fn open_goal(claim: &'static str) -> GoalStatus {
    GoalStatus {
        claim,
        met: None,
        evidence: None,
    }
}
