//! The size of the page as it is sent.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::browser;
use crate::experiment::{evaluate, finish_run};
use crate::server::Serve;

/// Limits for the first load, in bytes.
const SOURCES_LIMIT: u64 = 40_000;
const WASM_LIMIT: u64 = 100_000;

#[tokio::test]
async fn first_load_is_sent_compressed() -> Result<()> {
    const SCRIPT: &str = "
        const all = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type));
        return all.map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize]);";
    let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www");
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/cluster", server.url)).await?;
        finish_run(page).await?;
        let (mut sources, mut wasm) = (0, 0);
        let entries = evaluate(page, SCRIPT).await?;
        for entry in entries.as_array().context("no entries")? {
            let address = entry[0].as_str().context("no address")?;
            let bytes = entry[1].as_u64().context("no size")?;
            if address.starts_with("/api/") {
                continue;
            }
            let expected = compressed_size(&www, address)?;
            ensure!(
                bytes == expected,
                "{address}: {bytes} bytes sent, {expected} compressed"
            );
            if address == "/pkg/scaling/highwater_web_bg.wasm" {
                wasm += bytes;
            } else if !address.starts_with("/pkg/") && !address.starts_with("/analysis/") {
                sources += bytes;
            }
        }
        eprintln!("HTML + CSS + JS: {sources} bytes, WebAssembly: {wasm} bytes");
        ensure!(
            sources > 10_000 && sources <= SOURCES_LIMIT,
            "{sources} bytes of sources"
        );
        ensure!(
            wasm > 10_000 && wasm <= WASM_LIMIT,
            "{wasm} bytes of WebAssembly"
        );
        page.assert_no_console_errors().await
    })
    .await
}

/// Returns the size of a file's brotli version. A file that does not get smaller has none.
fn compressed_size(www: &Path, address: &str) -> Result<u64> {
    let name = if address == "/" {
        "index.html"
    } else {
        &address[1..]
    };
    let file = www.join(name);
    let compressed = PathBuf::from(format!("{}.br", file.display()));
    let sent = if compressed.is_file() {
        compressed
    } else {
        file
    };
    Ok(fs::metadata(&sent).with_context(|| name.to_owned())?.len())
}
