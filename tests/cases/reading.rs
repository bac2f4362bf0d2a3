//! Guides and source excerpts, which must match the run on the page.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::appearance::Appearance;
use crate::browser;
use crate::experiment::{evaluate, finish_run, navigate, press, wait_until};
use crate::server::Serve;

/// Returns the index of the choice that is expected in each step, by scenario.
const EXPECTED: &str = "
    const { chapters } = await import(new URL('contents.js', location.origin));
    const texts = chapters.map(({ name }) => fetch(`pkg/${name}/reading.json`).then((it) => it.json()));
    return Object.fromEntries((await Promise.all(texts)).flatMap(({ about }) => Object.entries(about)).map(([name, { guide }]) =>
      [name, guide.map(({ choices }) => choices.findIndex((it) => it.expected))]));";

/// Expression for the index of the choice marked as right, or -1.
const RIGHT: &str =
    "[...document.querySelectorAll('.mark')].findIndex((it) => it.textContent.includes('✓'))";

#[tokio::test]
async fn steps_ask_run_and_reveal() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&server.url).await?;
        let script = format!("return (async () => {{ {EXPECTED} }})()");
        let expected: BTreeMap<String, Vec<i64>> =
            serde_json::from_value(evaluate(page, &script).await?)?;
        ensure!(expected.len() == 9, "{expected:?}");
        for (name, steps) in expected {
            navigate(page, &format!("#/{name}?step=1")).await?;
            for (index, expected) in steps.iter().enumerate() {
                let (step, count) = (index + 1, steps.len());
                let shown = format!(
                    "document.title.toLowerCase().startsWith('{name}') && \
                     document.querySelector('#step-count')?.textContent === 'Step {step} of {count}'"
                );
                wait_until(page, &shown).await?;
                let run = "document.querySelector('#speed').value = '16'; \
                    document.querySelector('[name=prediction]').click(); \
                    if (document.querySelector('#reveal').hidden) document.querySelector('#run-step').click()";
                evaluate(page, run).await?;
                wait_until(page, "!document.querySelector('#reveal').hidden").await?;
                let right = evaluate(page, &format!("return {RIGHT}")).await?;
                // On a real machine, every choice may be right.
                ensure!(*expected < 0 || right == *expected, "{name}, step {step}: {right}");
                let answer = page.text("#answer").await?;
                let is_right = answer.contains("is right");
                ensure!(*expected < 0 || is_right == (*expected == 0), "{name}, step {step}: {answer}");
                let text = page.text("#guide").await?;
                ensure!(!text.contains('…'), "{name}, step {step}: {text}");
                let findings = page.text("#findings").await?;
                ensure!(findings.matches('✓').count() == step, "{name}, step {step}: {findings}");
                if *expected >= 0 {
                    ensure!(!findings.contains('–'), "{name}, step {step}: {findings}");
                }
                evaluate(page, "document.querySelector('[aria-label=\"Next step\"]').click()").await?;
            }
            if name == "decoupling" {
                let findings = page.text("#findings").await?;
                ensure!(findings.contains("Failed sign-ups 0 → 3"), "{findings}");
                ensure!(findings.contains("(simulated)"), "{findings}");
            }
        }
        // Other settings than the step's: its answer is not shown.
        navigate(page, "#/decoupling?listeners=async&step=2").await?;
        finish_run(page).await?;
        wait_until(page, "document.querySelector('#step-hint').textContent.startsWith('The settings')").await?;
        ensure!(evaluate(page, "return document.querySelector('#reveal').hidden").await? == true);
        press(page, "run-step").await?;
        wait_until(page, "location.hash.includes('design=direct&step=2')").await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn guide_knob_and_form_knob_agree() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&format!(
            "{}#/decoupling?seed=1&overflow=drop-oldest&step=6",
            server.url
        ))
        .await?;
        wait_until(page, "!!document.querySelector('#step-knobs select')").await?;
        let change_knob = "const knob = document.querySelector('#step-knobs [name=overflow]'); \
                    knob.value = 'latest'; knob.dispatchEvent(new Event('change'))";
        evaluate(page, change_knob).await?;
        wait_until(
            page,
            "location.hash === '#/decoupling?seed=1&overflow=latest&step=6'",
        )
        .await?;
        let form = "return document.querySelector('#knob-overflow').value";
        ensure!(evaluate(page, form).await? == "latest");
        let change_knob = "const knob = document.querySelector('#knob-inbox'); \
                    knob.value = '90'; knob.dispatchEvent(new Event('change'))";
        evaluate(page, change_knob).await?;
        let step_knob = "document.querySelector('#step-knobs [name=inbox]').value";
        wait_until(page, &format!("{step_knob} === '90'")).await?;
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
        const links = guide.map(({ set }) => [...new URLSearchParams(set)].filter(([key]) => key !== 'world'));
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
