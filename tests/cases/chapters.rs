//! The table of contents and chapter loading.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, outcomes, wait_until, wait_until_visible};
use crate::native::list_scenarios;
use crate::server::Serve;

#[tokio::test]
async fn contents_match_the_scenario_list() -> Result<()> {
    let server = Serve::start().await?;
    let chapters: Vec<_> = list_scenarios()?
        .into_iter()
        .map(|(name, scenarios)| json!({ "name": name, "scenarios": scenarios }))
        .collect();
    browser::with(async |page| {
        page.open(&server.url).await?;
        let contents = evaluate(
            page,
            "return import(new URL('contents.js', location.origin)).then(it => it.chapters)",
        );
        let expected = Value::from(chapters);
        ensure!(contents.await? == expected);
        let cards = "return [...document.querySelectorAll('#home section')].map(it => ({ \
                     name: it.querySelector('h2').id.split('-')[0], \
                     scenarios: [...it.querySelectorAll('a')].map(it => it.hash.slice(2)) }))";
        ensure!(
            evaluate(page, cards).await? == expected,
            "the home page's cards differ from the scenario list"
        );
        Ok(())
    })
    .await
}

/// Returns the chapters whose WebAssembly the page has loaded, in order. Excludes the
/// analysis, which is not part of a chapter.
async fn loaded_chapters(page: &Page) -> Result<Value> {
    let script = "return performance.getEntriesByType('resource').map(it => it.name)\
                  .filter(it => it.endsWith('.wasm')).map(it => it.split('/').at(-2))\
                  .filter(it => it !== 'analysis')";
    evaluate(page, script).await
}

#[tokio::test]
async fn chapter_is_loaded_once_when_opened() -> Result<()> {
    let server = Serve::start().await?;
    let chapters = list_scenarios()?;
    browser::with(async |page| {
        let (_, first) = &chapters[0];
        page.open(&format!("{}#/{}", server.url, first[0])).await?;
        finish_run(page).await?;
        // Open every chapter in order, then in reverse. Each is loaded once.
        let mut expected: Vec<&str> = Vec::new();
        let in_order = chapters.iter();
        for (chapter, scenarios) in in_order.clone().chain(in_order.rev()) {
            let name = scenarios.last().context("the chapter has no scenarios")?;
            let link = format!("#scenarios a[href='#/{name}']");
            page.find(&link).await?.click().await?;
            let current = "document.querySelector('#scenarios [aria-current=page]')?.hash";
            wait_until(page, &format!("{current} === '#/{name}'")).await?;
            finish_run(page).await?;
            ensure_no_check_failed(page).await?;
            if !expected.contains(&chapter.as_str()) {
                expected.push(chapter);
            }
            ensure!(
                loaded_chapters(page).await? == json!(expected),
                "after {name}"
            );
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn page_waits_for_a_missing_chapter() -> Result<()> {
    let chapters = list_scenarios()?;
    let (chapter, scenarios) = chapters.last().context("no chapters")?;
    let www = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www");
    let copy = tempfile::tempdir()?;
    copy_folder(&www, copy.path())?;
    // The server needs the first chapter to start, so remove the last one afterwards.
    let server = Serve::start_with(&["--www", &copy.path().display().to_string()]).await?;
    let (folder, away) = (
        copy.path().join("pkg").join(chapter),
        copy.path().join("away"),
    );
    fs::rename(&folder, &away)?;
    browser::with(async |page| {
        page.open(&format!("{}#/{}", server.url, scenarios[0]))
            .await?;
        wait_until_visible(page, "#notice").await?;
        let notice = page.text("#notice").await?;
        let expected = format!("The chapter {chapter} is missing or still being built");
        ensure!(notice.contains(&expected), "{notice}");
        // The missing file is a console error. There must be no exception.
        let entries = page.console().await?;
        let exception = entries.iter().find(|it| it.message.contains("Uncaught"));
        ensure!(exception.is_none(), "{exception:?}");
        fs::rename(&away, &folder)?;
        finish_run(page).await?;
        ensure_no_check_failed(page).await?;
        wait_until(page, "document.querySelector('#notice').hidden").await?;
        page.assert_no_console_errors().await
    })
    .await
}

async fn ensure_no_check_failed(page: &Page) -> Result<()> {
    let outcomes = outcomes(page).await?;
    let passed = outcomes.iter().filter(|outcome| *outcome == "passed");
    ensure!(passed.count() > 1, "{outcomes:?}");
    ensure!(!outcomes.contains(&"failed".to_owned()), "{outcomes:?}");
    Ok(())
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
