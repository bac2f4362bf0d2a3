//! The figures of the servers and of errors, and what is wanted of them.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Best, Outcome, Target};
use super::ROUNDS;
use super::paired::{Difference, Quartiles};
use super::rendered::Step;
use super::served::{Around, Served};

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

    fn middle(&self, around: Around) -> f64 {
        self.of_rounds(|round| round.by(around).median).median
    }

    /// How much one request without the layer differs from the next.
    fn by_itself(&self) -> f64 {
        self.of_rounds(|round| round.by(Around::Nothing).width())
            .median
    }

    fn of_rounds(&self, figure: impl Fn(&Served) -> f64) -> Quartiles {
        Quartiles::of(self.served.iter().map(figure).collect())
    }

    /// Beside the server without, in the same round.
    fn added(&self, around: Around) -> Option<Difference> {
        let added = |round: &Served| round.by(around).median - round.by(Around::Nothing).median;
        Difference::of(self.served.iter().map(added))
    }
}

impl Outcome for Errors {
    fn figures(&self) -> Value {
        let served = Around::ALL.map(|around| {
            let added = self.added(around);
            json!({
                "server": around.name(),
                "microseconds_per_request": self.middle(around),
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
            "microseconds_between_requests": self.by_itself(),
            "served": served,
            "errors": steps.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        // A server of use does more for a request than this one, so that it is a
        // smaller part there.
        let text = "what the layer adds to the least that a request takes, %".to_owned();
        targets.push(match self.added(Around::Layer) {
            Some(added) => {
                let part = added.median / self.middle(Around::Nothing);
                Target::at_most(text, 3.0, part * 100.0)
            }
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
             the first in the same round, and in brackets where it is with 95 % confidence.\n\
             By themselves requests differ by {:.2} µs: the middle half of them lies within.\n",
            self.by_itself()
        )?;
        writeln!(f, "SERVER               µS/REQUEST  ADDED, µS")?;
        for around in Around::ALL {
            write!(f, "{:<19}  {:>10.2}", around.name(), self.middle(around))?;
            match self.added(around).filter(|_| around != Around::Nothing) {
                Some(added) => {
                    let zero = if added.contains_zero() {
                        "none that can be told from zero"
                    } else {
                        "not zero"
                    };
                    let Difference { median, low, high } = added;
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
