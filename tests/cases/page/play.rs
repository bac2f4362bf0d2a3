//! Operates the page during measurements.

use anyhow::{Context as _, Result};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::appearance::Appearance;
use crate::browser::Page;
use crate::console::Cdp;
use crate::experiment::{evaluate, press, wait_until};

/// Expression that is true once a run is shown.
const IS_STARTED: &str = "/record [1-9]/.test(document.querySelector('#clock').textContent)";

/// Installs the probe in every page opened afterwards.
pub(crate) async fn install_probe(page: &Page) -> Result<()> {
    Appearance::DEFAULT.apply(page).await?;
    let script = json!({ "source": include_str!("probe.js") });
    let add = Cdp("Page.addScriptToEvaluateOnNewDocument", script);
    page.client.issue_cmd(add).await?;
    Ok(())
}

/// Opens an address with empty caches and storage.
pub(crate) async fn open_uncached(page: &Page, url: &str, address: &str) -> Result<()> {
    page.open("about:blank").await?;
    let all = json!({ "origin": url.trim_end_matches('/'), "storageTypes": "all" });
    page.client
        .issue_cmd(Cdp("Storage.clearDataForOrigin", all))
        .await?;
    page.client
        .issue_cmd(Cdp("Network.clearBrowserCache", json!({})))
        .await?;
    page.open(&format!("{url}#/{address}")).await
}

/// Runs the experiment, if one is shown, and waits until a picture moves. Returns the
/// milliseconds since the page was opened.
pub(crate) async fn wait_for_movement(page: &Page) -> Result<f64> {
    const MOVE: &str = "(() => {
        const run = document.querySelector('#run');
        if (run.checkVisibility() && !run.disabled) run.click();
        return probe.movedAt !== null;
    })()";
    wait_until(page, MOVE).await?;
    number(page, "probe.movedAt").await
}

/// Presses every button during a run, and changes a parameter.
pub(crate) async fn press_everything(page: &Page, scenario: &str) -> Result<()> {
    // The link is on the home page or in the menu.
    let is_home = evaluate(page, "return document.documentElement.dataset.page").await? == "home";
    let place = if is_home { "#home" } else { "#scenarios" };
    click(page, &format!("{place} a[href='#/{scenario}']")).await?;
    wait_until(
        page,
        &format!(
            "document.title.startsWith('{scenario} ') && !document.querySelector('#run').disabled"
        ),
    )
    .await?;
    press(page, "run").await?;
    wait_until(page, IS_STARTED).await?;
    for id in ["pause", "step", "step", "back", "reset", "run"] {
        wait_until(page, &format!("!document.querySelector('#{id}').disabled")).await?;
        press(page, id).await?;
    }
    let seed = page.find("#knob-seed").await?;
    seed.send_keys(&("1" + &Key::Tab)).await?;
    for selector in [
        "[name=world][value=tab]",
        "[name=world][value=virtual]",
        "#presets button:last-child",
    ] {
        wait_until(page, IS_STARTED).await?;
        click(page, selector).await?;
    }
    wait_until(page, IS_STARTED).await
}

/// Expression for the 98th-percentile interaction time.
const INTERACTION_P98: &str = "(() => {
    const slow = [...probe.interactions.values()].sort((one, other) => other - one);
    return slow[Math.floor(performance.interactionCount / 50)] ?? 16;
})()";

/// Returns the 98th percentile of the time from input to paint, in milliseconds. Times
/// below 16 ms, one frame, count as 16 ms.
pub(crate) async fn interaction_p98(page: &Page) -> Result<f64> {
    // The browser reports interactions when it is idle.
    evaluate(
        page,
        "return new Promise((resolve) => setTimeout(resolve, 500))",
    )
    .await?;
    number(page, INTERACTION_P98).await
}

/// Returns the 95th percentile of the page's work per frame in milliseconds, and the
/// number of frames. Resets both.
pub(crate) async fn frames(page: &Page) -> Result<(f64, f64)> {
    const SCRIPT: &str = "
        const all = probe.frames.splice(0).map(({ took }) => took).sort((one, other) => one - other);
        return [all[Math.floor(all.length * 0.95)] ?? 0, all.length];";
    let found = evaluate(page, SCRIPT).await?;
    let at = |index: usize| found[index].as_f64().context("no frames");
    Ok((at(0)?, at(1)?))
}

