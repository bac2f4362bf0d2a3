//! The lanes of the whole run: bars, pins, zoom and speed.

use anyhow::{Result, ensure};
use highwater::trace::RecordKind;
use serde_json::{Value, json};

use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, press, start_run, wait_until};
use crate::server::Serve;

/// Compares the mapping of times to pixels with its inverse, after random zooms and pans.
const MAPPING: &str = "
    const { Range } = await import('/records.js');
    let seed = 7;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    for (let round = 0; round < 300; round += 1) {
        const length = 10 ** (6 * random());
        const range = new Range(100, 101 + 900 * random());
        range.setLength(length);
        const whole = Math.max(length, 1);
        for (let step = 0; step < 20; step += 1) {
            const around = range.from + random() * (range.to - range.from), x = range.x(around);
            const factor = 4 ** (2 * random() - 1);
            if (random() < 0.5) {
                const isInside = range.to - range.from > factor * whole / 1e4;
                range.zoom(factor, around);
                const isClamped = range.from === 0 || range.to >= whole * (1 - 1e-9);
                if (isInside && !isClamped && Math.abs(range.x(around) - x) > 0.01) return `zoom moved ${around}`;
            } else range.pan((random() - 0.5) * whole);
            if (range.from < 0 || range.to > whole * (1 + 1e-9) || range.from >= range.to) return `outside: ${range.from} to ${range.to} of ${whole}`;
            const time = range.from + random() * (range.to - range.from);
            if (Math.abs(range.ms(range.x(time)) - time) > whole * 1e-9) return `${time} is not at its pixel`;
            if (Math.abs(range.x(range.from) - range.left) > 1e-6 || Math.abs(range.x(range.to) - range.right) > 1e-6) return 'the edges differ';
            range.show(random() * whole);
        }
    }
    return 'ok';";

/// Reads a hand-made run: two overlapping spans, of which one fails, a killed process with
/// an open span, and drops close together.
const READING: &str = "
    const { KINDS, Records } = await import('/records.js');
    const NONE = 0xffffffffn, [BEGIN, END, INSTANT] = [0n, 1n, 2n];
    const record = (ms, kind, phase, source, { took = 0, subject = 1, failure = NONE } = {}) => [
        BigInt(ms) * 1000000n, BigInt(took) * 1000000n, BigInt(source) << 32n | NONE,
        BigInt(KINDS.indexOf(kind)) << 32n | phase, failure << 32n, BigInt(subject), 0n, 0n, 0n, 0n];
    const records = new Records();
    const batch = (first, ...all) => BigUint64Array.from([1n, BigInt(first), 0n, ...all.flat()]);
    records.push(['Mail', 'Worker', 'no route'], batch(0,
        record(0, 'handle', BEGIN, 0), record(10, 'handle', BEGIN, 0, { subject: 2 }),
        record(10, 'handle', END, 0, { took: 20, subject: 2, failure: 2n }),
        record(40, 'drop', INSTANT, 0), record(41, 'drop', INSTANT, 0), record(42, 'handle', BEGIN, 1)));
    records.push(['killed'], batch(3,
        record(0, 'handle', END, 0, { took: 50 }), record(60, 'exit', INSTANT, 1, { failure: 3n }),
        record(900, 'drop', INSTANT, 0)));
    const spans = [...records.lanes.values()].flatMap(({ name, spans }) =>
        spans.map(({ from, to, row, hasFailed }) => [name, from, to, row, hasFailed].join(' ')));
    return { kinds: KINDS, spans, moments: records.moments(1000).map(({ text }) => text), pace: records.pace(60, 1000, true).around };";

/// Runs a module's code in the page.
async fn evaluate_module(page: &Page, code: &str) -> Result<Value> {
    evaluate(page, &format!("return (async () => {{ {code} }})()")).await
}

#[tokio::test]
async fn lanes_map_times_and_find_moments() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        ensure!(evaluate_module(page, MAPPING).await? == "ok");
        let read = evaluate_module(page, READING).await?;
        let kinds: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.as_str()).collect();
        ensure!(read["kinds"] == json!(kinds), "{read}");
        ensure!(
            read["spans"]
                == json!([
                    "Mail 0 50 0 false",
                    "Mail 10 30 1 true",
                    "Worker 42 60 0 true"
                ]),
            "{read}"
        );
        ensure!(
            read["moments"]
                == json!([
                    "0.030 s: Mail failed: no route",
                    "0.040 s: Mail dropped items (2 times)",
                    "0.060 s: Worker exited: killed",
                    "0.900 s: Mail dropped items"
                ]),
            "{read}"
        );
        ensure!(read["pace"] == "the crash", "{read}");
        Ok(())
    })
    .await
}

