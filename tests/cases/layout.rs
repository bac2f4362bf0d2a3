//! The layout of an experiment: one screen on a desktop, and a picture that stays in view
//! on a phone.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::appearance::Appearance;
use crate::browser::{self, Page};
use crate::experiment::{evaluate, navigate, wait_until};
use crate::native::list_scenarios;
use crate::server::Serve;

const DESKTOP: Appearance = Appearance {
    height: 800,
    ..Appearance::REDUCED_MOTION
};

const PHONE: Appearance = Appearance {
    width: 390,
    height: 844,
    ..Appearance::REDUCED_MOTION
};

/// Returns the parts that are not wholly on the screen.
const OFF_SCREEN: &str = "
    const parts = ['header', '#title', '#picture', '.timeline', '#run', '#worlds', '#guide-panel', '.tabs',
        '#step-count', '.predict', '#step-knobs', '#run-step', '#reveal', '#findings li'];
    return parts.filter((part) => {
        const { top, left, right, bottom } = document.querySelector(part).getBoundingClientRect();
        return top < 0 || left < 0 || right > innerWidth || bottom > innerHeight + 1;
    })";

/// Returns the pairs of parts that overlap, the controls that something covers, and the
/// tables that are cut off, at several scroll positions.
const FAULTS: &str = "
    const rectOf = (it) => it.getBoundingClientRect();
    const nameOf = (it) => it.id || it.className || it.textContent.trim().slice(0, 20);
    const parts = [...document.querySelectorAll('header > *, .heading, .notice, .stage > :not(.sr-only), #guide-panel, .tabs, [role=tabpanel]')]
        .filter((it) => it.checkVisibility());
    const faults = new Set();
    for (let y = 0; ; y += 200) {
        scrollTo(0, y);
        for (const [index, one] of parts.entries()) {
            for (const other of parts.slice(index + 1)) {
                const [a, b] = [rectOf(one), rectOf(other)];
                const [width, height] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
                if (width > 1 && height > 1) faults.add(`${nameOf(one)} overlaps ${nameOf(other)}`);
            }
        }
        for (const control of document.querySelectorAll(':is(header, main) :is(button, input, select, summary, a)')) {
            if (!control.checkVisibility()) continue;
            const { x, y, width, height } = rectOf(control);
            const [centre, middle] = [x + width / 2, y + height / 2];
            const box = control.closest('[role=tabpanel], #guide-panel, .scroll');
            const inside = box ? rectOf(box) : { top: 0, bottom: innerHeight, left: 0, right: innerWidth };
            const isScrolledAway = middle < Math.max(0, inside.top) || middle > Math.min(innerHeight, inside.bottom)
                || centre < inside.left || centre > inside.right;
            const found = !isScrolledAway && document.elementFromPoint(centre, middle);
            if (found && !control.contains(found) && !found.contains(control)) faults.add(`${nameOf(control)} is covered by ${nameOf(found)}`);
        }
        if (y > document.documentElement.scrollHeight - innerHeight) break;
    }
    for (const table of document.querySelectorAll('[role=tabpanel] table')) {
        if (table.checkVisibility() && rectOf(table).right > rectOf(table.closest('.scroll, [role=tabpanel]')).right) faults.add(`${nameOf(table)} is cut off`);
    }
    scrollTo(0, 0);
    return [...faults]";

/// Returns what is wrong on a phone: a picture that leaves the screen or fills more than
/// 45 % of it, or a page that scrolls sideways.
const PHONE_FAULTS: &str = "
    const faults = [];
    const { scrollWidth, clientWidth, scrollHeight } = document.documentElement;
    if (scrollWidth > clientWidth) faults.push(`${scrollWidth} px wide`);
    for (const y of [0, scrollHeight / 2, scrollHeight]) {
        scrollTo(0, y);
        const { top, bottom } = document.querySelector('#picture').getBoundingClientRect();
        if (top < 0 || bottom > innerHeight || bottom - top > innerHeight * .45) faults.push(`picture from ${top} to ${bottom} at ${y}`);
    }
    scrollTo(0, 0);
    return faults";

#[tokio::test]
async fn every_experiment_fits_its_screen() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        for name in list_scenarios()?.into_iter().flat_map(|(_, names)| names) {
            DESKTOP.apply(page).await?;
            navigate(page, &format!("#/{name}?step=1")).await?;
            let steps = run_each_step(page, &name).await.context(name.clone())?;
            ensure!(steps >= 4, "{name} has {steps} steps");
            let share =
                "return picture.clientWidth / document.querySelector('.viewport').clientWidth";
            let share = evaluate(page, share).await?.as_f64().unwrap_or_default();
            ensure!(share >= 0.6, "{name}: the picture has {share} of the width");
            check_each_panel(page, FAULTS).await.context(name.clone())?;
            PHONE.apply(page).await?;
            check_each_panel(page, PHONE_FAULTS).await.context(name)?;
        }
        page.assert_no_console_errors().await
    })
    .await
}

/// Runs each step of the guide. Its parts and its finding must fit the screen. Returns the
/// number of steps.
async fn run_each_step(page: &Page, name: &str) -> Result<u64> {
    const RUN: &str = "document.querySelector('#speed').value = '16';
        if (document.querySelector('#reveal').hidden) document.querySelector('#run-step').click()";
    let mut step = 0;
    loop {
        step += 1;
        let is_shown = format!(
            "document.title.toLowerCase().startsWith('{name} ') && \
             document.querySelector('#step-count')?.textContent.startsWith('Step {step} of ')"
        );
        wait_until(page, &is_shown).await?;
        evaluate(page, RUN).await?;
        wait_until(page, "!document.querySelector('#reveal').hidden").await?;
        let off_screen = evaluate(page, OFF_SCREEN).await?;
        ensure!(off_screen == json!([]), "step {step}: {off_screen}");
        let next = "const next = document.querySelector('[aria-label=\"Next step\"]'); next.click(); return next.disabled";
        if evaluate(page, next).await? == true {
            return Ok(step);
        }
    }
}

/// Runs a script with a closed drawer, then with each panel open. It returns faults.
async fn check_each_panel(page: &Page, script: &str) -> Result<()> {
    close_drawer(page).await?;
    let tabs = "return [...document.querySelectorAll('[role=tab]')].filter((it) => !it.hidden).map((it) => it.id)";
    let tabs: Vec<String> = serde_json::from_value(evaluate(page, tabs).await?)?;
    ensure!(tabs.len() >= 6, "{tabs:?}");
    for tab in ["none"].into_iter().chain(tabs.iter().map(String::as_str)) {
        evaluate(page, &format!("document.getElementById('{tab}')?.click()")).await?;
        let faults: Value = evaluate(page, script).await?;
        ensure!(faults == json!([]), "{tab}: {faults:#}");
    }
    Ok(())
}

async fn close_drawer(page: &Page) -> Result<()> {
    let script = "document.querySelector('[role=tab][aria-selected=true]')?.click()";
    evaluate(page, script).await.map(drop)
}
