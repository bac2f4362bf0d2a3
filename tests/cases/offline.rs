//! The page offline, and from a static file server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::browser::Page;
use crate::chapters::copy_folder;
use crate::driver::BrowserKind;
use crate::experiment::{evaluate, finish_run, navigate, wait_until};
use crate::file::hex;
use crate::server::{PlainServer, Serve};

/// Checks that every chapter works without the server after the first load, also if the
/// server accepts connections and never answers.
pub(crate) async fn check_offline(page: &Page, opened: &str, unopened: &str) -> Result<()> {
    let server = Serve::start().await?;
    let address = format!("{}#/{opened}", server.url);
    let port = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    page.open(&address).await?;
    finish_run(page).await?;
    wait_until(page, IS_KEPT).await?;
    reopen(page, &address).await?;
    page.assert_no_console_errors().await?;

    drop(server);
    reopen(page, &address).await?;
    let isolated = evaluate(page, "return crossOriginIsolated").await?;
    ensure!(
        isolated == true,
        "the cached page lost its isolation headers"
    );
    navigate(page, &format!("#/{unopened}")).await?;
    finish_run(page).await?;
    ensure_no_exceptions(page).await?;

    let _silent = TcpListener::bind(port).await?;
    reopen(page, &address).await?;
    ensure_no_exceptions(page).await?;
    page.open("about:blank").await
}

/// Opens the page again. `WebDriver`'s reload would bypass the cache in Firefox.
async fn reopen(page: &Page, address: &str) -> Result<()> {
    page.open("about:blank").await?;
    page.open(address).await?;
    finish_run(page).await
}

/// Checks the page on a static file server: without threads at first, and with threads
/// from its service worker on. An incomplete deployment leaves the kept build alone.
pub(crate) async fn check_static_server(page: &Page, scenario: &str) -> Result<()> {
    let www = tempfile::tempdir()?;
    copy_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../www"),
        www.path(),
    )?;
    let folder = PlainServer::folder(&www.path().display().to_string()).await?;
    let in_tab = format!("{}#/{scenario}?world=tab", folder.url);
    page.open(&in_tab).await?;
    wait_until(
        page,
        "document.querySelector('#threads').textContent.includes('COOP and COEP')",
    )
    .await?;
    finish_run(page).await?;
    wait_until(page, IS_KEPT).await?;
    reopen(page, &in_tab).await?;
    let threads = page.text("#threads").await?;
    ensure!(threads.contains("This tab is isolated"), "{threads}");

    // The list and a file are new, another file is not yet.
    let list = www.path().join("pkg/files.json");
    let mut hashes: BTreeMap<String, String> = serde_json::from_slice(&fs::read(&list)?)?;
    for file in ["index.html", "main.js"] {
        let path = www.path().join(file);
        let mut text = fs::read_to_string(&path)?;
        text += if file == "main.js" {
            "// new\n"
        } else {
            "<!-- new -->\n"
        };
        let hash = hex(Sha256::digest(&text));
        hashes.insert(file.to_owned(), hash);
        fs::write(www.path().join(format!("{file}.next")), &text)?;
    }
    let deploy = |file: &str| {
        fs::rename(
            www.path().join(format!("{file}.next")),
            www.path().join(file),
        )
    };
    fs::write(&list, serde_json::to_string(&hashes)?)?;
    deploy("index.html")?;
    reopen(page, &in_tab).await?;
    wait_until(page, "caches.keys().then((all) => all.length === 2)").await?;
    ensure!(evaluate(page, &format!("return {IS_NEW}")).await? == false);
    deploy("main.js")?;
    reopen(page, &in_tab).await?;
    wait_until(page, IS_KEPT).await?;
    ensure!(evaluate(page, &format!("return {IS_NEW}")).await? == true);
    page.assert_no_console_errors().await
}

/// Expression that is true once one complete build is kept.
const IS_KEPT: &str = "(async () => {
    const [name, ...others] = await caches.keys();
    const list = await (await fetch('pkg/files.json', { cache: 'no-store' })).json();
    return !!name && others.length === 0
        && (await (await caches.open(name)).keys()).length === Object.keys(list).length;
})()";

/// Expression that is true if the kept build is the new one.
const IS_NEW: &str = "caches.match(location.origin + '/').then((it) => it.text()).then((it) => it.includes('<!-- new -->'))";

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
