//! The page offline, and from a static file server.

use anyhow::{Result, ensure};

use crate::browser::Page;
use crate::driver::BrowserKind;
use crate::experiment::{evaluate, finish_run, wait_until};
use crate::server::{PlainServer, Serve};

/// Checks that opened chapters work without the server, and that others show a notice.
pub(crate) async fn check_offline(page: &Page, opened: &str, unopened: &str) -> Result<()> {
    let server = Serve::start().await?;
    let address = format!("{}#/{opened}", server.url);
    page.open(&address).await?;
    finish_run(page).await?;
    wait_until(page, &is_cached("highwater_web_bg.wasm")).await?;
    // Only the Worker requests this file, for runs in the tab.
    wait_until(page, &is_cached("process.js")).await?;
    reopen(page, &address).await?;
    page.assert_no_console_errors().await?;

    drop(server);
    reopen(page, &address).await?;
    let isolated = evaluate(page, "return crossOriginIsolated").await?;
    ensure!(
        isolated == true,
        "the cached page lost its isolation headers"
    );
    ensure_no_exceptions(page).await?;
    let script = format!("location.hash = '#/{unopened}'");
    evaluate(page, &script).await?;
    wait_until(page, "!document.querySelector('#notice').hidden").await?;
    let notice = page.text("#notice").await?;
    ensure!(notice.contains("is missing"), "{notice}");
    ensure_no_exceptions(page).await?;
    // Leave the page, which would keep retrying.
    page.open("about:blank").await
}

/// Opens the page again. `WebDriver`'s reload would bypass the cache in Firefox.
async fn reopen(page: &Page, address: &str) -> Result<()> {
    page.open("about:blank").await?;
    page.open(address).await?;
    finish_run(page).await
}

/// Checks that the page works on a static file server, without threads, and says so.
pub(crate) async fn check_static_server(page: &Page, scenario: &str) -> Result<()> {
    let folder = PlainServer::folder("www").await?;
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
fn is_cached(name: &str) -> String {
    format!(
        "caches.open('highwater').then((it) => it.keys()) \
         .then((all) => all.some(({{ url }}) => url.endsWith('{name}')))"
    )
}

/// Fails if the console has an exception. Failed requests are expected.
async fn ensure_no_exceptions(page: &Page) -> Result<()> {
    let entries = page.console().await?;
    let is_exception = |message: &str| match page.kind {
        BrowserKind::Chrome => message.contains("Uncaught"),
        BrowserKind::Firefox => message.contains("Error"),
    };
    let exception = entries
        .iter()
        .find(|it| it.is_error() && is_exception(&it.message));
    ensure!(exception.is_none(), "{exception:?}");
    Ok(())
}
