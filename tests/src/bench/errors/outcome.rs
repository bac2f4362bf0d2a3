//! The figures of the servers and of errors, and what is wanted of them.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Best, Outcome, Target};
use super::ROUNDS;
use super::paired::{Median, median};
use super::rendered::Step;
use super::served::Served;

#[derive(Default)]
pub(super) struct Errors {
    served: Vec<Served>,
    steps: Steps,
}

/// Nanoseconds.
struct Steps(Best<&'static str>);

impl Default for Steps {
    fn default() -> Self {
        Steps(Best::lowest())
    }
}

impl Errors {
    pub(super) fn served(&mut self, served: Served) {
        self.served.push(served);
    }

    pub(super) fn step(&mut self, step: Step, nanoseconds: f64) {
        self.steps.0.add(step.name(), nanoseconds);
    }

    fn middle(&self, of: fn(&Served) -> f64) -> f64 {
        median(self.served.iter().map(of).collect()).unwrap_or(f64::NAN)
    }

    /// Beside the server without, in the same round.
    fn added(&self, by: fn(&Served) -> f64) -> Option<Median> {
        let differences = self.served.iter().map(|round| by(round) - round.without);
        Median::of(differences)
    }
}

const SERVERS: [(&str, fn(&Served) -> f64); 3] = [
    ("without the layer", |served| served.without),
    ("without, once more", |served| served.again),
    (WITH, |served| served.with),
];
const WITH: &str = "with the layer";

impl Outcome for Errors {
    fn figures(&self) -> Value {
        let served = SERVERS.map(|(name, of)| {
            let added = self.added(of);
            json!({
                "server": name,
                "microseconds_per_request": self.middle(of),
                "microseconds_added": added.map(|added| json!({
                    "median": added.median,
                    "low": added.low,
                    "high": added.high,
                    "contains_zero": added.contains_zero(),
                })),
            })
        });
        let steps = self.steps.0.iter();
        let steps = steps.map(
            |(step, nanoseconds)| json!({ "error": step, "nanoseconds_per_error": nanoseconds }),
        );
        json!({
            "rounds": ROUNDS,
            "served": served,
            "errors": steps.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let text = "what the layer adds to a request, at least, µs".to_owned();
        targets.push(match self.added(|served| served.with) {
            Some(added) => Target::at_most(text, 0.0, added.low),
            None => Target::not_measured(text),
        });
        let rendered = self.steps.0.get(&Step::Rendered.name());
        let text = format!("an error {}, µs", Step::Rendered.name());
        targets.extend(rendered.map(|found| Target::at_most(text, 2.0, found / 1e3)));
        targets
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Medians of {ROUNDS} rounds, in turn: a route of axum over HTTP on this machine, one\n\
             connection that stays open. What is added is the median of the differences to\n\
             the first in the same round, and in brackets where it is with 95 % confidence.\n"
        )?;
        writeln!(f, "SERVER              µS/REQUEST  ADDED, µS")?;
        for (name, of) in SERVERS {
            write!(f, "{name:<18}  {:>10.2}", self.middle(of))?;
            match self.added(of).filter(|_| name != SERVERS[0].0) {
                Some(added) => {
                    let zero = if added.contains_zero() {
                        "no difference that can be measured"
                    } else {
                        "a difference"
                    };
                    let Median { median, low, high } = added;
                    writeln!(f, "  {median:+.3} [{low:+.3} … {high:+.3}]: {zero}")?;
                }
                None => writeln!(f)?,
            }
        }
        writeln!(f, "\nERROR                      NS/ERROR")?;
        for (step, nanoseconds) in self.steps.0.iter() {
            writeln!(f, "{step:<25}  {nanoseconds:>8.0}")?;
        }
        writeln!(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}
