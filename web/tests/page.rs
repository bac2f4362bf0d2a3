//! Addresses, playback, pictures and sentences in a window.
#![cfg(target_arch = "wasm32")]

use highwater::{
    scenario,
    trace::{PackedBatch, RecordBatch},
};
use highwater_web::{Address, View, scenarios};
use serde_json::Value;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn address(pairs: &[(&str, &str)]) -> Address {
    address_of("decoupling", pairs)
}

fn address_of(name: &str, pairs: &[(&str, &str)]) -> Address {
    let pairs = pairs
        .iter()
        .flat_map(|(key, value)| [(*key).to_owned(), (*value).to_owned()]);
    // `JsError` does not implement `Debug`, which `unwrap` needs.
    let address = Address::new(name, pairs.collect()).ok();
    address.expect("the scenario exists")
}

/// Returns a view of a complete simulated run, at its start.
fn view(pairs: &[(&str, &str)]) -> View {
    view_of("decoupling", pairs)
}

fn view_of(name: &str, pairs: &[(&str, &str)]) -> View {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value).unwrap();
    }
    let trace = experiment.simulate();
    let batch = RecordBatch {
        first_name: 0,
        names: trace.names,
        events: trace.events,
        dropped: trace.dropped,
    };
    let mut view = View::new(address_of(name, pairs), "virtual".to_owned());
    let PackedBatch { names, words } = batch.into();
    assert!(view.push(names, words, 0.0).is_ok());
    view.complete(None);
    view
}

fn numbers(view: &View) -> Value {
    serde_json::from_str(&view.numbers()).unwrap()
}

#[wasm_bindgen_test]
fn schema_lists_every_scenario_and_parameter() {
    let all: Value = serde_json::from_str(&scenarios()).unwrap();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), scenario::ALL.len());
    for (described, scenario) in all.iter().zip(scenario::ALL) {
        assert_eq!(described["name"], scenario.name);
        let keys = described["params"].as_array().unwrap().iter();
        let keys: Vec<_> = keys.map(|param| param["key"].as_str().unwrap()).collect();
        let known = scenario.params.iter().map(|param| param.key);
        let known: Vec<_> = known.chain(["seed"]).collect();
        assert_eq!(keys, known);
    }
}

#[wasm_bindgen_test]
fn address_reports_ignored_parameters() {
    let address = address(&[
        ("seed", "7"),
        ("design", "direct"),
        ("users", "0"),
        ("usres", "3"),
    ]);
    assert_eq!(address.fragment(), "#/decoupling?seed=7&design=direct");
    assert_eq!(
        address.command(),
        "cargo run -p native -- run decoupling --set design=direct --seed 7"
    );
    let ignored = address.ignored();
    assert_eq!(ignored.len(), 2);
    assert!(
        ignored[0].contains("users must be 1 to 10000"),
        "{ignored:?}"
    );
    assert!(
        ignored[1].contains("did you mean \"users\"?"),
        "{ignored:?}"
    );
}

#[wasm_bindgen_test]
fn address_keeps_changes_during_the_run() {
    let set = [
        ("email_latency@900", "400"),
        ("users@900", "3"),
        ("users", "5"),
    ];
    let address = address(&set);
    assert_eq!(
        address.fragment(),
        "#/decoupling?seed=1&users=5&email_latency@900=400"
    );
    let values = address.values();
    let index = values
        .iter()
        .position(|it| it == "email_latency@900")
        .unwrap();
    assert_eq!(values[index + 1], "400");
    assert!(address.ignored()[0].starts_with("users cannot change while"));
    let mut view = view(&[("email_latency@900", "400")]);
    while view.status() != "Changed: email_latency=400." {
        assert!(view.step(), "the change was not recorded");
    }
    assert!(numbers(&view)["time_us"].as_u64() >= Some(900_000));
}

/// The errors chapter counts responses, and the scaling chapter adds figures.
#[wasm_bindgen_test]
fn back_after_step_returns_to_the_same_numbers() {
    for (name, set) in [
        ("decoupling", ("users", "3")),
        ("handler", ("requests", "30")),
        ("cluster", ("requests", "30")),
    ] {
        let mut view = view_of(name, &[set]);
        let shown = |view: &View| (view.numbers(), view.figures());
        let mut seen = vec![shown(&view)];
        while view.step() {
            seen.push(shown(&view));
        }
        assert!(seen.len() > 40, "{name}: {} moments", seen.len());
        assert!(view.verdicts().contains("passed"));
        assert_eq!(seen.pop(), Some(shown(&view)));
        while let Some(before) = seen.pop() {
            assert!(view.back());
            assert_eq!(shown(&view), before, "{name}");
            assert_eq!(
                view.verdicts(),
                "[]",
                "verdicts were returned before the end"
            );
        }
        assert!(!view.back(), "back at the start returned true");
    }
}

