//! Comparing runs as the page does.

#![cfg(target_arch = "wasm32")]

#[path = "../../../core/tests/draws/mod.rs"]
mod draws;

use highwater::{
    scenario::{self, Experiment},
    trace::{PackedBatch, RecordBatch},
};
use highwater_analysis::Runs;
use serde_json::Value;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

// The tests do not need a document.
wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn experiment(name: &str, set: &[(&str, &str)]) -> Experiment {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in set {
        experiment.set(key, value).unwrap();
    }
    experiment
}

/// Adds a simulated run as the page does, in packed batches.
fn add(runs: &mut Runs, label: &str, experiment: &Experiment) -> usize {
    let trace = experiment.simulate();
    let seed = ["seed".to_owned(), trace.seed.to_string()];
    let params = trace.params.iter();
    let pairs = params.flat_map(|(key, value)| [key.clone(), value.clone()]);
    let pairs = pairs.chain(seed).collect();
    let (label, world) = (label.to_owned(), "virtual".to_owned());
    let added = runs.add(label, trace.scenario, world, pairs, None);
    let index = added.ok().unwrap();
    let count = trace.names.len();
    let mut names = trace.names;
    for events in trace.events.chunks(50) {
        let batch = RecordBatch {
            first_name: count - names.len(),
            names: std::mem::take(&mut names),
            events: events.to_vec(),
            dropped: 0,
        };
        let PackedBatch { names, words } = batch.into();
        assert!(runs.push(index, names, words).is_ok());
    }
    index
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[wasm_bindgen_test]
fn simulation_digest_matches_native() {
    for line in include_str!("../../../core/tests/digests.txt").lines() {
        let (name, known) = line.split_once(' ').unwrap();
        let mut runs = Runs::new();
        let index = add(&mut runs, "", &experiment(name, &[("seed", "7")]));
        assert_eq!(runs.digest(index).ok().as_deref(), Some(known), "{name}");
    }
}

#[wasm_bindgen_test]
fn draws_match_native() {
    draws::assert_draws_are_pinned();
}

#[wasm_bindgen_test]
fn runs_are_compared_in_columns() {
    let mut runs = Runs::new();
    add(&mut runs, "waits", &experiment("backpressure", &[]));
    let ignoring = experiment("backpressure", &[("heed", "ignore"), ("seed", "5")]);
    add(&mut runs, "ignores", &ignoring);
    let table = parsed(&runs.table());
    assert_eq!(table["columns"][1]["label"], "ignores");
    assert_eq!(table["columns"][1]["seed"], "5");
    let rows = table["rows"].as_array().unwrap();
    let row = |key: &str| rows.iter().find(|row| row["key"] == key);
    assert_eq!(row("bytes").unwrap()["cells"][0]["text"], "256 KiB");
    assert!(row("bytes").unwrap()["cells"][1]["value"].as_u64() > Some(1 << 20));
    assert!(row("lag").is_none(), "neither run measures event-loop lag");
    assert_eq!(row("failed").unwrap()["cells"][0]["value"], 0);

    let metrics = parsed(&runs.metrics());
    assert_eq!(metrics[0]["name"], "latency");
    // Plotting does not need a DOM to measure text.
    let all = runs.plot("", 960, true).ok().unwrap();
    assert!(all.contains("waits") && all.contains("Held in queues (MiB)"));
    let one = runs.plot("throughput", 360, false).ok().unwrap();
    assert!(one.len() < all.len());

    runs.remove(0).ok().unwrap();
    assert_eq!(runs.length(), 1);
    assert_eq!(parsed(&runs.table())["columns"][0]["label"], "ignores");
    let csv = String::from_utf8(runs.csv(0).ok().unwrap()).unwrap();
    assert!(csv.starts_with("at_ns,") && csv.lines().count() > 100);
    let chrome = String::from_utf8(runs.chrome(0).ok().unwrap()).unwrap();
    assert_eq!(parsed(&chrome)["otherData"]["seed"], 5);
}

#[wasm_bindgen_test]
fn overload_is_said_before_the_run() {
    let overload = |pairs: &[&str]| {
        let pairs = pairs.iter().map(|&it| it.to_owned()).collect();
        Runs::overload("cluster".to_owned(), pairs)
    };
    let workers = ["workers", "1", "interval", "20"];
    let text = overload(&[&workers[..], &["work", "24"]].concat());
    assert!(
        text.starts_with("Overload: offered load is 1.20: "),
        "{text}"
    );
    assert_eq!(overload(&[&workers[..], &["work", "10"]].concat()), "");
}

#[wasm_bindgen_test]
fn sampled_figures_are_marked_in_their_column() {
    let mut runs = Runs::new();
    add(
        &mut runs,
        "some",
        &experiment("cluster", &[("users", "6000")]),
    );
    add(&mut runs, "all", &experiment("cluster", &[]));
    let table = parsed(&runs.table());
    let mut rows = table["rows"].as_array().unwrap().iter();
    let row = rows.find(|row| row["key"] == "p99").unwrap();
    assert_eq!(row["label"], "Latency p99");
    let text = |column: usize| row["cells"][column]["text"].as_str().unwrap();
    assert!(text(0).ends_with(" recorded)"), "{}", text(0));
    assert!(!text(1).contains("recorded"), "{}", text(1));
}

#[wasm_bindgen_test]
fn challenge_goals_are_evaluated_on_the_trace() {
    let open = parsed(&Runs::challenge_of("backpressure"));
    assert_eq!(open["goals"][1]["met"], Value::Null);
    let settings = open["settings"].as_array().unwrap().iter();
    let set: Vec<_> = settings
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    let mut runs = Runs::new();
    let mut goals = |more: &[(&str, &str)]| {
        let experiment = experiment("backpressure", &[&set, more].concat());
        let index = add(&mut runs, "", &experiment);
        let judged = parsed(&runs.challenge(index).ok().unwrap());
        let goals = judged["goals"].as_array().unwrap().clone();
        goals.iter().map(|goal| goal["met"].as_bool()).collect()
    };
    let (yes, no) = (Some(true), Some(false));
    let started: Vec<_> = goals(&[]);
    assert_eq!(started, [yes, no, yes, yes]);
    let solved: Vec<_> = goals(&[("heed", "wait"), ("mark", "128")]);
    assert_eq!(solved, [yes; 4]);
    assert_eq!(Runs::challenge_of("nothing"), "null");

    let html = |runs: &Runs, index| runs.challenge_html(index).ok().unwrap();
    let link = "<a href=\"#/backpressure?seed=1&amp;chunk=64&amp;";
    assert!(html(&runs, 0).contains(link), "{}", html(&runs, 0));
    assert!(html(&runs, 0).contains("meets 3 of 4 goals"));
    assert!(html(&runs, 1).contains("✓ Challenge met."));
    // A run with a different load is not an attempt.
    let other = add(
        &mut runs,
        "",
        &experiment("backpressure", &[("chunk", "1")]),
    );
    assert!(html(&runs, other).contains("The last run had a different load."));
    assert!(!html(&runs, other).contains("Not met"));
    assert_eq!(Runs::challenge_html_of("nothing"), "");
}

#[wasm_bindgen_test]
fn at_most_six_runs_are_kept() {
    let mut runs = Runs::new();
    let empty = |runs: &mut Runs| {
        let [label, name, world] = ["a", "observer", "tab"].map(str::to_owned);
        runs.add(label, name, world, Vec::new(), None)
    };
    for index in 0..6 {
        assert_eq!(empty(&mut runs).ok(), Some(index));
    }
    assert!(empty(&mut runs).is_err());
    assert!(runs.push(0, Vec::new(), vec![1, 2, 3, 4]).is_err());
    assert!(runs.digest(6).is_err() && runs.remove(6).is_err());
    assert!(runs.plot("speed", 960, false).is_err());
    runs.remove(5).ok().unwrap();
    assert_eq!(empty(&mut runs).ok(), Some(5));
}

/// Keeps a run without records.
fn keep(runs: &mut Runs, world: &str, pairs: &[&str], died: Option<&str>) -> usize {
    let address = format!("#/observer?world={world}&{}", pairs.join("="));
    let pairs = pairs.iter().map(|text| (*text).to_owned()).collect();
    let (name, world) = ("observer".to_owned(), world.to_owned());
    let kept = runs.keep(address, name, world, pairs, died.map(str::to_owned));
    kept.ok().unwrap()
}

/// Returns the column labels.
fn labels(runs: &Runs) -> Vec<String> {
    let table = parsed(&runs.table());
    let columns = table["columns"].as_array().unwrap().iter();
    let labels = columns.map(|column| column["label"].as_str().unwrap().to_owned());
    labels.collect()
}

#[wasm_bindgen_test]
fn last_run_per_experiment_and_world_is_kept() {
    let mut runs = Runs::new();
    let set = ["cost", "1", "seed", "1"];
    assert_eq!(keep(&mut runs, "virtual", &set, None), 0);
    assert_eq!(keep(&mut runs, "native", &set, None), 1);
    assert_eq!(labels(&runs), ["Simulation", "Native"]);
    // A repeated run replaces the first one and moves to the end.
    assert_eq!(keep(&mut runs, "virtual", &set, None), 1);
    assert_eq!(labels(&runs), ["Native", "Simulation"]);
    // Labels contain the settings that differ.
    keep(&mut runs, "tab", &["cost", "2", "seed", "1"], None);
    let names = ["cost=1, Native", "cost=1, Simulation", "cost=2, This tab"];
    assert_eq!(labels(&runs), names);
    runs.forget(2).ok().unwrap();
    assert_eq!(labels(&runs), ["Native", "Simulation"]);
    assert!(runs.forget(2).is_err());
    // The oldest run is removed.
    for seed in ["2", "3", "4", "5", "6"] {
        keep(&mut runs, "tab", &["cost", "1", "seed", seed], None);
    }
    assert_eq!(runs.length(), 6);
    assert_eq!(labels(&runs)[0], "seed=1, Simulation");
    // Runs of another scenario are removed.
    let [address, name, world] = ["#/cluster", "cluster", "tab"].map(str::to_owned);
    let kept = runs.keep(address, name, world, Vec::new(), None);
    assert_eq!((kept.ok(), runs.length()), (Some(0), 1));
}

#[wasm_bindgen_test]
fn text_from_a_run_is_escaped() {
    let mut runs = Runs::new();
    keep(
        &mut runs,
        "native",
        &["seed", "1"],
        Some("<img src=x> & \"that\""),
    );
    let html = runs.html();
    assert!(
        html.contains("&lt;img src=x&gt; &amp; &quot;that&quot;"),
        "{html}"
    );
    assert!(html.contains("<a href=\"#/observer?world=native&amp;seed=1\">Native</a>"));
    assert!(html.contains("aria-label=\"CSV: Native\""), "{html}");
    assert!(html.contains("name=forget value=0"), "{html}");
    assert_eq!(
        runs.options("latency"),
        "",
        "there are options without data to plot"
    );
    add(&mut runs, "", &experiment("decoupling", &[]));
    let options = runs.options("throughput");
    assert!(options.starts_with("<option value=latency>Latency</option>"));
    assert!(
        options.contains("<option value=throughput selected>"),
        "{options}"
    );
}
