//! A scenario with its settings, as given in an address or on a command line.

use super::{
    Change, Context, InputError, Param, SEED, Scenario, Value, Values,
    change::{CHANGE_TIME, MAX_CHANGES, Schedule},
};
use crate::{
    platform::{Platform, Seed, VirtualTime},
    trace::{Recorder, Trace},
};
use futures_util::future::{Either, LocalBoxFuture, select};

/// Capacity of a run's trace buffer, in records.
///
/// No scenario records this many within its parameter ranges, so no records are dropped
/// even if the buffer is drained only after the run.
pub const TRACE_CAPACITY: usize = 1 << 18;

/// A scenario with its parameters, seed and scheduled changes.
///
/// In simulated time, each run of an experiment produces the same trace, byte
/// for byte.
///
/// ```
/// use highwater::{scenario, trace::RecordKind};
///
/// let mut slower = scenario::find("decoupling")?.experiment();
/// let before = slower.simulate();
/// slower.set("email_latency@1500", "400")?;
/// let after = slower.simulate();
///
/// let change = after.events.iter().position(|it| it.kind == RecordKind::Change);
/// let change = change.expect("the change is recorded");
/// assert_eq!(after.events[..change], before.events[..change], "the past is the same");
/// assert!(after.events.len() > change && after.events[change + 1..] != before.events[change..]);
/// # Ok::<(), scenario::InputError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Experiment {
    scenario: &'static Scenario,
    params: Values,
    seed: u64,
    /// Sorted by time, then by key.
    changes: Vec<Change>,
}

impl Scenario {
    /// Creates an experiment with default parameters and seed 1.
    #[must_use]
    pub fn experiment(&'static self) -> Experiment {
        Experiment {
            scenario: self,
            params: Values::defaults(self.params),
            seed: 1,
            changes: Vec::new(),
        }
    }
}

impl Experiment {
    /// Creates an experiment from the parts of an address,
    /// `#/NAME?seed=…&key=value…`, already split and decoded.
    ///
    /// Invalid pairs are ignored, and their parameters keep their defaults. The result
    /// also has an error for each ignored pair.
    ///
    /// # Errors
    ///
    /// The errors of [`find`](super::find).
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

