//! Processing a visitor's own file on the `pipeline` page.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::browser::{self, Page};
use crate::console::Cdp;
use crate::experiment::{evaluate, press, wait_until};
use crate::server::Serve;

const MIB: u64 = 1024 * 1024;

/// Size of a sparse file that is too large to be read to its end.
const HUGE_SIZE: u64 = 64 * 1024 * MIB;

/// Opens the page and waits until it accepts files.
async fn open(page: &Page, server: &Serve) -> Result<()> {
    page.open(&format!("{}#/pipeline", server.url)).await?;
    wait_until(page, "!!document.querySelector('#own-input')?.onchange").await
}

/// Chooses a file with the file input.
async fn choose(page: &Page, path: &Path) -> Result<()> {
    let input = page.find("#own-input").await?;
    Ok(input.send_keys(&path.display().to_string()).await?)
}

/// Waits until the status starts with `start` and returns it.
async fn wait_for_status(page: &Page, start: &str) -> Result<String> {
    let status = "document.querySelector('#own-status').textContent";
    wait_until(page, &format!("{status}.startsWith({start:?})")).await?;
    page.text("#own-status").await
}

/// Waits until some of the file has been read.
async fn wait_for_progress(page: &Page) -> Result<()> {
    wait_until(
        page,
        "/MiB/.test([...document.querySelectorAll('#own-result tr')]\
         .find(it => it.cells[0].textContent === 'Read')?.cells[1].textContent)",
    )
    .await
}

/// Returns a value from the results table.
async fn result(page: &Page, name: &str) -> Result<String> {
    let script = format!(
        "return [...document.querySelectorAll('#own-result tr')]\
         .find(it => it.cells[0].textContent === {name:?})?.cells[1].textContent"
    );
    let cell = evaluate(page, &script).await?;
    Ok(cell
        .as_str()
        .context("the results table has no such row")?
        .to_owned())
}

/// Returns the number of files stored by the browser for the page.
async fn stored_file_count(page: &Page) -> Result<Value> {
    let script = "return navigator.storage.getDirectory()\
                  .then(root => root.getDirectoryHandle('outputs', { create: true }))\
                  .then(folder => Array.fromAsync(folder.keys())).then(names => names.length)";
    evaluate(page, script).await
}

pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

/// Returns reproducible text with a realistic compression ratio.
fn text(bytes: u64) -> Vec<u8> {
    let mut state = 7_u32;
    let mut text = Vec::new();
    while (text.len() as u64) < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = writeln!(text, "{:08} GET /users/{}", text.len(), state >> 12);
    }
    text.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    text
}

/// Creates a sparse file.
fn create_sparse_file(path: &Path, bytes: u64) -> Result<()> {
    Ok(File::create(path)?.set_len(bytes)?)
}

/// Downloads the output and returns the hash of its decompressed content.
async fn download_and_hash(page: &Page, name: &str) -> Result<String> {
    press(page, "own-download").await?;
    let path = page.downloads().join(name);
    for _ in 0..400 {
        // The browser renames the file to this name when the download is complete.
        if path.is_file() {
            let mut hasher = Sha256::new();
            let mut output = GzDecoder::new(File::open(&path)?);
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match output.read(&mut buffer)? {
                    0 => return Ok(hex(hasher.finalize())),
                    read => hasher.update(&buffer[..read]),
                }
            }
        }
        sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{name} was not downloaded")
}

