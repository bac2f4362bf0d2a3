//! The streaming route `POST /api/runs` of `highwater serve`.

use crate::{
    server::{JSON, Server},
    support::TEST_TIMEOUT,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use highwater::{
    scenario::Experiment,
    trace::{PackedBatch, RecordBatch},
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};

/// Unpacks a batch of records.
fn unpack(event: &Value) -> RecordBatch {
    let bytes = BASE64_STANDARD.decode(event["words"].as_str().unwrap());
    let bytes = bytes.unwrap();
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{event}");
    let words = words.iter().copied().map(u64::from_le_bytes).collect();
    let names = serde_json::from_value(event["names"].clone()).unwrap();
    RecordBatch::try_from(PackedBatch { names, words }).unwrap()
}

#[test]
fn packed_records_match_the_judged_trace() {
    let server = Server::start();
    let set = [("users", "300"), ("interval", "0"), ("email_latency", "0")];
    let body = json!({
        "scenario": "decoupling", "params": std::collections::BTreeMap::from(set),
        "seed": 3, "records": "packed",
    });
    let response = server.run(&body.to_string());
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    let events = response.events();
    let serving = server.serving_process().to_string();
    assert_eq!(response.header("x-worker"), Some(serving.as_str()));
    let Some(((end, verdicts), batches)) = events.split_last() else {
        panic!("{events:?}")
    };
    assert_eq!(end, "end");

    let (experiment, _) = Experiment::from_pairs("decoupling", set).unwrap();
    let mut trace = experiment.new_trace("native");
    let mut last_now = 0;
    for (event, packed) in batches {
        assert_eq!(event, "trace");
        let batch = unpack(packed);
        assert_eq!(batch.first_name, trace.names.len());
        assert!(batch.events.len() <= 1024, "{}", batch.events.len());
        trace.append(batch);
        // Only the last part of a batch contains the time.
        let now = packed["now_ms"].as_u64().unwrap();
        assert!(now == 0 || now >= last_now, "{now} after {last_now}");
        last_now = last_now.max(now);
    }
    assert!(trace.events.len() > 1024, "{}", trace.events.len());
    let last = trace.events.last().unwrap().recorded_at();
    assert!(u128::from(last_now) >= last.as_millis(), "{last_now}");
    let judged = experiment.scenario().judge(&trace);
    assert_eq!(verdicts["verdicts"], serde_json::to_value(judged).unwrap());
    assert_eq!(verdicts["died"], Value::Null);
}

#[test]
fn time_is_sent_while_no_records_arrive() {
    // Each email takes seconds, so the stream is often idle.
    let body = json!({
        "scenario": "decoupling", "records": "packed",
        "params": {"email_latency": 5000, "listeners": "async"},
    });
    let server = Server::start();
    let client = server.send("POST", "/api/runs", &[JSON], &body.to_string());
    client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let lines = BufReader::new(client).lines().map(Result::unwrap);
    let data = lines.filter_map(|line| {
        let data = line.strip_prefix("data: ")?;
        serde_json::from_str::<Value>(data).ok()
    });
    let mut batches = data.map(|event| (unpack(&event), event));
    let (_, idle) = batches
        .find(|(batch, _)| batch.events.is_empty() && batch.names.is_empty())
        .unwrap();
    let (_, next) = batches.next().unwrap();
    let now = |event: &Value| event["now_ms"].as_u64().unwrap();
    assert!(now(&next) > now(&idle), "{next} after {idle}");
}

#[cfg(target_os = "linux")]
#[test]
fn run_processes_exit_when_the_client_disconnects() {
    use crate::support::wait_until;
    use std::{collections::BTreeSet, fs, path::Path};

    let children_of = |parent: u32| -> BTreeSet<u64> {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
        let children = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")));
        let children: Vec<String> = children.filter_map(Result::ok).collect();
        let numbers = children.iter().flat_map(|it| it.split_whitespace());
        numbers.map(|it| it.parse().unwrap()).collect()
    };
    let server = Server::start();
    let serving = server.serving_process();
    assert_eq!(children_of(serving), BTreeSet::new());
    for scenario in ["handler", "cluster"] {
        let body = json!({"scenario": scenario, "params": {"requests": 1000, "interval": 100}});
        let client = server.send("POST", "/api/runs", &[JSON], &body.to_string());
        client.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        let mut lines = BufReader::new(client).lines().map(Result::unwrap);
        let mut pids = BTreeSet::new();
        while pids.len() < 2 {
            let line = lines.next().unwrap();
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let batch: Value = serde_json::from_str(data).unwrap();
            let events = batch["events"].as_array().into_iter().flatten();
            let starts = events.filter(|event| event["kind"] == "start" && event["subject"] != 0);
            pids.extend(starts.map(|event| event["subject"].as_u64().unwrap()));
        }
        let children = children_of(serving);
        assert!(
            pids.is_subset(&children),
            "reported {pids:?}, children {children:?}"
        );
        drop(lines);
        let is_gone = |id: &u64| !Path::new(&format!("/proc/{id}")).exists();
        wait_until("the run's processes to exit", || pids.iter().all(is_gone));
        assert_eq!(server.serving_process(), serving);
    }
}
