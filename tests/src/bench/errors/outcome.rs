//! Results and targets of the error comparison.

use std::fmt;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target};
use super::super::rounds::BestResults;
use super::super::statistics::{Difference, Quartiles};
use super::rendering::Step;
use super::servers::{RequestTimes, Setup};

/// The number of rounds. Each yields one pair of measurements: with and without the
/// layer.
pub(super) const ROUNDS: usize = 100;

#[derive(Default)]
pub(super) struct ErrorsOutcome {
    times: Vec<RequestTimes>,
    steps: Steps,
}

/// The duration of each step, in nanoseconds.
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
        self.quartiles_of(|round| round.quartiles(setup).median)
            .median
    }

    /// Returns the interquartile range of request times without the layer.
    fn request_spread(&self) -> f64 {
        self.quartiles_of(|round| round.quartiles(Setup::NoLayer).width())
            .median
    }

    fn quartiles_of(&self, select: impl Fn(&RequestTimes) -> f64) -> Quartiles {
        Quartiles::of(self.times.iter().map(select).collect())
    }

    /// Returns the added time per request, compared with the server without the layer
    /// in the same round.
    fn added_time(&self, setup: Setup) -> Option<Difference> {
        let added_time = |round: &RequestTimes| {
            round.quartiles(setup).median - round.quartiles(Setup::NoLayer).median
        };
        Difference::of(self.times.iter().map(added_time))
    }
}

impl Outcome for ErrorsOutcome {
    fn figures(&self) -> Value {
        let servers = Setup::ALL.map(|setup| {
            let added_time = self.added_time(setup);
            json!({
                "server": setup.name(),
                "microseconds_per_request": self.median(setup),
                "microseconds_added": added_time.map(|added_time| json!({
                    "median": added_time.median,
                    "low": added_time.low,
                    "high": added_time.high,
                    "contains_zero": added_time.contains_zero(),
                })),
            })
        });
        let steps = self.steps.0.iter();
        let steps = steps.map(
            |(step, nanoseconds)| json!({ "error": step, "nanoseconds_per_error": nanoseconds }),
        );
        json!({
            "rounds": ROUNDS,
            "microseconds_between_requests": self.request_spread(),
            "served": servers,
            "errors": steps.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        // Real servers do more work per request, so their relative overhead is smaller.
        let text = "layer overhead on a minimal request, %".to_owned();
        targets.push(match self.added_time(Setup::Layer) {
            Some(added_time) => {
                let share = added_time.median / self.median(Setup::NoLayer);
                Target::at_most(text, 3.0, share * 100.0)
            }
            None => Target::not_measured(text),
        });
        let rendered = self.steps.0.get(&Step::Rendered.name());
        let text = format!("error, {}, µs", Step::Rendered.name());
        targets.extend(rendered.map(|nanoseconds| Target::at_most(text, 2.0, nanoseconds / 1e3)));
        targets
    }
}

impl fmt::Display for ErrorsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Medians of {ROUNDS} rounds: an axum route over loopback HTTP with one\n\
             keep-alive connection. ADDED is the median difference to the first server in the\n\
             same round, with its 95 % confidence interval in brackets. The interquartile range\n\
             of single requests without the layer is {:.2} µs.\n",
            self.request_spread()
        )?;
        writeln!(f, "SERVER               µS/REQUEST  ADDED, µS")?;
        for setup in Setup::ALL {
            write!(f, "{:<19}  {:>10.2}", setup.name(), self.median(setup))?;
            match self.added_time(setup).filter(|_| setup != Setup::NoLayer) {
                Some(added_time) => {
                    let significance = if added_time.contains_zero() {
                        "not significant"
                    } else {
                        "significant"
                    };
                    let Difference { median, low, high } = added_time;
                    writeln!(f, "  {median:+.3} [{low:+.3} … {high:+.3}]: {significance}")?;
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
