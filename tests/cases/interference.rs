//! Faults from outside the page: translators and extensions that change it, keys that
//! are meant for others, denied storage, unreadable files and failing servers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;

use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, navigate, wait_until};
use crate::keyboard::press;
use crate::server::{PlainServer, Serve};

const CLOCK: &str = "document.querySelector('#clock').textContent";

#[tokio::test]
async fn changes_from_outside_are_tolerated() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling", server.url)).await?;
        finish_run(page).await?;
        translate(page).await.context("translation")?;
        press_others_keys(page).await.context("keys")?;
        ensure_alive(page).await?;
        type_numbers(page).await.context("numbers")?;
        fail_server(page).await.context("failing server")?;
        ensure_alive(page).await?;
        page.assert_no_console_errors().await?;
        read_vanished_file(page, &server).await.context("file")?;
        start_without_modules(page).await.context("modules")
    })
    .await
}

/// Fails if the page has given up.
async fn ensure_alive(page: &Page) -> Result<()> {
    let text = page.text("#trap-text").await?;
    ensure!(!text.contains("The page failed"), "{text}");
    Ok(())
}

/// Replaces every text like a translator. New texts are replaced, too.
const TRANSLATE: &str = r"
    const wrap = (node) => {
        if (!node.data.trim() || node.parentNode.closest('font, [translate=no], select, script')) return;
        const font = document.createElement('font');
        font.textContent = `~${node.data}~`;
        node.replaceWith(font);
        written += 1;
    };
    const translate = (root) => {
        const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        const nodes = [];
        while (texts.nextNode()) nodes.push(texts.currentNode);
        nodes.forEach(wrap);
    };
    window.written = 0;
    translate(document.body);
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) =>
        node.nodeType === Node.TEXT_NODE ? node.isConnected && wrap(node) : translate(node),
    ))).observe(document.body, { childList: true, subtree: true });";

/// Clicks the innermost element of a button's text.
fn click_text(selector: &str) -> String {
    format!(
        "const button = [...document.querySelectorAll({selector:?})].at(-1); \
         (button.querySelector('font') ?? button).dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))"
    )
}

async fn translate(page: &Page) -> Result<()> {
    // Keep the runs: two, to remove one.
    navigate(page, "#/decoupling?seed=2").await?;
    finish_run(page).await?;
    wait_until(
        page,
        "document.querySelectorAll('#runs [name=forget]').length > 1",
    )
    .await?;
    evaluate(page, TRANSLATE).await?;

    // Unchanged texts are not written again, even if others in the table change.
    let names = "window.names = new Set([...document.querySelectorAll('#numbers th font')])";
    evaluate(page, names).await?;
    let before = evaluate(page, &format!("return {CLOCK}")).await?;
    press(page, "b").await?;
    wait_until(page, &format!("{CLOCK} !== {before}")).await?;
    let are_kept = "return names.size > 0 && \
        [...document.querySelectorAll('#numbers th font')].every((it) => names.has(it))";
    ensure!(
        evaluate(page, are_kept).await? == true,
        "names were rewritten"
    );
    press(page, "r").await?;
    finish_run(page).await?;
    wait_until(
        page,
        "/[0-9] /.test(document.querySelector('#findings li')?.textContent)",
    )
    .await
    .context("numbers in the guide")?;

    for id in ["copy", "copy-link"] {
        evaluate(page, &click_text(&format!("#{id}"))).await?;
        let done = format!("/Copied|Selected/.test(document.querySelector('#{id}').textContent)");
        wait_until(page, &done).await.context(id)?;
    }
    let download = "window.downloads = 0; \
        HTMLAnchorElement.prototype.click = function () { downloads += this.download !== '' }";
    evaluate(page, download).await?;
    evaluate(page, &click_text("#runs [name=csv]")).await?;
    ensure!(evaluate(page, "return downloads").await? == 1, "no CSV");
    let count = "return document.querySelectorAll('#runs [name=forget]').length";
    let before = evaluate(page, count).await?.as_u64();
    evaluate(page, &click_text("#runs [name=forget]")).await?;
    ensure!(
        evaluate(page, count).await?.as_u64() < before,
        "not removed"
    );
    ensure_alive(page).await
}

/// Adds fields of others, with and without a shadow root.
const FIELDS: &str = r"
        const text = document.createElement('div');
        text.innerHTML = '<textarea></textarea><p contenteditable>Text</p>';
        document.querySelector('main').append(text);
        window.fields = [...text.children];
        for (const mode of ['open', 'closed']) {
            const host = document.createElement('div');
            document.body.append(host);
            const root = host.attachShadow({ mode });
            root.innerHTML = '<input>';
            fields.push(root.firstChild);
        }
        return fields.length";

