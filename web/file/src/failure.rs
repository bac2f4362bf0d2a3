//! What the browser threw, in plain words.

use js_sys::{Error, Reflect};
use wasm_bindgen::prelude::*;

/// Why one of the browser's streams failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The browser refuses to read on: it does so too when the file is not what
    /// it was when it was chosen.
    #[error(
        "the file cannot be read: it may have been changed, moved or removed since it was chosen, \
         be a folder, or not be yours to read"
    )]
    Unreadable,
    /// It gave more or less than it had when it was chosen.
    #[error(
        "the file was changed while it was read: it had {expected} bytes, and now gives {read}"
    )]
    Changed {
        /// Its size when it was chosen, in bytes.
        expected: u64,
        /// How many bytes came, or at least did.
        read: u64,
    },
    /// The browser grants the page no more storage.
    #[error(
        "the browser has no more room for the output: the disk or the page's share of it is full"
    )]
    Full,
    /// Anything else, as the browser put it.
    #[error("{0}")]
    Other(String),
}

impl From<JsValue> for Failure {
    fn from(thrown: JsValue) -> Self {
        // Not an `instanceof`: a `DOMException` is no `Error` everywhere.
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
