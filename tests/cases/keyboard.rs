//! Operating the page with only a keyboard.

use std::iter;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::Value;

use crate::browser::Page;
use crate::experiment::{evaluate, wait_until};

/// Maximum number of attempts to reach a control.
const MAX_ATTEMPTS: usize = 40;

/// Opens a scenario by its link in the menu or on its card, then presses Reset,
/// Step, Back, Run and Pause in each world.
pub(crate) async fn use_scenario(page: &Page, scenario: &str) -> Result<()> {
    if evaluate(page, "return document.documentElement.dataset.page").await? == "experiment" {
        tab_to(page, "[popovertarget=scenarios]").await?;
        press(page, &Key::Enter).await?;
    }
    tab_to(
        page,
        &format!(":is(#scenarios, #home) a[href='#/{scenario}']"),
    )
    .await?;
    press(page, &Key::Enter).await?;
    wait_until(
        page,
        &format!(
            "document.title.startsWith('{scenario} ') && !document.querySelector('#run').disabled"
        ),
    )
    .await?;
    let worlds = evaluate(page, WORLDS).await?;
    let worlds = worlds.as_array().context("no worlds")?;
    ensure!(worlds.len() >= 2, "{worlds:?}");
    for world in worlds {
        let world = world.as_str().unwrap_or_default();
        use_controls(page, world)
            .await
            .with_context(|| format!("{scenario} in {world}"))?;
    }
    Ok(())
}

/// The available worlds, with the current one last, so that each is selected.
const WORLDS: &str = "const all = [...document.querySelectorAll('[name=world]:not(:disabled)')]; \
                      return [...all.slice(1), all[0]].map(it => it.value)";

/// Sets a flag once the page has handled a new address.
const ON_ADDRESS_CHANGE: &str = "window.hasChanged = false; \
    addEventListener('hashchange', () => setTimeout(() => (window.hasChanged = true)), { once: true })";

/// Expression that is true once the run is shown.
const IS_STARTED: &str = "/record [1-9]/.test(document.querySelector('#clock').textContent)";

async fn use_controls(page: &Page, world: &str) -> Result<()> {
    tab_to(page, "[name=world]:checked").await?;
    evaluate(page, ON_ADDRESS_CHANGE).await?;
    press(page, &Key::Down).await?;
    wait_until(page, "window.hasChanged").await?;
    wait_until(
        page,
        &format!(
            "document.querySelector('[name=world]:checked').value === '{world}' && {IS_STARTED}"
        ),
    )
    .await?;

    activate(page, "reset").await?;
    wait_until(
        page,
        &format!("{POSITION} === 0 && !document.querySelector('#run').disabled"),
    )
    .await?;
    // A step may play several records with the same timestamp.
    let mut positions = vec![0];
    for _ in 0..3 {
        let before = positions[positions.len() - 1];
        activate(page, "step").await?;
        wait_until(page, &format!("{POSITION} > {before}")).await?;
        positions.push(position(page).await?);
    }
    activate(page, "back").await?;
    wait_until(page, &format!("{POSITION} === {}", positions[2])).await?;
    activate(page, "run").await?;
    wait_until(page, &format!("{POSITION} > {}", positions[2])).await?;
    // A short run may already be over.
    if evaluate(page, "return !document.querySelector('#pause').disabled").await? == true {
        activate(page, "pause").await?;
    }
    wait_until(
        page,
        "!document.querySelector('#run').disabled && document.querySelector('#trap').hidden",
    )
    .await
}

const POSITION: &str =
    "Number(/record ([0-9]+)/.exec(document.querySelector('#clock').textContent)?.[1])";

async fn position(page: &Page) -> Result<u64> {
    let position = evaluate(page, &format!("return {POSITION}")).await?;
    position.as_u64().context("no position")
}

/// Moves the focus to a button and presses it.
async fn activate(page: &Page, id: &str) -> Result<()> {
    wait_until(page, &format!("!document.querySelector('#{id}').disabled")).await?;
    tab_to(page, &format!("#{id}")).await?;
    press(page, &Key::Enter).await
}

/// Presses Tab or Shift+Tab until this control has the focus.
pub(crate) async fn tab_to(page: &Page, selector: &str) -> Result<()> {
    // Estimates the number of Tab presses, so that one attempt is usually enough.
    let script = "
        const wanted = [...document.querySelectorAll(arguments[0])].find((it) => it.checkVisibility());
        const stops = [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]
            .filter((it) => !it.disabled && it.checkVisibility() && (it.type !== 'radio' || it.checked));
        const [to, from] = [wanted, document.activeElement].map((it) => stops.indexOf(it));
        return wanted === document.activeElement ? 0 : to - from || 1";
    for _ in 0..MAX_ATTEMPTS {
        let arguments = vec![Value::from(selector)];
        let steps = page.client.execute(script, arguments).await?;
        match steps
            .as_i64()
            .context("the script did not return a number")?
        {
            0 => return Ok(()),
            steps => move_focus(page, steps).await?,
        }
    }
    bail!("Tab does not reach {selector}")
}

/// Presses a key on the focused element.
pub(crate) async fn press(page: &Page, key: &str) -> Result<()> {
    let key = key.chars().next().context("no key")?;
    perform_actions(page, keystroke(key)).await
}

/// Moves the focus forward by this many controls, or back if negative.
async fn move_focus(page: &Page, steps: i64) -> Result<()> {
    let shift = char::from(Key::Shift);
    let count = usize::try_from(steps.unsigned_abs())?;
    let mut keys: Vec<_> = iter::repeat_n(keystroke(Key::Tab.into()), count)
        .flatten()
        .collect();
    if steps < 0 {
        keys.insert(0, KeyAction::Down { value: shift });
        keys.push(KeyAction::Up { value: shift });
    }
    perform_actions(page, keys).await
}

fn keystroke(value: char) -> [KeyAction; 2] {
    [KeyAction::Down { value }, KeyAction::Up { value }]
}

async fn perform_actions(page: &Page, keys: impl IntoIterator<Item = KeyAction>) -> Result<()> {
    let keyboard = KeyActions::new("keyboard".to_owned());
    let actions = keys.into_iter().fold(keyboard, KeyActions::then);
    Ok(page.client.perform_actions(actions).await?)
}