/// Presses keys that are not shortcuts, then keys that are.
async fn press_others_keys(page: &Page) -> Result<()> {
    evaluate(page, "document.activeElement.blur()").await?;
    press(page, "0").await?;
    wait_until(page, &format!("/record 0/.test({CLOCK})")).await?;
    let before = evaluate(page, &format!("return {CLOCK}")).await?;
    for event in [
        "document.body.dispatchEvent(new Event('keydown', { bubbles: true }))",
        "document.dispatchEvent(new Event('keydown'))",
        "window.dispatchEvent(new KeyboardEvent('keydown'))",
        "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 's', modifierAltGraph: true, bubbles: true }))",
    ] {
        evaluate(page, event).await?;
    }
    let fields = evaluate(page, FIELDS)
        .await?
        .as_u64()
        .context("no fields")?;
    for field in 0..fields {
        evaluate(page, &format!("fields[{field}].focus()")).await?;
        press(page, "s").await?;
        let typed = format!(
            "const it = fields[{field}]; return (it.value ?? it.textContent).includes('s')"
        );
        ensure!(
            evaluate(page, &typed).await? == true,
            "nothing typed into {field}"
        );
    }
    let after = evaluate(page, &format!("return {CLOCK}")).await?;
    ensure!(after == before, "a key of others is a shortcut");

    // Neither a slider nor a radio button uses letters.
    for (control, key) in [("#time", "s"), ("[name=world]:checked", "0")] {
        evaluate(
            page,
            &format!("document.querySelector({control:?}).focus()"),
        )
        .await?;
        press(page, key).await?;
        let record = if key == "0" {
            "record 0"
        } else {
            "record [1-9]"
        };
        wait_until(page, &format!("/{record}/.test({CLOCK})"))
            .await
            .context(control)?;
    }
    evaluate(
        page,
        "document.dispatchEvent(new KeyboardEvent('keydown', { key: 's', bubbles: true }))",
    )
    .await?;
    wait_until(page, &format!("/record [1-9]/.test({CLOCK})")).await?;
    let held = "document.activeElement.blur(); for (const repeat of [false, true, true, true]) \
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '?', repeat, bubbles: true })); \
        return document.querySelector('#keys').matches(':popover-open')";
    ensure!(
        evaluate(page, held).await? == true,
        "a held key closed its dialog"
    );
    evaluate(
        page,
        "document.querySelector('#keys').hidePopover(); fields.forEach((it) => it.remove())",
    )
    .await?;
    Ok(())
}

/// Types numbers in other notations.
async fn type_numbers(page: &Page) -> Result<()> {
    for (text, users) in [("1e2", "100"), ("50.0", "50")] {
        let set = format!(
            "const knob = document.querySelector('#knob-users'); knob.value = {text:?}; \
             knob.dispatchEvent(new Event('change', {{ bubbles: true }})); return knob.value"
        );
        ensure!(
            evaluate(page, &set).await? == users,
            "{text} is not shown as {users}"
        );
        wait_until(page, &format!("location.hash.includes('users={users}')"))
            .await
            .context(text)?;
    }
    Ok(())
}

/// Lets a proxy answer instead of the server.
async fn fail_server(page: &Page) -> Result<()> {
    let proxy = "window.realFetch = fetch; window.fetch = async () => \
        new Response('<!doctype html><title>Bad gateway</title>', { status: 502 })";
    evaluate(page, proxy).await?;
    navigate(page, "#/decoupling?world=native").await?;
    let text = "document.querySelector('#trap-text').textContent";
    wait_until(
        page,
        &format!("{text}.includes('the server answered with status 502')"),
    )
    .await?;
    evaluate(page, "window.fetch = realFetch").await?;
    navigate(page, "#/decoupling").await?;
    finish_run(page).await
}

/// Chooses a file that vanishes, and one while locks and storage are denied.
async fn read_vanished_file(page: &Page, server: &Serve) -> Result<()> {
    let folder = tempfile::tempdir()?;
    page.open("about:blank").await?;
    page.open(&format!("{}#/pipeline", server.url)).await?;
    wait_until(page, "!!document.querySelector('#own-input')?.onchange").await?;
    let (gone, kept) = (
        folder.path().join("gone.txt"),
        folder.path().join("kept.txt"),
    );
    fs::write(&gone, "one\n")?;
    fs::write(&kept, "one\ntwo\n")?;
    let input = page.find("#own-input").await?;
    let deny = "const denied = async () => { throw new DOMException('denied', 'SecurityError') }; \
        navigator.locks.request = denied; \
        const input = document.querySelector('#own-input'); \
        window.choose = input.onchange; input.onchange = null";
    evaluate(page, deny).await?;
    input.send_keys(&gone.display().to_string()).await?;
    fs::remove_file(&gone)?;
    evaluate(page, "choose()").await?;
    let status = "document.querySelector('#own-status').textContent";
    wait_until(page, &format!("/gone.txt cannot be read/.test({status})")).await?;
    evaluate(page, "document.querySelector('#own-input').value = ''").await?;
    input.send_keys(&kept.display().to_string()).await?;
    evaluate(page, "choose()").await?;
    wait_until(page, &format!("{status}.startsWith('Done: kept.txt')")).await?;
    ensure_alive(page).await
}

/// Opens the page where browsers refuse its modules.
async fn start_without_modules(page: &Page) -> Result<()> {
    let www = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../www")
        .canonicalize()?;
    let folder = PlainServer::folder("www").await?;
    page.open(&format!("file://{}/index.html#/observer", www.display()))
        .await?;
    let notice = page.text(".notice[role=alert]:not([id])").await?;
    ensure!(notice.contains("load no modules from a file"), "{notice}");

    page.open(&folder.url).await?;
    let frame = "document.body.innerHTML = '<iframe sandbox=\"allow-scripts\" src=\"index.html#/observer\"></iframe>'";
    evaluate(page, frame).await?;
    page.client
        .find(Locator::Css("iframe"))
        .await?
        .enter_frame()
        .await?;
    let notice = page.text(".notice[role=alert]:not([id])").await?;
    ensure!(notice.contains("sandboxed frame"), "{notice}");
    page.client.clone().enter_parent_frame().await?;
    Ok(())
}
