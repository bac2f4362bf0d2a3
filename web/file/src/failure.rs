//! Browser stream errors.

use js_sys::{Error, Reflect};
use wasm_bindgen::prelude::*;

/// A browser stream error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The browser cannot read the file, possibly because it changed after it was
    /// chosen.
    #[error(
        "the file cannot be read: it may have been changed, moved or deleted since it was chosen, \
         be a folder, or need other permissions"
    )]
    Unreadable,
    /// The size of the file changed after it was chosen.
    #[error("the file was changed while it was read: it had {expected} bytes and now has {read}")]
    Changed {
        /// Size in bytes when the file was chosen.
        expected: u64,
        /// Number of bytes read.
        read: u64,
    },
    /// The page's storage quota is used up.
    #[error("no space is left for the output: the disk or the page's storage quota is full")]
    Full,
    /// Any other error, with the browser's message.
    #[error("{0}")]
    Other(String),
}

impl From<JsValue> for Failure {
    fn from(thrown: JsValue) -> Self {
        // Reads properties, because a `DOMException` is not an `Error` in every browser.
        let text = |key: &str| Reflect::get(&thrown, &key.into()).ok()?.as_string();
        match text("name").as_deref() {
            Some("NotReadableError" | "NotFoundError" | "SecurityError") => Failure::Unreadable,
            Some("QuotaExceededError") => Failure::Full,
            _ => Failure::Other(
                text("message")
                    .filter(|message| !message.is_empty())
                    .or_else(|| thrown.as_string())
                    .unwrap_or_else(|| String::from(Error::from(thrown).to_string())),
            ),
        }
    }
}
