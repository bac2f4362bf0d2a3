//! The scenario schema and page addresses. An address describes a whole experiment.

use highwater::scenario::{self, Experiment, InputError, Param, SEED, Scenario};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Returns the schema of this chapter's scenarios as JSON: their parameters,
/// including the seed, and their presets. The page builds its controls from it.
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

/// An experiment parsed from a page address.
#[wasm_bindgen]
pub struct Address {
    experiment: Experiment,
    ignored: Vec<InputError>,
}

#[wasm_bindgen]
impl Address {
    /// Parses a scenario name and a flat list of settings, `key, value, key, value…`.
    /// Invalid settings are ignored and listed by [`ignored`](Self::ignored).
    ///
    /// # Errors
    ///
    /// Fails if the scenario is unknown. The message lists the scenarios of all chapters.
    #[wasm_bindgen(constructor)]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "wasm-bindgen passes lists of strings by value"
    )]
    pub fn new(name: &str, pairs: Vec<String>) -> Result<Address, JsError> {
        let (experiment, ignored) = read(name, &pairs)?;
        Ok(Address {
            experiment,
            ignored,
        })
    }

    /// The scenario's name.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.experiment.scenario().name.to_owned()
    }

    /// Returns every parameter, the changes during the run and the seed as a flat
    /// list, `key, value, key, value…`, in the format that [`new`](Self::new) takes.
    pub fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (key, value) in self.experiment.settings(true) {
            values.extend([key, value]);
        }
        values.extend(["seed".to_owned(), self.experiment.seed().to_string()]);
        values
    }

    /// Returns one line for each setting that was ignored.
    pub fn ignored(&self) -> Vec<String> {
        self.ignored.iter().map(ToString::to_string).collect()
    }

    /// The address of this experiment, starting with `#`.
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

/// Parses a scenario name and a flat list of settings; see [`Address::new`].
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

/// Serializes to JSON. This cannot fail, because keys are strings and numbers are
/// finite.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
