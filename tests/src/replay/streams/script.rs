//! The format of a recorded script, described in `tests/node/record-streams.mjs`.

use serde::Deserialize;
use serde_json::Value;

/// A line of a recording.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Script {
    pub(crate) high_water_mark: usize,
    pub(crate) object_mode: bool,
    pub(crate) writev: bool,
    pub(crate) answers: Vec<CallbackTime>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) trace: Vec<String>,
}

/// The time at which the destination calls a write's callback.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CallbackTime {
    /// In a later operation.
    Later,
    /// In the next tick.
    Soon,
    /// Before `write` returns.
    Now,
    /// Before `write` returns, with an error.
    NowFail,
}

/// An operation of a script.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Vec<Value>")]
pub(crate) enum Operation {
    /// Writes a chunk of this size.
    Write(usize),
    Done,
    Fail,
    Cork,
    Uncork,
    End,
    EndWith(usize),
    Destroy,
    DestroyWith,
}

/// Parses an operation name and its argument: `["write", 4]`, `["done"]`.
impl TryFrom<Vec<Value>> for Operation {
    type Error = String;

    fn try_from(words: Vec<Value>) -> Result<Self, String> {
        let word = words.first().and_then(Value::as_str);
        let word = word.ok_or("an operation must start with its name")?;
        let size = || {
            let size = words.get(1).and_then(Value::as_u64);
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| format!("`{word}` needs a chunk size"))
        };
        let operation = match word {
            "write" => Operation::Write(size()?),
            "done" => Operation::Done,
            "fail" => Operation::Fail,
            "cork" => Operation::Cork,
            "uncork" => Operation::Uncork,
            "end" => Operation::End,
            "endWith" => Operation::EndWith(size()?),
            "destroy" => Operation::Destroy,
            "destroyWith" => Operation::DestroyWith,
            other => {
                return Err(format!(
                    "unknown operation `{other}`; expected `write`, `done`, `fail`, `cork`, \
                     `uncork`, `end`, `endWith`, `destroy`, `destroyWith`"
                ));
            }
        };
        Ok(operation)
    }
}
