//! Nested Workers as processes, like `www/worker.js` and `www/process.js` of the page.

use js_sys::{Function, JsString};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    static URL: JsString;
}

/// Returns the address of the test's own module.
pub(crate) fn url() -> JsValue {
    URL.with(JsString::clone).into()
}

/// Starts processes from the test's own WebAssembly. Each calls the export `run` with
/// the name of its program.
pub(crate) fn start_processes_with(run: &str) {
    let make = Function::new_with_args("url, run, program", START_WORKER_SCRIPT);
    let make = make.bind2(&JsValue::NULL, &url(), &run.into());
    highwater_web::set_process_starter(make.unchecked_into());
}

const START_WORKER_SCRIPT: &str = r#"
    const script = `
        const early = [];
        let deliver = (line) => early.push(line);
        onmessage = ({ data }) => deliver(data);
        addEventListener("error", (event) => event.preventDefault());
        try {
            const wasm = await import("${url}");
            await wasm.default("${url}_bg.wasm");
            const inbox = wasm.${run}("${program}");
            deliver = (line) => inbox.deliver(line);
            early.forEach(deliver);
        } catch (error) {
            postMessage("lost " + error.message);
        }
    `;
    const blob = new Blob([script], { type: "text/javascript" });
    return new Worker(URL.createObjectURL(blob), { type: "module", name: program });
"#;
