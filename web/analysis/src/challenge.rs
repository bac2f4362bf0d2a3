//! A task, and how a run did.

use crate::{
    runs::{Runs, json},
    side_by_side::escape,
};
use highwater::{analysis, trace::Trace};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// As data, for Rust alone.
impl Runs {
    /// The challenge of a run's scenario, and which of its goals the run meets, as
    /// JSON; `null` if there is none.
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
    /// It starts from `settings`, with every other parameter at its default; those
    /// that are `fixed` are its load, and not to be changed. It is met when all
    /// goals are.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn challenge(&self, index: usize) -> Result<String, JsError> {
        let trace = &self.get(index)?.trace;
        Ok(json(&Challenge::of(&trace.scenario, Some(trace))))
    }

    /// The challenge of a scenario, before any run: as [`challenge`](Self::challenge)
    /// has it, and each goal's `met` and `evidence` are `null`.
    pub fn challenge_of(scenario: &str) -> String {
        json(&Challenge::of(scenario, None))
    }
}

#[wasm_bindgen]
impl Runs {
    /// The challenge of a run's scenario as HTML: the task, a link to its start_address in
    /// the world of that run, and the goals; empty if there is none. A run that has
    /// another load is no attempt, and nothing is said of its goals.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn challenge_html(&self, index: usize) -> Result<String, JsError> {
        let trace = &self.get(index)?.trace;
        Ok(html(&trace.scenario, Some(trace)))
    }

    /// The challenge of a scenario as HTML, before any run.
    pub fn challenge_html_of(scenario: &str) -> String {
        html(scenario, None)
    }
}

fn html(scenario: &str, run: Option<&Trace>) -> String {
    let Some(judged) = Challenge::of(scenario, run) else {
        return String::new();
    };
    // The first goal is the load.
    let is_attempt = judged
        .goals
        .first()
        .is_some_and(|load| load.met == Some(true));
    let goals = match Challenge::of(scenario, None) {
        Some(open) if !is_attempt => open.goals,
        _ => judged.goals,
    };
    let met = goals.iter().filter(|goal| goal.met == Some(true)).count();
    let status = match (is_attempt, run) {
        (true, _) if met == goals.len() => "✓ The last run meets it.".to_owned(),
        (true, _) => format!("The last run meets {met} of {} goals.", goals.len()),
        (false, Some(run)) if run.died.is_some() || run.dropped > 0 => {
            "The last run was not whole, so it shows nothing.".to_owned()
        }
        (false, Some(_)) => "The last run had another load.".to_owned(),
        (false, None) => "There is no run yet.".to_owned(),
    };
    let mut html = ["<h2>Challenge: ", judged.title, "</h2><p>", judged.task].concat();
    html.extend([
        "</p><p><a href=\"",
        &start_address(scenario, &judged.settings, run),
    ]);
    html.extend([
        "\">Start it</a>. Not to be changed: ",
        &judged.fixed.join(", "),
    ]);
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
        html.extend(["</span><span>", &sentence(goal.claim), "</span>"]);
        if let Some(evidence) = &goal.evidence {
            html.extend(["<span class=evidence>", &escape(evidence), "</span>"]);
        }
        html.push_str("</li>");
    }
    html + "</ul>"
}

/// The page's address of it: where and with which seed the last run was.
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

fn sentence(claim: &str) -> String {
    let mut letters = claim.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
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
    pub(crate) fn of(scenario: &str, run: Option<&Trace>) -> Option<Self> {
        let challenge = analysis::Challenge::of(scenario)?;
        let goals = match run {
            Some(trace) => challenge.judge(trace).into_iter().map(judged).collect(),
            None => challenge.claims().map(open).collect(),
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

fn judged(goal: analysis::Goal) -> GoalStatus {
    GoalStatus {
        claim: goal.claim,
        met: Some(goal.is_met),
        evidence: Some(goal.evidence),
    }
}

fn open(claim: &'static str) -> GoalStatus {
    GoalStatus {
        claim,
        met: None,
        evidence: None,
    }
}
