//! What is said of input that cannot be used.

use super::{CHAPTERS, Param, SEED, Scenario, change::MAX_CHANGES};

/// Input that names nothing there is, or is out of range.
///
/// Each message is one line that says what is wrong and what would be right;
/// what was put in stands in it escaped, all that is not ASCII included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// No scenario has that name.
    #[error(
        "unknown scenario \"{}\"{}: the scenarios are {known}",
        escaped(name),
        hint(*nearest)
    )]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// The name most like it.
        nearest: Option<&'static str>,
        /// All names there are.
        known: String,
    },
    /// There is such a scenario, but not in this build.
    #[error("scenario \"{name}\" is of the chapter {chapter}, which this build does not have")]
    NotInThisBuild {
        /// The scenario.
        name: &'static str,
        /// Its chapter. The feature `chapter-…` of that name has it.
        chapter: &'static str,
    },
    /// The scenario has no such parameter.
    #[error(
        "unknown parameter \"{}\"{}: {scenario} has {known}",
        escaped(key),
        hint(*nearest)
    )]
    UnknownParam {
        /// What was to be set.
        key: String,
        /// The scenario.
        scenario: &'static str,
        /// The key most like it.
        nearest: Option<&'static str>,
        /// All keys there are.
        known: String,
    },
    /// The parameter is to change in the midst of a run, and cannot.
    #[error("{key} can be set before a run only; while {scenario} runs, {live} can change")]
    NotLive {
        /// The parameter.
        key: String,
        /// The scenario.
        scenario: &'static str,
        /// All keys that can.
        live: String,
    },
    /// There would be more changes than a run may have.
    #[error("a run has at most {MAX_CHANGES} changes")]
    TooManyChanges,
    /// The value is not in the parameter's range.
    #[error("{key} is {range}, not \"{}\"", escaped(value))]
    BadValue {
        /// The parameter.
        key: &'static str,
        /// What it was to be set to.
        value: String,
        /// What may be set, with its unit.
        range: String,
    },
}

impl InputError {
    /// Of a name that no scenario of this build has.
    pub(super) fn unknown_scenario(name: &str) -> Self {
        for chapter in CHAPTERS {
            if let Some(name) = chapter.scenarios.iter().find(|known| **known == name) {
                let chapter = chapter.name;
                return InputError::NotInThisBuild { name, chapter };
            }
        }
        let known = CHAPTERS.iter().flat_map(|chapter| chapter.scenarios);
        let known: Vec<_> = known.copied().collect();
        InputError::UnknownScenario {
            name: name.to_owned(),
            nearest: nearest(name, &known),
            known: known.join(", "),
        }
    }

    pub(super) fn not_live(key: &str, scenario: &'static Scenario) -> Self {
        let mut live = keys(scenario, |param| param.live);
        if live.is_empty() {
            live.push("nothing");
        }
        InputError::NotLive {
            key: key.to_owned(),
            scenario: scenario.name,
            live: live.join(", "),
        }
    }

    pub(super) fn unknown_param(key: &str, scenario: &'static Scenario) -> Self {
        let mut known = keys(scenario, |_| true);
        known.push(SEED.key);
        InputError::UnknownParam {
            key: key.to_owned(),
            scenario: scenario.name,
            nearest: nearest(key, &known),
            known: known.join(", "),
        }
    }
}

fn keys(scenario: &Scenario, are_meant: fn(&Param) -> bool) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for param in scenario.params {
        if are_meant(param) {
            keys.push(param.key);
        }
    }
    keys
}

/// As `{:?}` does it, but for letters that not everybody writes: to know these
/// apart weighs as much as a scenario in what the page downloads.
fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_default).collect()
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}

/// The name most like `wanted`, unless it is not like any.
fn nearest(wanted: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), *name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
