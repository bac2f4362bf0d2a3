//! What runs in a Worker: experiments in both of the page's worlds, and, in
//! the threaded build, threads.
#![cfg(target_arch = "wasm32")]

mod nested;

use highwater::{
    scenario::{self, Outcome},
    trace::{Batch, Packed, Trace},
};
use highwater_web::run;
use js_sys::Function;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Runs an experiment as the page does, and gathers what is reported.
async fn gather(name: &str, world: &str, pairs: &[(&str, &str)]) -> Trace {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value).unwrap();
    }
    let trace = Rc::new(RefCell::new(experiment.new_trace(world)));
    let gathering = Rc::clone(&trace);
    let report = Closure::<dyn FnMut(Vec<String>, Vec<u64>, f64)>::new(
        move |names: Vec<String>, words: Vec<u64>, _now: f64| {
            let batch = Batch::try_from(Packed { names, words }).unwrap();
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

/// The same checks as in every other world, over every preset of every scenario.
#[wasm_bindgen_test]
async fn the_same_checks_pass_in_simulation_and_in_the_tab() {
    nested::make_processes_by("run_process");
    for scenario in scenario::ALL {
        let short: &[_] = match scenario.name {
            "decoupling" => &[("users", "4"), ("interval", "20"), ("fail_rate", "100")],
            "backpressure" => &[("chunks", "24"), ("read", "5"), ("write", "30")],
            "pipeline" => &[("lines", "400")],
            "taxonomy" => &[("requests", "40"), ("interval", "10")],
            "handler" => &[("requests", "40"), ("interval", "10"), ("latency", "20")],
            "blocking" => &[("requests", "40"), ("size", "100"), ("every", "10")],
            "threads" => &[("size", "2"), ("jobs", "16"), ("threads", "3")],
            _ => &[("interval", "20"), ("work", "2")],
        };
        for preset in scenario.presets {
            let pairs: Vec<_> = short.iter().chain(preset.set).copied().collect();
            let mut of_worlds = Vec::new();
            for world in ["virtual", "tab"] {
                let verdicts = scenario.judge(&gather(scenario.name, world, &pairs).await);
                let count = |outcome| verdicts.iter().filter(|it| it.outcome == outcome).count();
                assert_eq!(count(Outcome::Failed), 0, "{}: {verdicts:?}", preset.title);
                assert!(
                    count(Outcome::Passed) >= 2,
                    "{}: {verdicts:?}",
                    preset.title
                );
                of_worlds.push(verdicts.iter().map(|it| it.outcome).collect::<Vec<_>>());
            }
            // Whether a queue fills up depends on how quick the browser is, and
            // whether there are threads on the build.
            if !["streams", "scaling"].contains(&scenario.chapter) {
                assert_eq!(of_worlds[0], of_worlds[1], "{}", preset.title);
            }
        }
    }
}

#[wasm_bindgen_test]
async fn a_long_simulation_is_reported_whole() {
    let trace = gather("decoupling", "virtual", &[("users", "2000")]).await;
    let mut experiment = scenario::find("decoupling").unwrap().experiment();
    experiment.set("users", "2000").unwrap();
    assert!(trace.events.len() > 3 * 4096, "several batches");
    assert_eq!(trace, experiment.simulate());
}

#[wasm_bindgen_test]
async fn an_unknown_world_is_an_error() {
    let nothing = Function::new_no_args("");
    let name = "decoupling".to_owned();
    let ended = run("mars".to_owned(), name, Vec::new(), nothing).await;
    assert!(ended.is_err());
}

#[cfg(feature = "threads")]
#[wasm_bindgen_test]
async fn the_pool_computes_on_distinct_threads() {
    use std::collections::BTreeSet;

    let pool = highwater_web::init_thread_pool(3);
    wasm_bindgen_futures::JsFuture::from(pool).await.unwrap();
    let proof: serde_json::Value = serde_json::from_str(&highwater_web::prove_threads()).unwrap();
    assert_eq!(proof["primes"], 17_984, "the primes below 200,000");
    let trace: Batch = serde_json::from_value(proof["trace"].clone()).unwrap();
    let threads: BTreeSet<u32> = trace.events.iter().map(|event| event.thread).collect();
    assert_eq!(threads.len(), 3, "{trace:?}");
    assert!(!threads.contains(&0), "0 is the loop");
}
