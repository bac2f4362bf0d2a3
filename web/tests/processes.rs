//! The tab's `Processes` port: nested Workers, each with its own instance.
#![cfg(target_arch = "wasm32")]

mod nested;
#[path = "../../core/tests/worlds/mod.rs"]
mod worlds;

use highwater::platform::{Exit, ProcessEvent};
use highwater_web::{Inbox, run_program, tab};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use worlds::ECHO;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Entry point of a process in these tests.
#[wasm_bindgen]
pub fn run_test_program(name: &str) -> Option<Inbox> {
    let mut programs = worlds::PROGRAMS.iter();
    Some(run_program(programs.find(|it| it.name == name)?))
}

#[wasm_bindgen_test]
async fn shared_checks_pass() {
    nested::start_processes_with("run_test_program");
    for (_, check) in worlds::CHECKS {
        check(tab()).await;
    }
}

#[wasm_bindgen_test]
async fn panic_anywhere_is_reported_as_a_bug() {
    nested::start_processes_with("run_test_program");
    let platform = tab();
    for (order, says) in [("panic", "unplanned"), ("panic in a task", "in a task")] {
        let process = platform.start(&ECHO);
        process.send(order);
        match process.exited().await {
            Exit::Bug { message, location } => {
                assert_eq!(message, says);
                let location = location.unwrap();
                assert!(location.contains("worlds/echo.rs:"), "{location}");
            }
            other => panic!("{order}: {other:?}"),
        }
    }
}

#[wasm_bindgen_test]
async fn failed_start_is_reported_as_lost() {
    let platform = tab();
    // An unknown program, and a Worker that cannot be created.
    nested::start_processes_with("run_process");
    let unknown = platform.start(&ECHO);
    assert_ne!(unknown.id(), 0);
    let exit = unknown.exited().await;
    assert_eq!(exit.to_string(), "lost: unknown program echo");
    let failing_starter = Function::new_no_args("throw new Error('no more Workers')");
    highwater_web::set_process_starter(failing_starter);
    let not_started = platform.start(&ECHO);
    not_started.send("anything");
    assert_eq!(not_started.id(), 0);
    let lost = Exit::Lost {
        reason: "Error: no more Workers".to_owned(),
    };
    assert_eq!(not_started.next().await, ProcessEvent::Exited(lost));
    // A Worker whose script is missing.
    let missing_script =
        Function::new_no_args("return new Worker(new URL('not-there.js', location.href))");
    highwater_web::set_process_starter(missing_script);
    let unloadable = platform.start(&ECHO);
    let exit = unloadable.exited().await.to_string();
    assert!(exit.starts_with("lost: its Worker failed"), "{exit}");
}

/// A run is stopped by terminating its Worker. The browser must then also terminate its
/// nested Workers, even if they are busy.
#[wasm_bindgen_test]
async fn nested_workers_exit_with_their_parent() {
    let promise = Function::new_no_args(TERMINATE_PARENT)
        .call0(&JsValue::NULL)
        .unwrap();
    let ended = JsFuture::from(promise.unchecked_into::<Promise>()).await;
    assert_eq!(ended.unwrap(), JsValue::TRUE);
}

const TERMINATE_PARENT: &str = r#"
    return (async () => {
        const blob = (script) => URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
        const ticks = new BroadcastChannel("ticks");
        let count = 0;
        const first = new Promise((resolve) => {
            ticks.onmessage = () => { count += 1; resolve(); };
        });
        // It blocks, so no message can stop it.
        const inner = blob(`
            const ticks = new BroadcastChannel("ticks");
            for (;;) {
                const until = performance.now() + 5;
                while (performance.now() < until);
                ticks.postMessage(0);
            }
        `);
        const outer = new Worker(blob(`
            new Worker("${inner}", { type: "module" });
        `), { type: "module" });
        await first;
        outer.terminate();
        for (;;) {
            const before = count;
            await new Promise((resolve) => setTimeout(resolve, 250));
            if (count === before) return true;
        }
    })();
"#;
