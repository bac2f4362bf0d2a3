//! The figures and targets of the error comparison.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{BestResults, Outcome, Target};
use super::ROUNDS;
use super::rendering::Step;
use super::servers::{RequestTimes, Setup};
use super::statistics::{Difference, Quartiles};

#[derive(Default)]
pub(super) struct ErrorsOutcome {
    times: Vec<RequestTimes>,
    steps: Steps,
}

/// Nanoseconds of each step.
struct Steps(BestResults<&'static str>);

impl Default for Steps {
    fn default() -> Self {
        Steps(BestResults::lowest())
    }
}

impl ErrorsOutcome {
    pub(super) fn add_times(&mut self, times: RequestTimes) {
        self.times.push(times);
    }

    pub(super) fn add_step(&mut self, step: Step, nanoseconds: f64) {
        self.steps.0.add(step.name(), nanoseconds);
    }

    fn median(&self, setup: Setup) -> f64 {
        self.quartiles_of(|round| round.by(setup).median).median
    }

    /// Returns the interquartile range of requests without the layer.
    fn spread(&self) -> f64 {
        self.quartiles_of(|round| round.by(Setup::Nothing).width())
            .median
    }

    fn quartiles_of(&self, figure: impl Fn(&RequestTimes) -> f64) -> Quartiles {
        Quartiles::of(self.times.iter().map(figure).collect())
    }

    /// Returns the difference to the server without the layer in the same round.
    fn added(&self, setup: Setup) -> Option<Difference> {
        let added = |round: &RequestTimes| round.by(setup).median - round.by(Setup::Nothing).median;
        Difference::of(self.times.iter().map(added))
    }
}

impl Outcome for ErrorsOutcome {
    fn figures(&self) -> Value {
        let servers = Setup::ALL.map(|setup| {
            let added = self.added(setup);
            json!({
                "server": setup.name(),
                "microseconds_per_request": self.median(setup),
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
            "microseconds_between_requests": self.spread(),
            "served": servers,
            "errors": steps.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        // A real server does more work per request, so the share is smaller there.
        let text = "overhead of the layer on a minimal request, %".to_owned();
        targets.push(match self.added(Setup::Layer) {
            Some(added) => {
                let part = added.median / self.median(Setup::Nothing);
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

impl fmt::Display for ErrorsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Medians of {ROUNDS} rounds in turn: an axum route over loopback HTTP with one\n\
             keep-alive connection. ADDED is the median difference to the first server in the\n\
             same round, with its 95 % confidence interval in brackets. The interquartile range\n\
             of single requests without the layer is {:.2} µs.\n",
            self.spread()
        )?;
        writeln!(f, "SERVER               µS/REQUEST  ADDED, µS")?;
        for setup in Setup::ALL {
            write!(f, "{:<19}  {:>10.2}", setup.name(), self.median(setup))?;
            match self.added(setup).filter(|_| setup != Setup::Nothing) {
                Some(added) => {
                    let zero = if added.contains_zero() {
                        "not significant"
                    } else {
                        "significant"
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
