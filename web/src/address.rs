//! The schema, and the address as the whole experiment.

use highwater::scenario::{self, Experiment, InputError, Param, SEED, Scenario};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Every scenario of this chapter with its parameters, the seed among them, and
/// its presets, as JSON. The page makes its controls from this.
#[wasm_bindgen]
pub fn scenarios() -> String {
    let all: Vec<_> = scenario::ALL
        .iter()
        .map(|it| ScenarioSchema::from(*it))
        .collect();
    json(&all)
}

#[derive(Serialize)]
struct ScenarioSchema {
    name: &'static str,
    chapter: &'static str,
    summary: &'static str,
    params: Vec<&'static Param>,
    presets: Vec<PresetSchema>,
}

#[derive(Serialize)]
struct PresetSchema {
    title: &'static str,
    set: &'static [(&'static str, &'static str)],
}

impl From<&'static Scenario> for ScenarioSchema {
    fn from(scenario: &'static Scenario) -> Self {
        let presets = scenario.presets.iter();
        ScenarioSchema {
            name: scenario.name,
            chapter: scenario.chapter,
            summary: scenario.summary,
            params: scenario.params.iter().chain([&SEED]).collect(),
            presets: presets
                .map(|preset| PresetSchema {
                    title: preset.title,
                    set: preset.set,
                })
                .collect(),
        }
    }
}

/// An experiment read from an address.
#[wasm_bindgen]
pub struct Address {
    experiment: Experiment,
    ignored: Vec<InputError>,
}

#[wasm_bindgen]
impl Address {
    /// Reads a scenario's name and a flat list, `key, value, key, value…`. What
    /// cannot be used is ignored and reported by [`ignored`](Self::ignored).
    ///
    /// # Errors
    ///
    /// An unknown scenario: one line that names the known ones, of all chapters.
    #[wasm_bindgen(constructor)]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "JavaScript cannot lend a list of strings"
    )]
    pub fn new(name: &str, pairs: Vec<String>) -> Result<Address, JsError> {
        let (experiment, ignored) = read(name, &pairs)?;
        Ok(Address {
            experiment,
            ignored,
        })
    }

    /// The name of the scenario.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.experiment.scenario().name.to_owned()
    }

    /// Every parameter and its value, what changes in the midst of the run, then the
    /// seed: a flat list, `key, value, key, value…`, as [`new`](Self::new) takes it.
    pub fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (key, value) in self.experiment.settings(true) {
            values.extend([key, value]);
        }
        values.extend(["seed".to_owned(), self.experiment.seed().to_string()]);
        values
    }

    /// A line for each pair that was ignored.
    pub fn ignored(&self) -> Vec<String> {
        self.ignored.iter().map(ToString::to_string).collect()
    }

    /// The address of this experiment, from the `#` on.
    #[wasm_bindgen(getter)]
    pub fn fragment(&self) -> String {
        self.experiment.fragment()
    }

    /// The command line that runs this experiment natively.
    #[wasm_bindgen(getter)]
    pub fn command(&self) -> String {
        self.experiment.command_line()
    }
}

impl Address {
    pub(crate) fn experiment(&self) -> &Experiment {
        &self.experiment
    }
}

/// Reads a scenario's name and a flat list as [`Address::new`] does.
pub(crate) fn read(
    name: &str,
    pairs: &[String],
) -> Result<(Experiment, Vec<InputError>), InputError> {
    let (pairs, _) = pairs.as_chunks();
    let pairs = pairs
        .iter()
        .map(|[key, value]| (key.as_str(), value.as_str()));
    Experiment::from_pairs(name, pairs)
}

/// What we serialise has string keys and finite numbers, so it cannot fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
