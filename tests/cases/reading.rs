//! Guides and source excerpts, which must match the run on the page.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::appearance::Appearance;
use crate::browser;
use crate::experiment::{evaluate, finish_run, press, wait_until};
use crate::server::Serve;

/// Expression for the numbers between this link and the next. -1 selects the numbers
/// before the first link.
fn numbers_after(link: i64) -> String {
    format!(
        "(() => {{ let at = -1; const found = []; \
         for (const it of document.querySelectorAll('#guide a, #guide [data-number]')) {{ \
           if (it.tagName === 'A') at += 1; \
           else if (at === {link}) found.push(it.textContent); }} \
         return found; }})()"
    )
}

#[tokio::test]
async fn guide_links_apply_their_settings() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&server.url).await?;
        let all = "return import(new URL('contents.js', location.origin))\
                   .then(it => it.chapters.flatMap(chapter => chapter.scenarios))";
        let scenarios: Vec<String> = serde_json::from_value(evaluate(page, all).await?)?;
        for name in scenarios {
            let go = format!("location.hash = '#/{name}'");
            evaluate(page, &go).await?;
            let shown = format!("document.title.toLowerCase().startsWith('{name}')");
            wait_until(
                page,
                &format!("{shown} && !!document.querySelector('#guide a')"),
            )
            .await?;
            finish_run(page).await?;
            let links = evaluate(page, "return document.querySelectorAll('#guide a').length");
            let links = links.await?.as_i64().unwrap_or_default();
            ensure!(links >= 2, "{name}");
            for link in -1..links {
                if link >= 0 {
                    let it = format!("document.querySelectorAll('#guide a')[{link}]");
                    evaluate(page, &format!("{it}.click()")).await?;
                    wait_until(page, &format!("{it}.ariaCurrent === 'true'")).await?;
                    finish_run(page).await?;
                }
                let numbers = numbers_after(link);
                wait_until(page, &format!("{numbers}.every(it => /\\d|^–$/.test(it))")).await?;
            }
            let others = "[...document.querySelectorAll('#guide [data-number]')]\
                          .some(it => it.textContent === '…')";
            wait_until(page, others).await?;
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn guide_knob_and_form_knob_agree() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&format!("{}#/decoupling", server.url)).await?;
        wait_until(page, "!!document.querySelector('#guide select')").await?;
        let change_knob = "const knob = document.querySelector('#guide [name=overflow]'); \
                    knob.value = 'latest'; knob.dispatchEvent(new Event('change'))";
        evaluate(page, change_knob).await?;
        wait_until(
            page,
            "location.hash === '#/decoupling?seed=1&overflow=latest'",
        )
        .await?;
        let form = "return document.querySelector('#knob-overflow').value";
        ensure!(evaluate(page, form).await? == "latest");
        let change_knob = "const knob = document.querySelector('#knob-fail_rate'); \
                    knob.value = '90'; knob.dispatchEvent(new Event('change'))";
        evaluate(page, change_knob).await?;
        let sentence = "document.querySelector('#guide [name=fail_rate]').value";
        wait_until(page, &format!("{sentence} === '90'")).await?;
        page.assert_no_console_errors().await
    })
    .await
}

/// Runs each scenario with all settings of its presets and its guide, and returns the
/// marks that match no record.
const UNUSED_MARKS: &str = "
    const { chapters } = await import(new URL('contents.js', location.origin));
    const { fits } = await import(new URL('reading.js', location.origin));
    const unused = [];
    for (const chapter of chapters) {
      const wasm = await import(new URL(`pkg/${chapter.name}/highwater_web.js`, location.origin));
      await wasm.default();
      const { about } = await (await fetch(`pkg/${chapter.name}/reading.json`)).json();
      for (const { name, presets } of JSON.parse(wasm.scenarios())) {
        const { guide, sources } = about[name];
        const html = new DOMParser().parseFromString(guide, 'text/html');
        const links = [...html.querySelectorAll('a')].map((it) => [...new URLSearchParams(it.dataset.set)]);
        const marks = new Set(sources.flatMap(({ marks }) => marks));
        const all = [...presets.map((it) => it.set), ...links];
        // A thousand users produce the same kinds of records as a million, in less
        // time.
        for (const set of all.map((it) => it.map(([key, value]) => [key, value.replace(/^1000000$/, '1000')]))) {
          const address = new wasm.Address(name, set.flat());
          const values = address.values();
          const has = ([key, value]) => values.some((it, at) => at % 2 === 0 && it === key && values[at + 1] === value);
          const run = sources.filter(({ when }) => [...new URLSearchParams(when)].every(has));
          const view = new wasm.View(address, 'virtual');
          await wasm.run('virtual', name, set.flat(), (names, words, now) => view.push(names, words, now));
          view.complete();
          while (view.step()) {
            const { latest } = JSON.parse(view.numbers());
            for (const source of run) marks.delete(source.marks.find((it) => fits(it, latest)));
          }
          view.free();
        }
        for (const { line, kind } of marks) unused.push(`${name}: kind ${kind}, line ${line} of its excerpt`);
      }
    }
    return unused;";

#[tokio::test]
async fn every_mark_matches_a_record() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&server.url).await?;
        let script = format!("return (async () => {{ {UNUSED_MARKS} }})()");
        let unused = evaluate(page, &script).await?;
        ensure!(unused == json!([]), "{unused:#}");
        // On the page, each step highlights its line.
        page.open(&format!("{}#/decoupling", server.url)).await?;
        finish_run(page).await?;
        wait_until(page, "!!document.querySelector('#excerpts pre')").await?;
        page.reveal("#source").await?;
        let line = "[...document.querySelectorAll('.runs')].map(it => it.textContent.trim())";
        for _ in 0..40 {
            press(page, "back").await?;
            if evaluate(
                page,
                "return document.querySelector('#narration').textContent",
            )
            .await?
                == "The bus delivers user 12 to AuditLog."
            {
                let expected = json!(["observer.delivering(entry.registration());"]);
                ensure!(evaluate(page, &format!("return {line}")).await? == expected);
                return page.assert_no_console_errors().await;
            }
        }
        let found: Value = evaluate(
            page,
            "return document.querySelector('#narration').textContent",
        )
        .await?;
        anyhow::bail!("no step reached the record; the last sentence was: {found}")
    })
    .await
}
