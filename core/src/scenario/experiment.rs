//! A scenario with everything set: what an address or a command line names.

use super::{Context, InputError, SEED, Scenario, Value, Values};
use crate::{
    platform::{Platform, Seed, VirtualTime},
    trace::{Recorder, Trace, VERSION},
};
use futures::future::LocalBoxFuture;

/// How many undrained records a run keeps. No scenario makes as many within
/// the ranges of its parameters, so a run that is drained only at its end
/// still loses none.
pub const TRACE_CAPACITY: usize = 1 << 18;

/// A scenario, its parameters and the seed. Run twice in simulated time, it
/// gives the same trace, byte for byte.
#[derive(Clone, Debug)]
pub struct Experiment {
    scenario: &'static Scenario,
    params: Values,
    seed: u64,
}

impl Experiment {
    pub(super) fn new(scenario: &'static Scenario) -> Self {
        Experiment {
            scenario,
            params: Values::defaults(scenario.params),
            seed: 1,
        }
    }

    /// Reads what an address names, `#/NAME?seed=…&key=value…`, already split
    /// and decoded.
    ///
    /// It takes what it can: the second part of the answer has a line for each
    /// pair that was ignored, and the parameters of those keep their defaults.
    ///
    /// # Errors
    ///
    /// [`InputError::UnknownScenario`].
    pub fn from_pairs<'a>(
        name: &str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(Self, Vec<InputError>), InputError> {
        let mut experiment = super::find(name)?.experiment();
        let ignored = pairs
            .into_iter()
            .filter_map(|(key, value)| experiment.set(key, value).err())
            .collect();
        Ok((experiment, ignored))
    }

    /// Sets a parameter, or the seed by the key `seed`.
    ///
    /// # Errors
    ///
    /// [`InputError`]; nothing is changed then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), InputError> {
        if key == SEED.key {
            if let Value::Integer(seed) = SEED.parse(value)? {
                self.seed = seed;
            }
            return Ok(());
        }
        let param = self
            .scenario
            .params
            .iter()
            .find(|param| param.key == key)
            .ok_or_else(|| InputError::unknown_param(key, self.scenario))?;
        self.params.put(key, param.parse(value)?);
        Ok(())
    }

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> &'static Scenario {
        self.scenario
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Values {
        &self.params
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The parameters that differ from their defaults.
    pub fn changed(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        self.params
            .iter()
            .zip(self.scenario.params)
            .filter(|((_, value), param)| *value != param.default())
            .map(|(pair, _)| pair)
    }

    /// The command line that runs this experiment natively.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut line = format!("cargo run -p native -- run {}", self.scenario.name);
        for (key, value) in self.changed() {
            line.extend([" --set ", key, "=", &value.to_string()]);
        }
        line + &format!(" --seed {}", self.seed)
    }

    /// The page's address of this experiment, from the `#` on.
    #[must_use]
    pub fn fragment(&self) -> String {
        let mut fragment = format!("#/{}?seed={}", self.scenario.name, self.seed);
        for (key, value) in self.changed() {
            fragment.extend(["&", key, "=", &value.to_string()]);
        }
        fragment
    }

    /// A trace of this experiment with nothing recorded yet.
    #[must_use]
    pub fn new_trace(&self, world: &str) -> Trace {
        Trace {
            version: VERSION,
            scenario: self.scenario.name.to_owned(),
            world: world.to_owned(),
            seed: self.seed,
            params: self
                .params
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_string()))
                .collect(),
            names: Vec::new(),
            events: Vec::new(),
            dropped: 0,
            died: None,
        }
    }

    /// Starts the experiment in a world. The future completes when all it
    /// started has ended.
    pub fn start(&self, platform: Platform, trace: Recorder) -> LocalBoxFuture<'static, ()> {
        (self.scenario.run)(Context {
            platform,
            trace,
            seed: Seed(self.seed),
            params: self.params.clone(),
        })
    }

    /// Runs the experiment in simulated time, at once.
    ///
    /// # Panics
    ///
    /// If the scenario panics: the panic passes through. To keep what was
    /// recorded until then, use [`simulate_in`](Self::simulate_in).
    #[must_use]
    pub fn simulate(&self) -> Trace {
        let world = VirtualTime::new();
        let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
        let ended = self.simulate_in(&world, &recorder);
        let mut trace = self.new_trace("virtual");
        trace.append(recorder.drain());
        trace.died = ended.err().map(|deadlock| deadlock.to_string());
        trace
    }

    /// Runs the experiment in a simulated world, at once.
    ///
    /// # Errors
    ///
    /// [`Deadlock`]: what was recorded until then is with the recorder.
    ///
    /// # Panics
    ///
    /// If the scenario panics: the panic passes through.
    pub fn simulate_in(&self, world: &VirtualTime, recorder: &Recorder) -> Result<(), Deadlock> {
        let main = self.start(world.platform(), recorder.clone());
        world.run_to_end(main).ok_or(Deadlock)
    }
}

/// Every task waits, and no timer is set: nothing would ever happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadlock: every task waits, and no timer is set")]
pub struct Deadlock;