/// Uses a run that is long enough to drop checkpoints.
#[wasm_bindgen_test]
fn seeking_and_stepping_show_the_same_numbers() {
    let set = [("users", "2000"), ("interval", "1"), ("email_latency", "1")];
    let mut stepped = view(&set);
    let mut seen = Vec::new();
    let mut steps = 0;
    while stepped.step() {
        steps += 1;
        if steps % 997 == 0 {
            seen.push((numbers(&stepped), stepped.status()));
        }
    }
    assert!(seen.len() > 20, "{} moments", seen.len());
    let length = numbers(&stepped)["length_us"].as_f64().unwrap();
    // Backward from the end, forward from the start, and mixed.
    let count = seen.len();
    let mixed = (0..count).map(|index| index * 7 % count);
    let mut order: Vec<usize> = (0..count).rev().chain(0..count).chain(mixed).collect();
    order.extend([count - 1, 0]);
    let mut seeking = view(&set);
    seeking.to_end();
    for index in order {
        let (expected, status) = &seen[index];
        seeking.seek(expected["time_us"].as_f64().unwrap() / 1000.0);
        // Several records may have the same timestamp.
        while numbers(&seeking)["event"].as_u64() > expected["event"].as_u64() {
            assert!(seeking.back());
        }
        while numbers(&seeking)["event"].as_u64() < expected["event"].as_u64() {
            assert!(seeking.step());
        }
        assert_eq!((&numbers(&seeking), &seeking.status()), (expected, status));
    }
    seeking.seek(length);
    assert_eq!(
        seeking.verdicts(),
        stepped.verdicts(),
        "seeking past the last record did not play every record"
    );
    assert_eq!(numbers(&seeking), numbers(&stepped));
}

#[wasm_bindgen_test]
fn speed_scales_the_time_played() {
    for (speed, expected) in [(0.25, 25_000), (1.0, 100_000), (16.0, 1_600_000)] {
        let mut view = view(&[]);
        view.set_speed(speed);
        view.advance(100.0);
        assert_eq!(numbers(&view)["time_us"], expected, "{speed}");
    }
}

#[wasm_bindgen_test]
fn playing_reaches_the_same_end_as_stepping() {
    let (mut played, mut stepped) = (view(&[]), view(&[]));
    while !played.is_finished() {
        played.advance(16.0);
    }
    while stepped.step() {}
    assert_eq!(numbers(&played)["rows"], numbers(&stepped)["rows"]);
    assert_eq!(played.verdicts(), stepped.verdicts());
    assert_eq!(played.status(), stepped.status());
}

#[wasm_bindgen_test]
fn every_moment_of_both_designs_can_be_painted() {
    let document = web_sys::window().unwrap().document().unwrap();
    let canvas = document.create_element("canvas").unwrap();
    let canvas: web_sys::HtmlCanvasElement = canvas.unchecked_into();
    for design in ["events", "direct"] {
        let mut view = view(&[("design", design), ("users", "2")]);
        let mut pictures = std::collections::BTreeSet::new();
        let sizes = [(800.0, 400.0, 1.0), (320.0, 300.0, 3.0), (0.0, 0.0, 1.0)];
        loop {
            for (width, height, ratio) in sizes {
                let painted = view.paint(&canvas, width, height, ratio, ratio > 1.0, width > 400.0);
                assert!(painted.is_ok());
                pictures.insert(canvas.to_data_url().unwrap());
            }
            if !view.step() {
                break;
            }
        }
        assert!(pictures.len() > 40, "{} pictures", pictures.len());
    }
    assert_eq!(
        (canvas.width(), canvas.height()),
        (1, 1),
        "size of the empty canvas"
    );
}

/// Paints every preset of the scaling chapter from start to end, and reads its figures.
#[wasm_bindgen_test]
fn every_moment_of_loops_can_be_painted() {
    let document = web_sys::window().unwrap().document().unwrap();
    let canvas = document.create_element("canvas").unwrap();
    let canvas: web_sys::HtmlCanvasElement = canvas.unchecked_into();
    let scenarios = scenario::ALL.iter().filter(|it| it.chapter == "scaling");
    for scenario in scenarios {
        for preset in scenario.presets {
            let mut set = preset.set.to_vec();
            if set.iter().any(|(key, _)| *key == "users") {
                // Fewer users with less think time write as many records.
                set.extend([("users", "3000"), ("think", "1000")]);
            }
            let mut view = view_of(scenario.name, &set);
            let mut moments = 0;
            loop {
                for (width, height) in [(1.0, 1.0), (328.0, 384.0), (820.0, 432.0)] {
                    let painted = view.paint(&canvas, width, height, 1.0, moments % 2 == 0, true);
                    assert!(painted.is_ok(), "{} {moments}", scenario.name);
                }
                let figures: Value = serde_json::from_str(&view.figures()).unwrap();
                assert!(figures.is_array());
                if view.is_finished() {
                    break;
                }
                view.advance(100.0);
                moments += 1;
            }
            assert!(moments > 5, "{}: {moments}", scenario.name);
            let figures: Value = serde_json::from_str(&view.figures()).unwrap();
            assert!(figures.as_array().unwrap().len() > 3, "{figures}");
        }
    }
}

#[wasm_bindgen_test]
fn dead_run_reports_its_cause() {
    let mut view = View::new(address(&[]), "tab".to_owned());
    view.complete(Some("a bug".to_owned()));
    assert_eq!(view.status(), "The run died: a bug.");
    let verdicts: Value = serde_json::from_str(&view.verdicts()).unwrap();
    let verdicts = verdicts.as_array().unwrap();
    assert_eq!(
        verdicts.len(),
        scenario::find("decoupling").unwrap().checks.len()
    );
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict["outcome"] == "failed")
    );
}
