//! Processing files in a Worker.

#![cfg(target_arch = "wasm32")]

use highwater_file::{Failure, Job};
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Blob, WritableStream};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const MIB: u64 = 1024 * 1024;

/// Returns a file with `part` repeated.
fn file(part: &[u8], times: usize) -> Blob {
    let part = Uint8Array::from(part);
    let parts: Array = std::iter::repeat_n(JsValue::from(part), times).collect();
    Blob::new_with_u8_array_sequence(&parts).unwrap()
}

/// Returns a file that does not compress.
fn random_file(mib: usize) -> Blob {
    let mut state = 7_u32;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    });
    // The block is larger than gzip's window of 32 KiB.
    let block: Vec<u8> = random.take(64 * 1024).collect();
    file(&block, mib * 16)
}

/// Returns an output that runs the JavaScript `write` for each chunk.
fn output(write: &str) -> WritableStream {
    let sink = Object::new();
    let write = Function::new_with_args("chunk", write);
    Reflect::set(&sink, &"write".into(), &write).unwrap();
    WritableStream::new_with_underlying_sink(&sink).unwrap()
}

async fn finish(job: &mut Job) -> Value {
    let text = JsFuture::from(job.run()).await.unwrap();
    serde_json::from_str(&text.as_string().unwrap()).unwrap()
}

fn read(job: &Job) -> u64 {
    let status: Value = serde_json::from_str(&job.status()).unwrap();
    status["read"].as_u64().unwrap()
}

/// Yields to the browser's event loop for 30 ms.
async fn pause() {
    let wait = Function::new_no_args("return new Promise(resolve => setTimeout(resolve, 30))");
    let promise = wait.call0(&JsValue::NULL).unwrap();
    JsFuture::from(js_sys::Promise::from(promise))
        .await
        .unwrap();
}

#[wasm_bindgen_test]
async fn file_is_counted_hashed_and_compressed() {
    let outputs = "(self.zipped ??= []).push(chunk)";
    let mut job = Job::new(&file(b"one\ntwo", 1), output(outputs)).unwrap();
    let finish = finish(&mut job).await;
    assert_eq!(finish["how"], "done");
    let status = &finish["status"];
    assert_eq!((&status["lines"], &status["read"]), (&2.into(), &7.into()));
    // `printf 'one\ntwo' | sha256sum`
    let expected = "21066d108d5319ecb5a1fc4454f42ef22fc5f1c7df49c31d90294950e0ea8b2c";
    assert_eq!(status["sha256"], expected);

    let unzip = Function::new_no_args(
        "const zipped = new Blob(self.zipped).stream(); \
         return new Response(zipped.pipeThrough(new DecompressionStream('gzip'))).text()",
    );
    let text = unzip.call0(&JsValue::NULL).unwrap();
    let text = JsFuture::from(js_sys::Promise::from(text)).await.unwrap();
    assert_eq!(text.as_string().unwrap(), "one\ntwo");
}

#[wasm_bindgen_test]
async fn blocked_output_stops_reading() {
    let mut job = Job::new(&random_file(32), output("return new Promise(() => {})")).unwrap();
    let run = job.run();
    // Wait until reading stops.
    let mut before = 0;
    loop {
        pause().await;
        let now = read(&job);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(read(&job) < 2 * MIB, "{} bytes were read", read(&job));
    job.cancel();
    let finish = JsFuture::from(run).await.unwrap();
    assert!(
        finish
            .as_string()
            .unwrap()
            .contains("\"how\":\"cancelled\"")
    );
}

#[wasm_bindgen_test]
async fn cancel_stops_a_run_that_never_stalls() {
    let mut job = Job::new(&random_file(64), output("")).unwrap();
    let run = job.run();
    while read(&job) == 0 {
        pause().await;
    }
    job.cancel();
    let finish = JsFuture::from(run).await.unwrap();
    assert!(
        finish
            .as_string()
            .unwrap()
            .contains("\"how\":\"cancelled\"")
    );
    assert!(read(&job) < 64 * MIB, "the whole file was read");
}

#[wasm_bindgen_test]
async fn memory_does_not_depend_on_file_size() {
    let mut memory = Vec::new();
    for mib in [2, 20] {
        let mut job = Job::new(&random_file(mib), output("")).unwrap();
        let finish = finish(&mut job).await;
        assert_eq!(finish["how"], "done");
        let (now, before) = (
            &finish["status"]["memory"],
            &finish["status"]["memory_at_start"],
        );
        assert_eq!(now, before);
        memory.push(now.clone());
    }
    assert_eq!(memory[0], memory[1]);
}

#[wasm_bindgen_test]
async fn full_output_is_reported() {
    let full = "throw new DOMException('no', 'QuotaExceededError')";
    let mut job = Job::new(&random_file(4), output(full)).unwrap();
    let finish = finish(&mut job).await;
    assert_eq!(
        (&finish["how"], &finish["stage"]),
        (&"failed".into(), &"output".into())
    );
    assert_eq!(finish["cause"], Failure::Full.to_string());
}

#[wasm_bindgen_test]
fn thrown_values_become_failures() {
    let thrown = |code: &str| {
        let value = Function::new_no_args(&format!("return {code}")).call0(&JsValue::NULL);
        Failure::from(value.unwrap())
    };
    let unreadable = "new DOMException('no', 'NotReadableError')";
    assert_eq!(thrown(unreadable), Failure::Unreadable);
    assert_eq!(thrown("new Error('why')"), Failure::Other("why".to_owned()));
    assert_eq!(thrown("'why'"), Failure::Other("why".to_owned()));
    assert_eq!(thrown("7"), Failure::Other("7".to_owned()));
}