#[tokio::test]
async fn file_is_processed_in_constant_memory() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    browser::with(async |page| {
        open(page, &server).await?;
        let mut memories = Vec::new();
        for (name, bytes) in [("small.log", 4 * MIB), ("large.log", 40 * MIB)] {
            let (path, content) = (folder.path().join(name), text(bytes));
            std::fs::write(&path, &content)?;
            choose(page, &path).await?;
            wait_for_status(page, &format!("Done: {name}")).await?;
            let hash = hex(Sha256::digest(&content));
            let lines = content.split_inclusive(|byte| *byte == b'\n').count();
            ensure!(result(page, "SHA-256").await? == hash);
            let shown = result(page, "Lines").await?.replace(',', "");
            ensure!(
                shown == lines.to_string(),
                "{shown} lines shown, {lines} in the file"
            );
            let read = result(page, "Read").await?.replace(',', "");
            ensure!(read.contains(&format!("({bytes} B)")), "{read}");
            ensure!(download_and_hash(page, &format!("{name}.gz")).await? == hash);
            memories.push(result(page, "Peak WebAssembly memory").await?);
        }
        ensure!(memories[0] == memories[1], "{memories:?}");
        ensure!(memories[0].contains(" B)"), "no byte count in {memories:?}");
        ensure!(
            stored_file_count(page).await? == 1,
            "the first output was not deleted"
        );
        press(page, "own-cancel").await?;
        wait_for_status(page, "Output discarded").await?;
        wait_until(page, "document.querySelector('#own-download').hidden").await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn last_line_counts_without_a_newline() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    browser::with(async |page| {
        open(page, &server).await?;
        for (name, content, lines) in [
            ("empty", "", "0"),
            ("open", "one\ntwo", "2"),
            ("closed", "one\ntwo\n", "2"),
            ("newline", "\n", "1"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, content)?;
            choose(page, &path).await?;
            wait_for_status(page, &format!("Done: {name}")).await?;
            let hash = hex(Sha256::digest(content));
            ensure!(result(page, "Lines").await? == lines, "{name}");
            ensure!(result(page, "SHA-256").await? == hash, "{name}");
            ensure!(download_and_hash(page, &format!("{name}.gz")).await? == hash);
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn output_stays_in_memory_without_storage() -> Result<()> {
    let server = Serve::start_with(&["--allow-host", "untrusted.test"]).await?;
    let folder = tempfile::tempdir()?;
    let (path, content) = (folder.path().join("plain.log"), text(8 * MIB));
    std::fs::write(&path, &content)?;
    browser::with(async |page| {
        let url = server.url.replace("127.0.0.1", "untrusted.test");
        // The browser prompts before it saves a download from an insecure page, so a
        // script reads the output instead. The page's content security policy would
        // block that script.
        let bypass = Cdp("Page.setBypassCSP", json!({ "enabled": true }));
        page.client.issue_cmd(bypass).await?;
        page.open(&format!("{url}#/pipeline")).await?;
        ensure!(evaluate(page, "return isSecureContext").await? == false);
        wait_until(page, "!!document.querySelector('#own-input')?.onchange").await?;
        choose(page, &path).await?;
        let status = wait_for_status(page, "Done: plain.log").await?;
        ensure!(status.contains("in the browser's memory"), "{status}");
        let hash = hex(Sha256::digest(&content));
        ensure!(result(page, "SHA-256").await? == hash);
        let unzip = "return fetch(document.querySelector('#own-download').href)\
                     .then(it => it.body.pipeThrough(new DecompressionStream('gzip')))\
                     .then(it => new Response(it).text())";
        let output = evaluate(page, unzip).await?;
        ensure!(output.as_str().map(str::as_bytes) == Some(&content[..]));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn section_fits_a_narrow_screen() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(format!("{}.log", "long".repeat(30)));
    std::fs::write(&path, "one\n")?;
    browser::with(async |page| {
        open(page, &server).await?;
        let narrow = json!({ "width": 320, "height": 900, "deviceScaleFactor": 1, "mobile": true });
        let set_size = Cdp("Emulation.setDeviceMetricsOverride", narrow);
        page.client.issue_cmd(set_size).await?;
        choose(page, &path).await?;
        wait_for_status(page, "Done: ").await?;
        let width = evaluate(page, "return document.documentElement.scrollWidth").await?;
        ensure!(width == 320, "the page is {width} pixels wide");
        let heights = "return ['own-input', 'own-cancel', 'own-download']\
                       .map(id => document.getElementById(id).getBoundingClientRect().height)";
        let heights = evaluate(page, heights).await?;
        let is_large_enough = |height: &Value| height.as_f64().is_some_and(|height| height >= 24.0);
        let all = heights.as_array().context("no heights")?;
        ensure!(all.iter().all(is_large_enough), "{heights}");
        page.reveal("#own").await?;
        let scroll = "document.querySelector('#own').scrollIntoView()";
        evaluate(page, scroll).await?;
        let picture = browser::screenshots_dir().join("own-file-narrow.png");
        page.screenshot(&picture).await
    })
    .await
}

#[tokio::test]
async fn cancelled_run_leaves_no_output() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("huge");
    create_sparse_file(&path, HUGE_SIZE)?;
    browser::with(async |page| {
        open(page, &server).await?;
        choose(page, &path).await?;
        wait_for_progress(page).await?;
        press(page, "own-cancel").await?;
        wait_for_status(page, "Cancelled: huge").await?;
        ensure!(stored_file_count(page).await? == 0);
        wait_until(page, "document.querySelector('#own-cancel').hidden").await?;

        // Choosing another file cancels one that is still being read.
        choose(page, &path).await?;
        wait_for_progress(page).await?;
        let small = folder.path().join("small");
        std::fs::write(&small, "one\n")?;
        choose(page, &small).await?;
        wait_for_status(page, "Done: small").await?;
        ensure!(result(page, "Lines").await? == "1");
        ensure!(stored_file_count(page).await? == 1);
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn file_changed_while_read_is_reported() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("changing");
    create_sparse_file(&path, HUGE_SIZE)?;
    browser::with(async |page| {
        open(page, &server).await?;
        choose(page, &path).await?;
        wait_for_progress(page).await?;
        create_sparse_file(&path, MIB)?;
        let status = wait_for_status(page, "Failed: changing cannot be read").await?;
        ensure!(status.contains("it was changed"), "{status}");
        ensure!(stored_file_count(page).await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn full_storage_is_reported() -> Result<()> {
    let server = Serve::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("random");
    // Random bytes do not compress.
    io::copy(
        &mut File::open("/dev/urandom")?.take(24 * MIB),
        &mut File::create(&path)?,
    )?;
    browser::with(async |page| {
        open(page, &server).await?;
        let origin = server.url.trim_end_matches('/');
        let quota = json!({ "origin": origin, "quotaSize": 4 * MIB });
        let set_quota = Cdp("Storage.overrideQuotaForOrigin", quota);
        page.client.issue_cmd(set_quota).await?;
        choose(page, &path).await?;
        let status = wait_for_status(page, "Failed at the stage output: ").await?;
        ensure!(status.contains("no space is left"), "{status}");
        ensure!(stored_file_count(page).await? == 0);
        Ok(())
    })
    .await
}

/// Drops a file on an element. Returns `true` if the page kept the browser from opening
/// it.
async fn drop_on(page: &Page, selector: &str) -> Result<Value> {
    let script = format!(
        "const dataTransfer = new DataTransfer(); \
         dataTransfer.items.add(new File(['one\\ntwo\\n'], 'dropped.txt')); \
         const event = new DragEvent('drop', {{ dataTransfer, bubbles: true, cancelable: true }}); \
         return !document.querySelector({selector:?}).dispatchEvent(event)"
    );
    evaluate(page, &script).await
}

#[tokio::test]
async fn only_the_target_accepts_dropped_files() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/observer", server.url)).await?;
        wait_until(page, "!!document.querySelector('#scenarios a')").await?;
        ensure!(drop_on(page, "main").await? == true);
        wait_until(page, "document.querySelector('#own').hidden").await?;
        open(page, &server).await?;
        ensure!(drop_on(page, "h1").await? == true);
        ensure!(page.text("#own-status").await?.is_empty());
        ensure!(drop_on(page, "#own-drop label").await? == true);
        wait_for_status(page, "Done: dropped.txt").await?;
        ensure!(result(page, "Lines").await? == "2");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn last_of_two_concurrent_files_is_used() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        open(page, &server).await?;
        // Delays the page's lock, as a busy browser would. The second file arrives
        // while the first one waits for the lock.
        let script = "const request = navigator.locks.request.bind(navigator.locks); \
             navigator.locks.request = (name, hold) => \
               new Promise(resolve => setTimeout(resolve, 300)).then(() => request(name, hold)); \
             const Real = Worker; \
             window.started = 0; \
             window.Worker = function (url, options) { \
               started += options.name === 'file'; \
               return new Real(url, options); \
             }; \
             const drop = name => { \
               const dataTransfer = new DataTransfer(); \
               dataTransfer.items.add(new File(['one\\n'], name)); \
               const event = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }); \
               document.querySelector('#own-drop').dispatchEvent(event); \
             }; \
             drop('first'); \
             return new Promise(resolve => setTimeout(resolve, 50)).then(() => drop('second'))";
        evaluate(page, script).await?;
        wait_for_status(page, "Done: second").await?;
        ensure!(evaluate(page, "return started").await? == 1, "number of files processed is not 1");
        page.assert_no_console_errors().await
    })
    .await
}
