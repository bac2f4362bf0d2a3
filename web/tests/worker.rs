//! Experiments in a Worker, in both of the page's worlds, and the thread pool of the
//! threaded build.
#![cfg(target_arch = "wasm32")]

mod nested;
mod parallel;
mod pooled;

use highwater::{
    scenario::{self, Outcome, ParamKind, Scenario},
    trace::{PackedBatch, RecordBatch, Trace},
};
use highwater_web::run;
use js_sys::{Array, Function};
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Runs an experiment as the page does, and collects its records.
async fn gather(name: &str, world: &str, pairs: &[(&str, &str)]) -> Trace {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value).unwrap();
    }
    let trace = Rc::new(RefCell::new(experiment.new_trace(world)));
    let gathering = Rc::clone(&trace);
    let report = Closure::<dyn FnMut(Vec<String>, Vec<u64>, f64)>::new(
        move |names: Vec<String>, words: Vec<u64>, _now: f64| {
            let batch = RecordBatch::try_from(PackedBatch { names, words }).unwrap();
            gathering.borrow_mut().append(batch);
        },
    );
    let report_function: Function = report.as_ref().clone().unchecked_into();
    let flat = pairs
        .iter()
        .flat_map(|(key, value)| [(*key).to_owned(), (*value).to_owned()])
        .collect();
    let ended = run(world.to_owned(), name.to_owned(), flat, report_function).await;
    assert!(matches!(ended, Ok(None)), "the run died");
    let gathered = trace.borrow();
    gathered.clone()
}

/// Checks every preset of every scenario.
#[wasm_bindgen_test]
async fn checks_pass_in_simulation_and_in_the_tab() {
    let presets = scenario::ALL.iter().flat_map(|scenario| {
        let name = JsValue::from(scenario.name);
        let indices = (0..scenario.presets.len()).map(JsValue::from);
        indices.map(move |index| Array::of2(&name, &index))
    });
    let failures = parallel::failures("check_preset", presets).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Returns settings for a short run.
fn short_run(scenario: &Scenario) -> &'static [(&'static str, &'static str)] {
    match scenario.name {
        "decoupling" => &[("users", "4"), ("interval", "20"), ("fail_rate", "100")],
        "backpressure" => &[("chunks", "24"), ("read", "5"), ("write", "30")],
        "pipeline" => &[("lines", "400")],
        "taxonomy" => &[("requests", "40"), ("interval", "10")],
        "handler" => &[("requests", "40"), ("interval", "10"), ("latency", "20")],
        "blocking" => &[("requests", "40"), ("size", "100"), ("every", "10")],
        "threads" => &[("size", "2"), ("jobs", "16"), ("threads", "3")],
        _ => &[("interval", "20"), ("work", "2")],
    }
}

/// Runs every scenario in the tab under each model of arrivals and times.
#[wasm_bindgen_test]
async fn checks_pass_in_the_tab_under_every_model() {
    let runs = scenario::ALL.iter().flat_map(|scenario| {
        let indices = (0..5).map(JsValue::from);
        indices.map(|index| Array::of2(&JsValue::from(scenario.name), &index))
    });
    let failures = parallel::failures("check_models", runs).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Runs a scenario with the models at this position of their parameters, and returns a
/// message if its checks fail. Called in a nested Worker.
///
/// # Panics
///
/// Panics if there is no such scenario.
#[wasm_bindgen]
pub async fn check_models(name: String, index: usize) -> Option<String> {
    nested::start_processes_with("run_process");
    pooled::start().await;
    let scenario = scenario::find(&name).unwrap();
    let mut pairs = [short_run(scenario), &[("cap", "10")]].concat();
    for param in scenario.params {
        match param.kind {
            ParamKind::Choice { options, .. } if ["arrivals", "times"].contains(&param.key) => {
                pairs.push((param.key, options[index % options.len()]));
            }
            _ => {}
        }
    }
    let verdicts = scenario.judge(&gather(scenario.name, "tab", &pairs).await);
    let mut failed = verdicts.iter().filter(|it| it.outcome == Outcome::Failed);
    failed
        .next()
        .map(|verdict| format!("{name}: {pairs:?}: {verdict:?}"))
}

/// Runs a preset in both worlds and returns a message if its checks fail or differ.
/// Called in a nested Worker.
///
/// # Panics
///
/// Panics if there is no such scenario.
#[wasm_bindgen]
pub async fn check_preset(name: String, index: usize) -> Option<String> {
    nested::start_processes_with("run_process");
    pooled::start().await;
    let scenario = scenario::find(&name).unwrap();
    let preset = &scenario.presets[index];
    let mut pairs = [short_run(scenario), preset.set].concat();
    if name == "cluster" && pairs.iter().any(|(key, _)| *key == "users") {
        // Use only as many users as a tab can serve.
        pairs.extend([("users", "300"), ("think", "1000"), ("workers", "3")]);
    }
    let mut outcomes_by_world = Vec::new();
    for world in ["virtual", "tab"] {
        let verdicts = scenario.judge(&gather(scenario.name, world, &pairs).await);
        let count = |outcome| verdicts.iter().filter(|it| it.outcome == outcome).count();
        if count(Outcome::Failed) > 0 || count(Outcome::Passed) < 2 {
            return Some(format!("{name} on {world}: {}: {verdicts:?}", preset.title));
        }
        outcomes_by_world.push(verdicts.iter().map(|it| it.outcome).collect::<Vec<_>>());
    }
    // Full queues depend on the browser's speed, and threads on the build.
    let can_differ = ["streams", "scaling"].contains(&scenario.chapter);
    let is_same = can_differ || outcomes_by_world[0] == outcomes_by_world[1];
    (!is_same).then(|| {
        format!(
            "{name}: {}: outcomes in each world: {outcomes_by_world:?}",
            preset.title
        )
    })
}

#[wasm_bindgen_test]
async fn long_simulation_is_reported_completely() {
    let trace = gather("decoupling", "virtual", &[("users", "2000")]).await;
    let mut experiment = scenario::find("decoupling").unwrap().experiment();
    experiment.set("users", "2000").unwrap();
    assert!(trace.events.len() > 3 * 4096, "several batches");
    assert_eq!(trace, experiment.simulate());
}

#[wasm_bindgen_test]
async fn unknown_world_is_an_error() {
    let nothing = Function::new_no_args("");
    let name = "decoupling".to_owned();
    let ended = run("mars".to_owned(), name, Vec::new(), nothing).await;
    assert!(ended.is_err());
}

#[cfg(feature = "threads")]
#[wasm_bindgen_test]
async fn pool_computes_on_distinct_threads() {
    use std::collections::BTreeSet;

    pooled::start().await;
    let check: serde_json::Value = serde_json::from_str(&highwater_web::check_threads()).unwrap();
    assert_eq!(check["primes"], 17_984, "the primes below 200,000");
    let trace: RecordBatch = serde_json::from_value(check["trace"].clone()).unwrap();
    let threads: BTreeSet<u32> = trace.events.iter().map(|event| event.thread).collect();
    assert_eq!(threads.len(), pooled::THREADS as usize, "{trace:?}");
    assert!(!threads.contains(&0), "a job ran on thread 0, the loop");
}
