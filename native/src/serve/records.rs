//! How records are written into an answer.

use base64::{Engine, prelude::BASE64_STANDARD};
use highwater::trace::{Batch, Packed};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// The forms that a client may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Records {
    /// An object a record, with words for names: for people and programs.
    #[default]
    Json,
    /// As the page's own worlds have them: 80 bytes a record, in base64. Three times
    /// smaller, and next to nothing to read.
    Packed,
}

impl Records {
    /// Whether a client has to hear that nothing was recorded: it plays the run, and
    /// would stand still.
    pub(super) fn tells_time(self) -> bool {
        self == Records::Packed
    }

    /// A batch of what was recorded up to `known_until`.
    pub(super) fn write(
        self,
        batch: &Batch,
        known_until: Duration,
    ) -> Result<String, serde_json::Error> {
        if self == Records::Json {
            return serde_json::to_string(batch);
        }
        let Packed { names, words } = batch.clone().into();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let packed = json!({
            "names": names,
            "words": BASE64_STANDARD.encode(bytes),
            "now_ms": u64::try_from(known_until.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(packed.to_string())
    }
}
