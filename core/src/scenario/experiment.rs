//! A scenario with everything set: what an address or a command line names.

use super::{
    Change, Context, InputError, Param, SEED, Scenario, Value, Values,
    change::{CHANGE_TIME, MAX_CHANGES, Schedule},
};
use crate::{
    platform::{Platform, Seed, VirtualTime},
    trace::{Recorder, Trace},
};
use futures::future::LocalBoxFuture;

/// How many undrained records a run keeps. No scenario makes as many within
/// the ranges of its parameters, so a run that is drained only at its end
/// still loses none.
pub const TRACE_CAPACITY: usize = 1 << 18;

/// A scenario, its parameters, the seed, and what changes in the midst of the run.
/// Run twice in simulated time, it gives the same trace, byte for byte.
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
/// let change = change.expect("it is on record");
/// assert_eq!(after.events[..change], before.events[..change], "the past is the same");
/// assert!(after.events.len() > change && after.events[change + 1..] != before.events[change..]);
/// # Ok::<(), scenario::InputError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Experiment {
    scenario: &'static Scenario,
    params: Values,
    seed: u64,
    /// In the order of their moments, then of their keys.
    changes: Vec<Change>,
}

impl Experiment {
    pub(super) fn new(scenario: &'static Scenario) -> Self {
        Experiment {
            scenario,
            params: Values::defaults(scenario.params),
            seed: 1,
            changes: Vec::new(),
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
    /// The key `KEY@MS` changes the parameter `KEY` in the midst of the run, so many
    /// milliseconds after its start, if it is [live](field@Param::live): whatever uses it
    /// from then on uses the new value. What is under way goes on as it began. A
    /// moment that the run does not reach changes nothing. Of several changes of a
    /// parameter at one moment the last counts.
    ///
    /// # Errors
    ///
    /// [`InputError`]; nothing is changed then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), InputError> {
        if let Some((key, moment)) = key.split_once('@') {
            return self.change(key, moment, value);
        }
        let param = self.param(key)?;
        let value = param.parse(value)?;
        match value {
            Value::Integer(seed) if key == SEED.key => self.seed = seed,
            _ => self.params.put(key, value),
        }
        Ok(())
    }

    fn change(&mut self, key: &str, moment: &str, value: &str) -> Result<(), InputError> {
        let param = self.param(key)?;
        if !param.live {
            return Err(InputError::not_live(key, self.scenario));
        }
        let Value::Integer(at_ms) = CHANGE_TIME.parse(moment)? else {
            return Ok(());
        };
        let key = param.key;
        let value = param.parse(value)?;
        let change = Change { key, at_ms, value };
        let place = |it: &Change| (it.at_ms, it.key).cmp(&(at_ms, key));
        match self.changes.binary_search_by(place) {
            Ok(known) => self.changes[known] = change,
            Err(_) if self.changes.len() == MAX_CHANGES => return Err(InputError::TooManyChanges),
            Err(place) => self.changes.insert(place, change),
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

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> &'static Scenario {
        self.scenario
    }

    /// The parameters, as they are at the start.
    #[must_use]
    pub fn params(&self) -> &Values {
        &self.params
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What changes in the midst of the run, the earliest first.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What this experiment is, the seed aside: keys, and values as
    /// [`set`](Self::set) takes them; or what of it is not as by default.
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

    /// The command line that runs this experiment natively.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut line = format!("cargo run -p native -- run {}", self.scenario.name);
        for (key, value) in self.settings(false) {
            line.extend([" --set ", &key, "=", &value]);
        }
        line + &format!(" --seed {}", self.seed)
    }

    /// The page's address of this experiment, from the `#` on.
    #[must_use]
    pub fn fragment(&self) -> String {
        let mut fragment = format!("#/{}?seed={}", self.scenario.name, self.seed);
        for (key, value) in self.settings(false) {
            fragment.extend(["&", &key, "=", &value]);
        }
        fragment
    }

    /// A trace of this experiment with nothing recorded yet.
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

    /// Starts the experiment in a world. The future completes when all it
    /// started has ended.
    pub fn start(&self, platform: Platform, trace: Recorder) -> LocalBoxFuture<'static, ()> {
        let mut params = self.params.clone();
        if !self.changes.is_empty() {
            let schedule = Schedule::new(&self.changes, platform.timer(), &trace);
            params.follow(schedule);
        }
        (self.scenario.run)(Context {
            platform,
            trace,
            seed: Seed(self.seed),
            params,
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
