//! Malformed addresses. Each must open a working page with a readable notice.

use anyhow::{Context as _, Result, ensure};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::browser::Page;
use crate::experiment::{finish_run, navigate};
use crate::native;

const ADDRESS_COUNT: usize = 120;

/// Opens a reproducible list of generated addresses.
pub(crate) async fn open_all(page: &Page) -> Result<()> {
    // Returns as soon as the address is shown. An unknown scenario must show a notice.
    // The time limit is below the driver's script timeout.
    const SCRIPT: &str = "
        const [address] = arguments, before = location.hash, deadline = performance.now() + 25_000;
        const frame = () => new Promise(requestAnimationFrame);
        const [title, notice, trap] = ['title', 'notice', 'trap'].map(id => document.getElementById(id));
        const isHome = () => document.documentElement.dataset.page === 'home';
        const links = [...document.querySelectorAll('#scenarios a')].map(it => it.hash);
        title.textContent = '';
        location.hash = address;
        const [path] = location.hash.split('?');
        const isOpened = path.length < 3 ? isHome : () => title.textContent;
        return (async () => {
            if (location.hash === before) return;
            while (!isOpened() && performance.now() < deadline) await frame();
            await frame();
            const shown = '#/' + title.textContent;
            const isCorrect = path.length < 3 || path === shown || (links.includes(shown) && !links.includes(path) && !notice.hidden);
            if (!isOpened() || !isCorrect || !trap.hidden) return [title, notice, trap].map(it => it.hidden || it.textContent);
        })();";
    for address in addresses()? {
        let arguments = vec![Value::from(address.clone())];
        let broken = page.client.execute(SCRIPT, arguments).await?;
        ensure!(broken.is_null(), "{address:?} shows {broken}");
        let errors = page.assert_no_console_errors().await;
        errors.with_context(|| format!("after {address:?}"))?;
    }
    navigate(page, "#/observer").await?;
    finish_run(page).await
}

fn addresses() -> Result<Vec<String>> {
    let output = native::command().args(["list", "--json"]).output()?;
    let catalogue: Value = serde_json::from_slice(&output.stdout)?;
    let scenarios = catalogue["scenarios"].as_array().context("no scenarios")?;
    let strategy = select(scenarios.clone()).prop_flat_map(|scenario| address(&scenario));
    let mut runner = TestRunner::deterministic();
    let generated = (0..ADDRESS_COUNT).map(|_| Ok(strategy.new_tree(&mut runner)?.current()));
    let generated: Result<_, proptest::test_runner::Reason> = generated.collect();
    generated.map_err(|reason| anyhow::anyhow!("{reason}"))
}

/// Generates valid and invalid addresses for a scenario.
fn address(scenario: &Value) -> impl Strategy<Value = String> + use<> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&scenario["name"]);
    let params = scenario["params"].as_array().cloned().unwrap_or_default();
    let mut keys: Vec<_> = params.iter().map(|param| text(&param["key"])).collect();
    keys.extend(["world", "at", "seed", "", "__proto__"].map(str::to_owned));
    let mut values: Vec<_> = params
        .iter()
        .flat_map(|param| [&param["min"], &param["max"], &param["default"]])
        .filter(|value| !value.is_null())
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect();
    let unusual = [
        "",
        "-1",
        "1e9",
        "NaN",
        "007",
        "18446744073709551616",
        "%",
        "%zz",
        "%00",
        "tab",
        "<b>",
        "é",
        "\u{202e}",
    ];
    values.extend(unusual.map(str::to_owned));
    let key = prop_oneof![8 => select(keys), 1 => ".{0,12}"];
    let value = prop_oneof![8 => select(values), 1 => ".{0,12}", 1 => "[a-z=&?#/%+;]{0,400}"];
    let pairs = prop::collection::vec((key, value), 0..12);
    let name = prop_oneof![8 => Just(name), 1 => ".{0,20}", 1 => "[a-z%/?#]{0,300}"];
    (name, pairs).prop_map(|(name, pairs)| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        format!("#/{name}?{}", pairs.join("&"))
    })
}
