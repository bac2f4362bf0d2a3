//! Runs slow calls in parallel, on nested Workers that share a list of calls.

use crate::nested;
use futures::future::join_all;
use js_sys::{Array, Function, Promise};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Number of Workers. Each has its own instance and is mostly idle.
const WORKERS: usize = 4;

/// Calls the test's export `run` once for each list of arguments, on these Workers.
/// Returns the failures that `run` reports and the errors of the Workers.
pub(crate) async fn failures(run: &str, calls: impl Iterator<Item = Array>) -> Vec<String> {
    let make = Function::new_with_args("url, run", START_WORKER_SCRIPT);
    let calls = RefCell::new(calls);
    let failures = RefCell::new(Vec::new());
    let worker = async |call: Function| {
        loop {
            let Some(arguments) = calls.borrow_mut().next() else {
                return;
            };
            let reply: Promise = call
                .call1(&JsValue::NULL, &arguments)
                .unwrap()
                .unchecked_into();
            match JsFuture::from(reply).await {
                Ok(answer) => failures.borrow_mut().extend(answer.as_string()),
                Err(error) => {
                    // The Worker may have exited. The others make the remaining calls.
                    failures
                        .borrow_mut()
                        .push(format!("{error:?}: {arguments:?}"));
                    return;
                }
            }
        }
    };
    let call = || make.call2(&JsValue::NULL, &nested::url(), &run.into());
    let workers = std::iter::repeat_with(|| worker(call().unwrap().unchecked_into()));
    join_all(workers.take(WORKERS)).await;
    let left = calls
        .into_inner()
        .map(|arguments| format!("not called: {arguments:?}"));
    failures.into_inner().into_iter().chain(left).collect()
}

const START_WORKER_SCRIPT: &str = r#"
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
    return (call) => new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => data.error ? reject(data.error) : resolve(data.answer);
        // A panic leaves the promise pending.
        worker.onerror = ({ message }) => reject(message);
        worker.postMessage(call);
    });
"#;
