//! A recorded script, as `tests/node/record-events.mjs` describes it.

use serde::Deserialize;
use serde_json::Value;

/// A line of a recording.
#[derive(Deserialize)]
pub(crate) struct Script {
    pub(crate) behaviours: Vec<Vec<Operation>>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) trace: Vec<String>,
}

/// What a script does, at its top or in a listener.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Vec<Value>")]
pub(crate) enum Operation {
    On(Event),
    Once(Event),
    Prepend(Event),
    PrependOnce(Event),
    /// The listener of that number, modulo those there are.
    Off(usize),
    RemoveAll(Event),
    Emit(Event),
    /// Emits, and catches what is thrown.
    Try(Event),
    Throw,
}

/// The events of a script, by name in Node and each an emitter in ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    A,
    B,
    Error,
}

impl Event {
    pub(crate) const ALL: [Self; 3] = [Self::A, Self::B, Self::Error];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Error => "error",
        }
    }
}

/// On the wire a word, and what it applies to: `["on", "a"]`, `["throw"]`.
impl TryFrom<Vec<Value>> for Operation {
    type Error = String;

    fn try_from(words: Vec<Value>) -> Result<Self, String> {
        let event = || Event::of(words.get(1));
        let operation = match words.first().and_then(Value::as_str) {
            Some("on") => Operation::On(event()?),
            Some("once") => Operation::Once(event()?),
            Some("prepend") => Operation::Prepend(event()?),
            Some("prependOnce") => Operation::PrependOnce(event()?),
            Some("off") => {
                let number = words.get(1).and_then(Value::as_u64);
                let number = number.and_then(|number| usize::try_from(number).ok());
                Operation::Off(number.ok_or("`off` needs the number of a listener")?)
            }
            Some("removeAll") => Operation::RemoveAll(event()?),
            Some("emit") => Operation::Emit(event()?),
            Some("try") => Operation::Try(event()?),
            Some("throw") => Operation::Throw,
            Some(other) => {
                return Err(format!(
                    "unknown operation `{other}`: there are `on`, `once`, `prepend`, \
                     `prependOnce`, `off`, `removeAll`, `emit`, `try`, `throw`"
                ));
            }
            None => return Err("an operation begins with a word".to_owned()),
        };
        Ok(operation)
    }
}

impl Event {
    fn of(value: Option<&Value>) -> Result<Self, String> {
        let name = value.and_then(Value::as_str).unwrap_or_default();
        let mut all = Self::ALL.into_iter();
        all.find(|event| event.name() == name)
            .ok_or_else(|| format!("unknown event `{name}`: there are `a`, `b`, `error`"))
    }
}
