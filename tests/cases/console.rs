//! The browser's console, by a command of Chrome that is not in `WebDriver`, and
//! any other of its own.

use anyhow::{Context as _, Result};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// Asks for what the console got since it was last asked.
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

/// Any command of Chrome's own protocol: its name and parameters.
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

/// One message of the console.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub(crate) level: String,
    /// Where it came from, and what it says.
    pub(crate) message: String,
}

impl Entry {
    /// The messages in the answer to [`Console`].
    pub(crate) fn parse(answer: &Value) -> Result<Vec<Self>> {
        let entries = answer.as_array().context("the console is not a list")?;
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        Ok(entries
            .iter()
            .map(|entry| Self {
                level: text(entry, "level"),
                message: text(entry, "message"),
            })
            .collect())
    }

    /// Whether a person who looks at the console sees it in red.
    pub(crate) fn is_error(&self) -> bool {
        self.level == "SEVERE"
    }
}