/// Expression for the time shown, in milliseconds.
const NOW: &str = "1000 * parseFloat(document.querySelector('#clock').textContent)";

#[tokio::test]
async fn lanes_show_records_and_pins() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling", server.url)).await?;
        // Opening a page does not start its run.
        wait_until(page, "!document.querySelector('#run').disabled").await?;
        ensure!(page.text("#clock").await?.contains("record 0 of 0"));
        start_run(page).await?;
        wait_until(page, "/^0\\.[0-9]+×/.test(document.querySelector('#pace').textContent)").await?;
        finish_run(page).await?;

        // Pins are reached with buttons and from a list.
        ensure!(evaluate(page, "return document.querySelector('#moments').length").await? == 3);
        press(page, "pin-before").await?;
        press(page, "pin-before").await?;
        let first = evaluate(page, &format!("return {NOW}")).await?.as_f64().unwrap_or(0.0);
        let listed = "return 1000 * parseFloat(document.querySelector('#moments').options[1].text)";
        let listed = evaluate(page, listed).await?.as_f64().unwrap_or(-1.0);
        ensure!((first - listed).abs() < 1.5, "{first}, listed: {listed}");
        press(page, "pin-after").await?;
        wait_until(page, &format!("{NOW} > {}", first + 100.0)).await?;

        // A click on a bar shows its record, also after zooming in.
        press(page, "zoom-in").await?;
        let click = "
            const lanes = document.querySelector('#lanes'), { left, top, width } = lanes.getBoundingClientRect();
            for (let y = 20; y < 40; y += 2) for (let x = 120; x < width - 10; x += 3) {
                for (const type of ['pointerdown', 'pointerup'])
                    lanes.dispatchEvent(new PointerEvent(type, { clientX: left + x, clientY: top + y, pointerId: 1 }));
                if (!document.querySelector('#record').hidden) return document.querySelector('#record-text').textContent;
            }";
        let record = evaluate(page, click).await?;
        let record = record.as_str().unwrap_or_default();
        ensure!(record.starts_with("UserService, request "), "{record}");
        let from = record.split("from ").nth(1).and_then(|it| it.split(' ').next());
        let from: f64 = from.unwrap_or_default().parse()?;
        press(page, "record-seek").await?;
        let now = evaluate(page, &format!("return {NOW}")).await?.as_f64().unwrap_or(0.0);
        ensure!((now - 1000.0 * from).abs() < 1.5, "{now}, not {record}");
        press(page, "record-close").await?;
        ensure!(evaluate(page, "return document.querySelector('#record').hidden").await? == true);

        // A change is recorded at the moment in its label; later only if the loop was busy,
        // and then its record names both.
        press(page, "fork").await?;
        let change = "const knob = document.querySelector('#knob-email_latency');
            knob.value = 300; knob.dispatchEvent(new Event('change'))";
        evaluate(page, change).await?;
        wait_until(page, "document.querySelector('#changes').textContent !== ''").await?;
        finish_run(page).await?;
        let change = "
            const labelled = +document.querySelector('#changes').textContent.match(/set at (\\d+) ms/)[1];
            const text = [...document.querySelectorAll('#moments option')].map(it => it.text)
                .find(it => it.includes('changed a parameter: email_latency=300')) ?? 'none';
            const at = Math.round(1000 * parseFloat(text));
            return at === labelled || (at > labelled && text.endsWith(`(set at ${labelled} ms)`)) || `${text}, label: ${labelled}`";
        let change = evaluate(page, change).await?;
        ensure!(change == true, "{change}");

        // From the end of the slider, Run starts again.
        let to_end = "const slider = document.querySelector('#time');
            slider.value = slider.max; slider.dispatchEvent(new Event('input'))";
        evaluate(page, to_end).await?;
        press(page, "run").await?;
        wait_until(page, &format!("{NOW} > 0 && {NOW} < 2000")).await?;
        page.assert_no_console_errors().await
    })
    .await
}
