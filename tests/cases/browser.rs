//! A headless browser for one case: Chrome, or Firefox as well.
//!
//! ```ignore
//! browser::with(async |page| {
//!     page.open(&url).await?;
//!     assert_eq!(page.text("h1").await?, "Highwater");
//!     page.assert_no_console_errors().await
//! })
//! .await
//! ```
//!
//! Each case has a driver, a browser and a profile of its own, so that cases can
//! run side by side; all three are gone when the case ends, however it ends. A
//! case that fails leaves a picture of the page at `target/e2e/NAME.png`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::console::{Console, Entry};
use crate::driver::Driver;
use crate::firefox;

/// How long an element may take to show up. Generous: it is only ever waited
/// out by a case that fails.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Chrome or Chromium.
    Chrome,
    /// Firefox.
    Firefox,
}

/// An open browser window, driven by a [`Driver`] of its own.
pub(crate) struct Page {
    /// Of which browser.
    pub(crate) kind: Kind,
    /// Everything that `WebDriver` can do.
    pub(crate) client: Client,
    // Dropped in this order: the browser goes before its profile.
    _driver: Driver,
    profile: TempDir,
}

/// Runs a case in a fresh Chrome; takes a picture if it fails.
pub(crate) async fn with(case: impl AsyncFnOnce(&Page) -> Result<()>) -> Result<()> {
    with_a(Kind::Chrome, case).await
}

/// The same in a browser of this kind.
pub(crate) async fn with_a(kind: Kind, case: impl AsyncFnOnce(&Page) -> Result<()>) -> Result<()> {
    let page = Page::start(kind).await?;
    let result = case(&page).await;
    if result.is_err() {
        // Libtest names the thread of a case after it.
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("case").replace("::", "-");
        let picture = pictures().join(format!("{name}.png"));
        if page.screenshot(&picture).await.is_ok() {
            eprintln!("a picture of the page is in {}", picture.display());
        }
    }
    // The driver closes the browser anyway; this lets it do so in good order.
    let _ = page.client.clone().close().await;
    result
}

impl Page {
    async fn start(kind: Kind) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let driver = Driver::start(kind).await?;
        let capabilities = match kind {
            Kind::Chrome => capabilities(profile.path()),
            Kind::Firefox => firefox::capabilities(),
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .context("cannot start a browser")?;
        Ok(Self {
            kind,
            client,
            _driver: driver,
            profile,
        })
    }

    /// Opens a page and waits until it is loaded, or goes to another fragment of
    /// the one that is open: then what is judged there is not judged yet.
    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        const FORGET: &str = "document.querySelector('#verdicts')?.replaceChildren()";
        self.client.execute(FORGET, Vec::new()).await?;
        self.client
            .goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))
    }

    /// Where the browser puts what it downloads.
    pub(crate) fn downloads(&self) -> PathBuf {
        downloads(self.profile.path())
    }

    /// The text that a person sees in the element, once it is there.
    pub(crate) async fn text(&self, selector: &str) -> Result<String> {
        let element = self
            .client
            .wait()
            .at_most(TIMEOUT)
            .for_element(Locator::Css(selector))
            .await
            .with_context(|| format!("there is no {selector}"))?;
        Ok(element.text().await?)
    }

    /// What the console got since the last call, oldest first: calls of
    /// `console.…`, uncaught exceptions, failed requests, policy violations.
    pub(crate) async fn console(&self) -> Result<Vec<Entry>> {
        if self.kind == Kind::Firefox {
            return firefox::console(self).await;
        }
        let answer = self.client.issue_cmd(Console).await?;
        Entry::parse(&answer)
    }

    /// Fails the case if the console got an error since the last look at it.
    pub(crate) async fn assert_no_console_errors(&self) -> Result<()> {
        let mut entries = self.console().await?;
        entries.retain(Entry::is_error);
        ensure!(entries.is_empty(), "the console has errors: {entries:#?}");
        Ok(())
    }

    /// Saves a picture of the page.
    pub(crate) async fn screenshot(&self, to: &Path) -> Result<()> {
        let png = self.client.screenshot().await?;
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(to, png).with_context(|| format!("cannot write {}", to.display()))
    }
}

/// Where pictures go: `target/e2e`, found from `target/debug/deps/test-123abc`.
pub(crate) fn pictures() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("e2e")
}

fn downloads(profile: &Path) -> PathBuf {
    profile.join("downloaded")
}

fn capabilities(profile: &Path) -> Capabilities {
    let arguments = [
        "--headless".to_owned(),
        "--window-size=1280,900".to_owned(),
        // There is no sandbox for root or in most containers, and the pages are
        // our own.
        "--no-sandbox".to_owned(),
        // Shared memory is scarce in containers.
        "--disable-dev-shm-usage".to_owned(),
        "--disable-gpu".to_owned(),
        // A test browser has no business on the network.
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        // A name that browsers do not trust as they trust this machine's own.
        "--host-resolver-rules=MAP untrusted.test 127.0.0.1".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let Value::Object(capabilities) = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "download.default_directory": downloads(profile) },
        },
        // Without this the driver keeps warnings and errors only.
        "goog:loggingPrefs": { "browser": "ALL" },
    }) else {
        unreachable!("an object was written above")
    };
    capabilities
}
