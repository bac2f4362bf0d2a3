//! Firefox support.
//!
//! Scripts with system access (in the context that Firefox calls "chrome") read the
//! console and set user preferences, which `WebDriver` cannot do.

use anyhow::{Context as _, Result};
use fantoccini::Client;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::console::Entry;

pub(crate) fn capabilities() -> Capabilities {
    let Value::Object(capabilities) = json!({
        "browserName": "firefox",
        "moz:firefoxOptions": { "args": ["-headless"] },
    }) else {
        unreachable!("the literal is an object")
    };
    capabilities
}

/// Runs a script with system access.
pub(crate) async fn run_privileged(
    client: &Client,
    script: &str,
    arguments: Vec<Value>,
) -> Result<Value> {
    client.issue_cmd(Context("chrome")).await?;
    let result = client.execute(script, arguments).await;
    client.issue_cmd(Context("content")).await?;
    result.context("a script with system access failed")
}

/// Returns the console entries of pages since the last call. Excludes failed requests,
/// and Firefox's warning about a Worker that exited before the service worker
/// responded.
pub(crate) async fn console(client: &Client) -> Result<Vec<Entry>> {
    const SCRIPT: &str = "
        const kept = Cc['@mozilla.org/consoleAPI-storage;1'].getService(Ci.nsIConsoleAPIStorage);
        const called = kept.getEvents().map(({ level, filename, arguments: [what] }) =>
            ({ level: level === 'error' ? 'SEVERE' : 'INFO', filename, message: String(what) }));
        const thrown = Services.console.getMessageArray()
            .filter((it) => it instanceof Ci.nsIScriptError && it.category !== 'Service Worker Interception')
            .map(({ flags, sourceName, category, errorMessage }) => ({
                level: flags & (Ci.nsIScriptError.warningFlag | Ci.nsIScriptError.infoFlag) ? 'WARNING' : 'SEVERE',
                filename: sourceName,
                message: `${category}: ${errorMessage}`,
            }));
        kept.clearEvents();
        Services.console.reset();
        return [...called, ...thrown]
            .filter(({ filename }) => filename.startsWith('http'))
            .map(({ level, filename, message }) => ({ level, message: `${filename} ${message}` }));";
    Entry::parse(&run_privileged(client, SCRIPT, Vec::new()).await?)
}

/// `WebDriver` command that sets the context of later scripts: `chrome` (the browser) or
/// `content` (the page).
#[derive(Debug)]
struct Context(&'static str);

impl WebDriverCompatibleCommand for Context {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/moz/context"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "context": self.0 }).to_string()))
    }
}