/// Plays a run at this speed. Returns the seconds it took, the number of records and the
/// number of dropped records.
pub(crate) async fn play_to_end(page: &Page, speed: &str) -> Result<(f64, f64, f64)> {
    const SCRIPT: &str = "
        const text = () => document.querySelector('#clock').textContent;
        const position = () => /record ([0-9]+) of ([0-9]+)/.exec(text()).slice(1).map(Number);
        probe.frames.splice(0);
        const began = performance.now();
        document.querySelector('#run').click();
        return (async () => {
            for (;;) {
                await new Promise(requestAnimationFrame);
                const [event, events] = position();
                if (event > 0 && event === events) break;
            }
            const dropped = Number(/([0-9]+) records dropped/.exec(text())?.[1] ?? 0);
            return [(performance.now() - began) / 1000, position()[1], dropped];
        })();";
    press(page, "reset").await?;
    let select = page.client.find(Locator::Id("speed")).await?;
    select.select_by_value(speed).await?;
    let found = evaluate(page, SCRIPT).await?;
    let at = |index: usize| found[index].as_f64().context("no clock");
    Ok((at(0)?, at(1)?, at(2)?))
}

/// Replaces the screen's frames with a fast clock.
pub(crate) async fn use_fast_clock(page: &Page) -> Result<()> {
    evaluate(
        page,
        "probe.useFastClock(); return new Promise((resolve) => setTimeout(resolve, 100))",
    )
    .await?;
    Ok(())
}

/// Plays runs for this many run seconds on the fast clock, one scenario after the
/// other.
pub(crate) async fn play(page: &Page, scenarios: &[String], seconds: u32) -> Result<()> {
    // Runs in slices below the driver's script timeout.
    const SCRIPT: &str = "
        const [names, wanted, began] = arguments;
        const byId = (id) => document.getElementById(id);
        const now = () => Number(/^[0-9.]*/.exec(byId('clock').textContent)[0]);
        return (async () => {
            const until = performance.now() + 10000;
            for (let frames = 0; probe.played - began < wanted && performance.now() < until; frames += 1) {
                const before = now();
                probe.frame();
                probe.played += Math.max(0, now() - before);
                // Let the page handle messages from the Worker.
                await new Promise((resolve) => setTimeout(resolve));
                const isOver = !byId('run').disabled && byId('verdicts').querySelector('[data-check]');
                if (isOver) {
                    probe.next = (probe.next ?? 0) + 1;
                    location.hash = `#/${names[probe.next % names.length]}`;
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
            }
            return probe.played - began;
        })();";
    let began = number(page, "(probe.played ??= 0)").await?;
    loop {
        let arguments = vec![json!(scenarios), json!(seconds), json!(began)];
        let played = page.client.execute(SCRIPT, arguments).await?;
        if played.as_f64().context("nothing played")? >= f64::from(seconds) {
            return Ok(());
        }
    }
}

/// Returns the page's memory use in bytes: JavaScript objects, including those of
/// Workers, and WebAssembly memory, which never shrinks.
pub(crate) async fn memory(page: &Page) -> Result<(f64, f64)> {
    const MODULE_MEMORY: &str = "(async () => {
        const { chapters, moduleOf } = await import(new URL('contents.js', location.origin));
        let sum = 0;
        for (const { name } of chapters) {
            const module = await import(new URL(moduleOf(name, 'single'), location.origin));
            sum += (await module.default()).memory.buffer.byteLength;
        }
        return sum;
    })()";
    let objects = "performance.measureUserAgentSpecificMemory().then(({ bytes }) => bytes)";
    Ok((
        number(page, objects).await?,
        number(page, MODULE_MEMORY).await?,
    ))
}

async fn click(page: &Page, selector: &str) -> Result<()> {
    let element = page.find(selector).await?;
    element
        .click()
        .await
        .with_context(|| format!("cannot click {selector}"))
}

async fn number(page: &Page, expression: &str) -> Result<f64> {
    let found: Value = evaluate(page, &format!("return {expression}")).await?;
    found
        .as_f64()
        .with_context(|| format!("{expression} is not a number: {found}"))
}
