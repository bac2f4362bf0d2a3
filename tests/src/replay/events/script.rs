//! The format of a recorded script, described in `tests/node/record-events.mjs`.

use serde::Deserialize;
use serde_json::Value;

/// A line of a recording.
#[derive(Deserialize)]
pub(crate) struct Script {
    pub(crate) behaviours: Vec<Vec<Operation>>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) trace: Vec<String>,
}

/// An operation of a script or of a listener.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Vec<Value>")]
pub(crate) enum Operation {
    On(Event),
    Once(Event),
    Prepend(Event),
    PrependOnce(Event),
    /// Removes the listener with this number, modulo the number of listeners.
    Off(usize),
    RemoveAll(Event),
    Emit(Event),
    /// Emits and catches errors.
    Try(Event),
    Throw,
}

/// The events of a script. In Node they are event names; here each is an emitter.
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

/// Parses an operation name and its argument: `["on", "a"]`, `["throw"]`.
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
                Operation::Off(number.ok_or("`off` needs a listener number")?)
            }
            Some("removeAll") => Operation::RemoveAll(event()?),
            Some("emit") => Operation::Emit(event()?),
            Some("try") => Operation::Try(event()?),
            Some("throw") => Operation::Throw,
            Some(other) => {
                return Err(format!(
                    "unknown operation `{other}`; expected `on`, `once`, `prepend`, \
                     `prependOnce`, `off`, `removeAll`, `emit`, `try`, `throw`"
                ));
            }
            None => return Err("an operation must start with its name".to_owned()),
        };
        Ok(operation)
    }
}

impl Event {
    fn of(value: Option<&Value>) -> Result<Self, String> {
        let name = value.and_then(Value::as_str).unwrap_or_default();
        let mut all = Self::ALL.into_iter();
        all.find(|event| event.name() == name)
            .ok_or_else(|| format!("unknown event `{name}`; expected `a`, `b` or `error`"))
    }
}
