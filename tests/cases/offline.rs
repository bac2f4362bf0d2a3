//! The page offline, and from a static file server.

use anyhow::{Result, ensure};

use crate::browser::{BrowserKind, Page};
use crate::experiment::{evaluate, finish_run, wait_until};
use crate::server::{Folder, Serve};

/// Opened chapters work without the server; others show a notice.
pub(crate) async fn reload(page: &Page, opened: &str, unopened: &str) -> Result<()> {
    let server = Serve::start().await?;
    let address = format!("{}#/{opened}", server.url);
    page.open(&address).await?;
    finish_run(page).await?;
    wait_until(page, &kept("highwater_web_bg.wasm")).await?;
    // Only its Worker requests this file, for runs in the tab.
    wait_until(page, &kept("process.js")).await?;
    come_back(page, &address).await?;
    page.assert_no_console_errors().await?;

    drop(server);
    come_back(page, &address).await?;
    let isolated = evaluate(page, "return crossOriginIsolated").await?;
    ensure!(
        isolated == true,
        "the cached page lost its isolation headers"
    );
    ensure_thrown_nothing(page).await?;
    let script = format!("location.hash = '#/{unopened}'");
    evaluate(page, &script).await?;
    wait_until(page, "!document.querySelector('#notice').hidden").await?;
    let notice = page.text("#notice").await?;
    ensure!(notice.contains("is missing"), "{notice}");
    ensure_thrown_nothing(page).await?;
    // Leave the page, which would keep retrying.
    page.open("about:blank").await
}

/// Opens the page again. `WebDriver`'s reload would bypass the cache in Firefox.
async fn come_back(page: &Page, address: &str) -> Result<()> {
    page.open("about:blank").await?;
    page.open(address).await?;
    finish_run(page).await
}

/// A static file server runs everything except threads, and the page says so.
pub(crate) async fn from_files(page: &Page, scenario: &str) -> Result<()> {
    let folder = Folder::start("www").await?;
    page.open(&format!("{}#/{scenario}", folder.url)).await?;
    finish_run(page).await?;
    page.open(&format!("{}#/{scenario}?world=tab", folder.url))
        .await?;
    wait_until(
        page,
        "document.querySelector('#threads').textContent.includes('COOP and COEP')",
    )
    .await?;
    finish_run(page).await?;
    page.assert_no_console_errors().await
}

/// Expression that is true once a file of this name is cached.
fn kept(name: &str) -> String {
    format!(
        "caches.open('highwater').then((it) => it.keys()) \
         .then((all) => all.some(({{ url }}) => url.endsWith('{name}')))"
    )
}

/// Fails if the console has an exception. It always has the failed requests.
async fn ensure_thrown_nothing(page: &Page) -> Result<()> {
    let entries = page.console().await?;
    let is_thrown = |message: &str| match page.kind {
        BrowserKind::Chrome => message.contains("Uncaught"),
        BrowserKind::Firefox => message.contains("Error"),
    };
    let thrown = entries
        .iter()
        .find(|it| it.is_error() && is_thrown(&it.message));
    ensure!(thrown.is_none(), "{thrown:?}");
    Ok(())
}
