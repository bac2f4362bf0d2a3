//! What Firefox needs to be told in its own words.
//!
//! Its scripts of the browser itself ("chrome", as it has been called there long
//! before the other browser) see what `WebDriver` does not show: the console, and
//! what the person who sits there prefers.

use anyhow::{Context as _, Result};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::browser::Page;
use crate::console::Entry;

pub(crate) fn capabilities() -> Capabilities {
    let Value::Object(capabilities) = json!({
        "browserName": "firefox",
        "moz:firefoxOptions": { "args": ["-headless"] },
    }) else {
        unreachable!("an object was written above")
    };
    capabilities
}

/// Runs a script of the browser itself.
pub(crate) async fn in_browser(page: &Page, script: &str, arguments: Vec<Value>) -> Result<Value> {
    page.client.issue_cmd(Context("chrome")).await?;
    let result = page.client.execute(script, arguments).await;
    page.client.issue_cmd(Context("content")).await?;
    result.context("a script of the browser itself failed")
}

/// What the console got of pages since the last call. A request that failed is not
/// in it, nor what Firefox says of a request whose Worker did not live to see the
/// answer of a service worker.
pub(crate) async fn console(page: &Page) -> Result<Vec<Entry>> {
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
    Entry::parse(&in_browser(page, SCRIPT, Vec::new()).await?)
}

/// Says whose scripts are run from now on: those of the browser, or of the page.
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