    /// Sets a parameter, or the seed with the key `seed`.
    ///
    /// The key `KEY@MS` changes the [live](field@Param::live) parameter `KEY` during
    /// the run, `MS` milliseconds after its start. Later reads return the new value;
    /// work in progress keeps the old one. A change after the end of the run has no
    /// effect. If one parameter changes several times in the same millisecond, the
    /// last call wins.
    ///
    /// # Errors
    ///
    /// Returns an [`InputError`], and leaves the experiment unchanged, if the key,
    /// the time or the value is invalid.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), InputError> {
        if let Some((key, time)) = key.split_once('@') {
            return self.change(key, time, value);
        }
        let param = self.param(key)?;
        let value = param.parse(value)?;
        match value {
            Value::Integer(seed) if key == SEED.key => self.seed = seed,
            _ => self.params.put(key, value),
        }
        Ok(())
    }

    fn change(&mut self, key: &str, time: &str, value: &str) -> Result<(), InputError> {
        let param = self.param(key)?;
        if !param.live {
            return Err(InputError::not_live(key, self.scenario));
        }
        let Value::Integer(at_ms) = CHANGE_TIME.parse(time)? else {
            return Ok(());
        };
        let key = param.key;
        let value = param.parse(value)?;
        let change = Change { key, at_ms, value };
        let by_time_and_key = |it: &Change| (it.at_ms, it.key).cmp(&(at_ms, key));
        match self.changes.binary_search_by(by_time_and_key) {
            Ok(index) => self.changes[index] = change,
            Err(_) if self.changes.len() == MAX_CHANGES => return Err(InputError::TooManyChanges),
            Err(index) => self.changes.insert(index, change),
        }
        Ok(())
    }

    fn param(&self, key: &str) -> Result<&'static Param, InputError> {
        if key == SEED.key {
            return Ok(&SEED);
        }
        let mut params = self.scenario.params.iter();
        params
            .find(|param| param.key == key)
            .ok_or_else(|| InputError::unknown_param(key, self.scenario))
    }

    /// Returns the scenario.
    #[must_use]
    pub fn scenario(&self) -> &'static Scenario {
        self.scenario
    }

    /// Returns the parameters at the start of the run.
    #[must_use]
    pub fn params(&self) -> &Values {
        &self.params
    }

    /// Returns the seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the parameter changes during the run, sorted by time.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns the keys and values, in the form [`set`](Self::set) takes, that
    /// recreate this experiment; the seed is not included.
    ///
    /// Parameters at their default are included only if `with_defaults` is `true`.
    #[must_use]
    pub fn settings(&self, with_defaults: bool) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        for ((key, value), param) in self.params.iter().zip(self.scenario.params) {
            if with_defaults || value != param.default() {
                settings.push((key.to_owned(), value.to_string()));
            }
        }
        for change in &self.changes {
            settings.push(change.setting());
        }
        settings
    }

    /// Returns the command line that runs this experiment natively.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut line = format!("cargo run -p native -- run {}", self.scenario.name);
        for (key, value) in self.settings(false) {
            line.extend([" --set ", &key, "=", &value]);
        }
        line + &format!(" --seed {}", self.seed)
    }

    /// Returns the fragment of the page's address for this experiment, `#` included.
    #[must_use]
    pub fn fragment(&self) -> String {
        let mut fragment = format!("#/{}?seed={}", self.scenario.name, self.seed);
        for (key, value) in self.settings(false) {
            fragment.extend(["&", &key, "=", &value]);
        }
        fragment
    }

    /// Creates an empty trace of this experiment.
    #[must_use]
    pub fn new_trace(&self, world: &str) -> Trace {
        Trace {
            scenario: self.scenario.name.to_owned(),
            world: world.to_owned(),
            seed: self.seed,
            params: self.settings(true),
            ..Trace::default()
        }
    }

    /// Starts the experiment in a world.
    ///
    /// The future completes when all tasks and processes of the scenario have finished.
    pub fn start(&self, platform: Platform, trace: Recorder) -> LocalBoxFuture<'static, ()> {
        let mut params = self.params.clone();
        let schedule = (!self.changes.is_empty())
            .then(|| Schedule::new(&self.changes, platform.timer(), &trace));
        if let Some(schedule) = &schedule {
            params.follow(schedule.clone());
        }
        let run = (self.scenario.run)(Context {
            platform,
            trace,
            seed: Seed(self.seed),
            params,
        });
        let Some(schedule) = schedule else {
            return run;
        };
        let recording = Box::pin(schedule.record_in_time());
        Box::pin(async {
            if let Either::Right(((), run)) = select(run, recording).await {
                run.await;
            }
        })
    }

    /// Runs the experiment in simulated time, without real waits.
    ///
    /// # Panics
    ///
    /// Panics if the scenario panics; the trace is lost. To keep the records up to the
    /// panic, use [`simulate_in`](Self::simulate_in).
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

    /// Runs the experiment in the given simulated world, without real waits.
    ///
    /// # Errors
    ///
    /// Returns [`Deadlock`] if the run cannot finish. The recorder has the records
    /// up to that point.
    ///
    /// # Panics
    ///
    /// Panics if the scenario panics. The recorder keeps its records.
    pub fn simulate_in(&self, world: &VirtualTime, recorder: &Recorder) -> Result<(), Deadlock> {
        let main = self.start(world.platform(), recorder.clone());
        world.run_to_end(main).ok_or(Deadlock)
    }
}

/// A deadlocked run: every task waits and no timer is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadlock: every task waits, and no timer is set")]
pub struct Deadlock;
