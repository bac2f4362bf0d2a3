//! The schema, and the address as the whole experiment.

use highwater::scenario::{self, Experiment, InputError, Param, Scenario};
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Every scenario with its parameters and presets, as JSON. The page makes its
/// controls from this.
#[wasm_bindgen]
pub fn scenarios() -> String {
    let all: Vec<_> = scenario::ALL
        .iter()
        .map(|it| Described::from(*it))
        .collect();
    json(&all)
}

#[derive(Serialize)]
struct Described {
    name: &'static str,
    chapter: &'static str,
    summary: &'static str,
    params: &'static [Param],
    presets: Vec<DescribedPreset>,
}

#[derive(Serialize)]
struct DescribedPreset {
    title: &'static str,
    set: &'static [(&'static str, &'static str)],
}

impl From<&'static Scenario> for Described {
    fn from(scenario: &'static Scenario) -> Self {
        let presets = scenario.presets.iter();
        Described {
            name: scenario.name,
            chapter: scenario.chapter,
            summary: scenario.summary,
            params: scenario.params,
            presets: presets
                .map(|preset| DescribedPreset {
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
    /// Reads a scenario's name and `[key, value]` pairs, as JSON. What cannot
    /// be used is ignored and reported by [`ignored`](Self::ignored).
    ///
    /// # Errors
    ///
    /// An unknown scenario: one line that names the known ones.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, pairs: &str) -> Result<Address, JsError> {
        let (experiment, ignored) = read(name, pairs)?;
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

    /// Every parameter's value, and the seed, as a JSON object of strings.
    pub fn values(&self) -> String {
        let mut values = serde_json::Map::new();
        for (key, value) in self.experiment.params().iter() {
            values.insert(key.to_owned(), value.to_string().into());
        }
        values.insert("seed".to_owned(), self.experiment.seed().to_string().into());
        json(&values)
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

/// Reads a scenario's name and pairs as [`Address::new`] does.
pub(crate) fn read(name: &str, pairs: &str) -> Result<(Experiment, Vec<InputError>), JsError> {
    let pairs: Vec<(String, String)> = serde_json::from_str(pairs)?;
    let pairs = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Experiment::from_pairs(name, pairs)?)
}

/// What we serialise has string keys and finite numbers, so it cannot fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
