//! Single-key shortcuts.

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde_json::Value;

use crate::browser::Page;
use crate::experiment::{evaluate, finish_run, wait_until};
use crate::keyboard::{press, tab_to};

/// Checks that shortcuts work, that typing into a control does not trigger them, and
/// that they can be disabled.
pub(crate) async fn check(page: &Page) -> Result<()> {
    finish_run(page).await?;
    press(page, "0").await?;
    wait_until(
        page,
        "/record 0/.test(document.querySelector('#clock').textContent)",
    )
    .await?;
    press(page, "s").await?;
    wait_until(
        page,
        "/record [1-9]/.test(document.querySelector('#clock').textContent)",
    )
    .await?;

    // Keys typed into a control are not shortcuts.
    let before = clock(page).await?;
    tab_to(page, "#speed").await?;
    press(page, "s").await?;
    ensure!(
        clock(page).await? == before,
        "a key typed into a control triggered a shortcut"
    );

    evaluate(page, "document.activeElement.blur()").await?;
    press(page, "?").await?;
    wait_until(
        page,
        "document.querySelector('#keys').matches(':popover-open')",
    )
    .await?;
    let list = page.text("#keys-list").await?;
    for line in ["R Run", "P Pause", "S Step", "B Back", "0 Reset", "? Keys"] {
        ensure!(list.contains(line), "no {line} in {list}");
    }
    tab_to(page, "#keys-on").await?;
    press(page, &Key::Space).await?;
    press(page, &Key::Escape).await?;
    wait_until(
        page,
        "!document.querySelector('#keys').matches(':popover-open')",
    )
    .await?;
    press(page, "s").await?;
    ensure!(
        clock(page).await? == before,
        "a disabled shortcut changed the position"
    );
    Ok(())
}

async fn clock(page: &Page) -> Result<Value> {
    evaluate(page, "return document.querySelector('#clock').textContent").await
}
