//! A headless browser for one case: Chrome or Firefox.
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
//! Each case has its own driver, browser and profile, so cases can run in parallel. All
//! three are removed when the case finishes. A failing case saves a screenshot to
//! `target/e2e/NAME.png`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::console::{Console, Entry};
use crate::driver::{BrowserKind, Driver};
use crate::firefox;

/// Time limit for an element to appear. Only failing cases wait this long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An open browser window with its [`Driver`].
pub(crate) struct Page {
    /// The browser.
    pub(crate) kind: BrowserKind,
    /// The `WebDriver` client.
    pub(crate) client: Client,
    // Fields drop in order, so the driver exits before its profile is removed.
    _driver: Driver,
    profile: TempDir,
}

/// Runs a case in a new Chrome and saves a screenshot if it fails.
pub(crate) async fn with(case: impl AsyncFnOnce(&Page) -> Result<()>) -> Result<()> {
    with_browser(BrowserKind::Chrome, case).await
}

/// Runs a case in a new browser of this kind and saves a screenshot if it fails.
pub(crate) async fn with_browser(
    kind: BrowserKind,
    case: impl AsyncFnOnce(&Page) -> Result<()>,
) -> Result<()> {
    let page = Page::start(kind).await?;
    let result = case(&page).await;
    if result.is_err() {
        // libtest names the thread after the case.
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("case").replace("::", "-");
        let screenshot = screenshots_dir().join(format!("{name}.png"));
        if page.screenshot(&screenshot).await.is_ok() {
            eprintln!("screenshot: {}", screenshot.display());
        }
    }
    // Closes the browser cleanly. The driver would kill it.
    let _ = page.client.clone().close().await;
    result
}

impl Page {
    async fn start(kind: BrowserKind) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let driver = Driver::start(kind).await?;
        let capabilities = match kind {
            BrowserKind::Chrome => capabilities(profile.path()),
            BrowserKind::Firefox => firefox::capabilities(),
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

    /// Opens a page and waits until it is loaded, or goes to another fragment of the
    /// open page. Clears the verdicts of the previous run.
    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        const CLEAR_VERDICTS: &str = "document.querySelector('#verdicts')?.replaceChildren()";
        self.client.execute(CLEAR_VERDICTS, Vec::new()).await?;
        self.client
            .goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))
    }

    /// Returns the download folder.
    pub(crate) fn downloads(&self) -> PathBuf {
        downloads(self.profile.path())
    }

    /// Waits for an element and returns its visible text.
    pub(crate) async fn text(&self, selector: &str) -> Result<String> {
        let element = self
            .client
            .wait()
            .at_most(TIMEOUT)
            .for_element(Locator::Css(selector))
            .await
            .with_context(|| format!("no element matches {selector}"))?;
        self.reveal(selector).await?;
        Ok(element.text().await?)
    }

    /// Finds an element, after opening the drawer's panel or the menu that contains it.
    pub(crate) async fn find(&self, selector: &str) -> Result<Element> {
        self.reveal(selector).await?;
        let element = self.client.find(Locator::Css(selector)).await;
        element.with_context(|| format!("no element matches {selector}"))
    }

    /// Opens the drawer's panel or the menu that contains an element, and closes other
    /// menus.
    pub(crate) async fn reveal(&self, selector: &str) -> Result<()> {
        const SCRIPT: &str = "
            const it = document.querySelector(arguments[0]);
            for (const menu of document.querySelectorAll(':popover-open')) {
                if (!menu.contains(it)) menu.hidePopover();
            }
            const panel = it?.closest('[role=tabpanel][hidden]');
            if (panel) document.querySelector(`[aria-controls=${panel.id}]`).click();
            it?.closest('[popover]:not(:popover-open)')?.showPopover();";
        let arguments = vec![Value::from(selector)];
        self.client.execute(SCRIPT, arguments).await?;
        Ok(())
    }

    /// Returns the console entries since the last call, oldest first: `console.…` calls,
    /// uncaught exceptions, failed requests and policy violations.
    pub(crate) async fn console(&self) -> Result<Vec<Entry>> {
        if self.kind == BrowserKind::Firefox {
            return firefox::console(&self.client).await;
        }
        let response = self.client.issue_cmd(Console).await?;
        Entry::parse(&response)
    }

    /// Fails if the console has a new error.
    pub(crate) async fn assert_no_console_errors(&self) -> Result<()> {
        let mut entries = self.console().await?;
        entries.retain(Entry::is_error);
        ensure!(
            entries.is_empty(),
            "unexpected console errors: {entries:#?}"
        );
        Ok(())
    }

    /// Saves a screenshot.
    pub(crate) async fn screenshot(&self, to: &Path) -> Result<()> {
        let png = self.client.screenshot().await?;
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(to, png).with_context(|| format!("cannot write {}", to.display()))
    }
}

/// Returns the screenshot folder `target/e2e`, relative to this test binary.
pub(crate) fn screenshots_dir() -> PathBuf {
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
        // The sandbox does not work as root or in most containers. All pages are
        // trusted.
        "--no-sandbox".to_owned(),
        // Shared memory is scarce in containers.
        "--disable-dev-shm-usage".to_owned(),
        "--disable-gpu".to_owned(),
        // A test browser should not use the network.
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        // A host name that is not a secure context, unlike localhost.
        "--host-resolver-rules=MAP untrusted.test 127.0.0.1".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    let Value::Object(capabilities) = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "download.default_directory": downloads(profile) },
        },
        // By default, the driver reports only warnings and errors.
        "goog:loggingPrefs": { "browser": "ALL" },
    }) else {
        unreachable!("the literal is an object")
    };
    capabilities
}
