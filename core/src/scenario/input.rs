//! User input from addresses and command lines: parsing, and its errors.

use super::{CHAPTERS, Decimal, MAX_CHANGES, Param, ParamKind, SEED, Scenario, Value};

impl Param {
    /// Parses a value.
    ///
    /// # Errors
    ///
    /// Returns [`InputError::BadValue`], which names the range, if the text is not a
    /// valid value.
    pub fn parse(&self, text: &str) -> Result<Value, InputError> {
        let value = match self.kind {
            ParamKind::Integer { min, max, .. } => text
                .trim()
                .parse()
                .ok()
                .filter(|number| (min..=max).contains(number))
                .map(Value::Integer),
            ParamKind::Decimal { min, max, .. } => Decimal::parse(text.trim())
                .filter(|number| (min..=max).contains(number))
                .map(Value::Decimal),
            ParamKind::Choice { options, .. } => options
                .iter()
                .find(|option| **option == text.trim())
                .map(|option| Value::Choice(option)),
        };
        value.ok_or_else(|| {
            let is_integer = matches!(self.kind, ParamKind::Integer { .. });
            let needs_integer = is_integer && text.contains('.');
            let prefix = if needs_integer {
                "a whole number from "
            } else {
                ""
            };
            InputError::BadValue {
                key: self.key,
                value: text.to_owned(),
                range: prefix.to_owned() + &self.range(),
            }
        })
    }
}

/// An unknown name or a value out of range.
///
/// Each message is one line that says what is wrong and what is valid. User
/// input in it is escaped, including all non-ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// No scenario has this name.
    #[error(
        "unknown scenario \"{}\"{}: the scenarios are {known}",
        escaped(name),
        hint(*nearest)
    )]
    UnknownScenario {
        /// The name that was given.
        name: String,
        /// The most similar name, if any is similar.
        nearest: Option<&'static str>,
        /// All scenario names.
        known: String,
    },
    /// The scenario exists, but not in this build.
    #[error("scenario \"{name}\" is in chapter {chapter}, which this build lacks")]
    NotInThisBuild {
        /// The scenario.
        name: &'static str,
        /// Its chapter; the Cargo feature is `chapter-` followed by this name.
        chapter: &'static str,
    },
    /// The scenario has no such parameter.
    #[error(
        "unknown parameter \"{}\"{}: {scenario} has {known}",
        escaped(key),
        hint(*nearest)
    )]
    UnknownParam {
        /// The key that was given.
        key: String,
        /// The scenario.
        scenario: &'static str,
        /// The most similar key, if any is similar.
        nearest: Option<&'static str>,
        /// All keys of the scenario.
        known: String,
    },
    /// The parameter cannot change during a run.
    #[error("{key} cannot change while {scenario} runs; these can: {live}")]
    NotLive {
        /// The parameter.
        key: String,
        /// The scenario.
        scenario: &'static str,
        /// All keys that can change during a run.
        live: String,
    },
    /// The run already has the maximum number of changes.
    #[error("a run has at most {MAX_CHANGES} changes")]
    TooManyChanges,
    /// The value is outside the parameter's range.
    #[error("{key} must be {range}, not \"{}\"", escaped(value))]
    BadValue {
        /// The parameter.
        key: &'static str,
        /// The value that was given.
        value: String,
        /// The valid values, with their unit.
        range: String,
    },
}

impl InputError {
    /// Creates the error for a name that no scenario in this build has.
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
            live.push("none");
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

fn keys(scenario: &Scenario, filter: fn(&Param) -> bool) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for param in scenario.params {
        if filter(param) {
            keys.push(param.key);
        }
    }
    keys
}

/// Escapes control and non-ASCII characters.
///
/// Unlike `{:?}` it needs no Unicode tables, which would add as much to the page's
/// download as a scenario does.
fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_default).collect()
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}

/// Returns the known name most similar to `wanted`, if any is similar enough.
fn nearest(wanted: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(wanted, name), *name))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
