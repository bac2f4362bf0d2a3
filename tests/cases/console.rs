//! Chrome's console and Chrome `DevTools` Protocol commands.

use anyhow::{Context as _, Result};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// `WebDriver` command that returns the console entries since the last call.
#[derive(Debug)]
pub(crate) struct Console;

impl WebDriverCompatibleCommand for Console {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A Chrome `DevTools` Protocol command: name and parameters.
#[derive(Debug)]
pub(crate) struct Cdp(pub(crate) &'static str, pub(crate) Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (Method::POST, Some(body.to_string()))
    }
}

/// A console entry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub(crate) level: String,
    /// Source and text.
    pub(crate) message: String,
}

impl Entry {
    /// Parses the response to [`Console`].
    pub(crate) fn parse(response: &Value) -> Result<Vec<Self>> {
        let entries = response
            .as_array()
            .context("the console log is not a list")?;
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Ok(entries
            .iter()
            .map(|entry| Self {
                level: text(entry, "level"),
                message: text(entry, "message"),
            })
            .collect())
    }

    /// Returns `true` if the entry is an error.
    pub(crate) fn is_error(&self) -> bool {
        self.level == "SEVERE"
    }
}
