//! A recorded script, as `tests/node/record-streams.mjs` describes it.

use serde::Deserialize;
use serde_json::Value;

/// A line of a recording.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Script {
    pub(crate) high_water_mark: usize,
    pub(crate) object_mode: bool,
    pub(crate) writev: bool,
    pub(crate) answers: Vec<Answer>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) trace: Vec<String>,
}

/// When the destination calls a write's callback.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// When an operation says so.
    Later,
    /// In the next tick.
    Soon,
    /// Before the write returns.
    Now,
    /// The same, with an error.
    NowFail,
}

/// What a script does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Vec<Value>")]
pub(crate) enum Operation {
    /// Of that many bytes.
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

/// On the wire a word, and what it applies to: `["write", 4]`, `["done"]`.
impl TryFrom<Vec<Value>> for Operation {
    type Error = String;

    fn try_from(words: Vec<Value>) -> Result<Self, String> {
        let word = words.first().and_then(Value::as_str);
        let word = word.ok_or("an operation begins with a word")?;
        let size = || {
            let size = words.get(1).and_then(Value::as_u64);
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| format!("`{word}` needs the size of a chunk"))
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
                    "unknown operation `{other}`: there are `write`, `done`, `fail`, `cork`, \
                     `uncork`, `end`, `endWith`, `destroy`, `destroyWith`"
                ));
            }
        };
        Ok(operation)
    }
}
