//! Workers of the tests' Worker that share a list of things to do, so that what
//! takes seconds of real time is not done one after the other.

use crate::nested;
use futures::future::join_all;
use js_sys::{Array, Function, Promise};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// How many there are. Each has an instance of its own, and most of the time it
/// waits.
const WORKERS: usize = 4;

/// Has each thing done by one of them, which calls what the test exports as `run`
/// with it. Returns what that complains of, and why a Worker did not end well.
pub(crate) async fn complaints(run: &str, things: impl Iterator<Item = Array>) -> Vec<String> {
    let make = Function::new_with_args("url, run", MAKE);
    let things = RefCell::new(things);
    let complaints = RefCell::new(Vec::new());
    let worker = async |ask: Function| {
        loop {
            let Some(thing) = things.borrow_mut().next() else {
                return;
            };
            let asked: Promise = ask.call1(&JsValue::NULL, &thing).unwrap().unchecked_into();
            match JsFuture::from(asked).await {
                Ok(answer) => complaints.borrow_mut().extend(answer.as_string()),
                Err(error) => {
                    // It may be lost: the others do the rest.
                    complaints
                        .borrow_mut()
                        .push(format!("{error:?}: {thing:?}"));
                    return;
                }
            }
        }
    };
    let ask = || make.call2(&JsValue::NULL, &nested::url(), &run.into());
    let crew = std::iter::repeat_with(|| worker(ask().unwrap().unchecked_into()));
    join_all(crew.take(WORKERS)).await;
    let left = things
        .into_inner()
        .map(|thing| format!("not done: {thing:?}"));
    complaints.into_inner().into_iter().chain(left).collect()
}

const MAKE: &str = r#"
    const script = `
        const loaded = import("${url}").then(async (wasm) => {
            await wasm.default("${url}_bg.wasm");
            return wasm;
        });
        onmessage = async ({ data }) => {
            try {
                postMessage({ answer: await (await loaded).${run}(...data) });
            } catch (error) {
                postMessage({ error: String(error) });
            }
        };
    `;
    const blob = new Blob([script], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
    return (thing) => new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => data.error ? reject(data.error) : resolve(data.answer);
        // A panic ends it where no one waits for it.
        worker.onerror = ({ message }) => reject(message);
        worker.postMessage(thing);
    });
"#;
