//! `highwater run`: verdicts, outputs, exit codes.

use crate::support::highwater;
use serde_json::Value;
use std::{fs, path::Path, sync::Mutex, thread};

/// Settings for a short run in real time.
const QUICK: [&str; 4] = ["--set", "users=4", "--set", "interval=20"];

#[test]
fn every_preset_passes_in_both_worlds() {
    let list = highwater(&["list", "--json"]).json();
    let presets = |scenario: &Value| {
        let scenario = scenario.clone();
        let presets = scenario["presets"].as_array().unwrap().clone();
        presets
            .into_iter()
            .map(move |preset| (scenario.clone(), preset))
    };
    let scenarios = list["scenarios"].as_array().unwrap();
    for_each(scenarios.iter().flat_map(presets), |(scenario, preset)| {
        preset_passes_in_both_worlds(&scenario, &preset);
    });
}

/// Calls a function with each item. Runs take seconds but mostly wait, so several run
/// at once.
fn for_each<T>(items: impl Iterator<Item = T> + Send, run: impl Fn(T) + Sync) {
    let remaining = Mutex::new(items);
    let next = || remaining.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = next() {
                    run(item);
                }
            });
        }
    });
}

#[test]
fn checks_pass_natively_under_every_model() {
    let list = highwater(&["list", "--json"]).json();
    let scenarios = list["scenarios"].as_array().unwrap();
    for_each(
        scenarios
            .iter()
            .flat_map(|it| (0..5).map(move |index| (it, index))),
        |(scenario, index)| checks_pass_under_models(scenario, index),
    );
}

/// Runs a scenario natively with the models at this position of their parameters.
fn checks_pass_under_models(scenario: &Value, index: usize) {
    let name = scenario["name"].as_str().unwrap();
    let mut sets: Vec<String> = match name {
        "decoupling" => vec!["users=4", "interval=20", "email_latency=20"],
        "observer" => vec!["work=2", "interval=20"],
        "pipeline" => vec!["lines=400", "compress=20"],
        "backpressure" => vec!["chunks=24", "read=5", "write=15"],
        "threads" => vec!["size=2", "jobs=12", "threads=2"],
        "blocking" => vec!["requests=40", "interval=10", "size=50", "every=10"],
        "cluster" => vec!["requests=40", "interval=10", "work=5"],
        _ => vec!["requests=40", "interval=10", "latency=10"],
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    for param in scenario["params"].as_array().unwrap() {
        let key = param["key"].as_str().unwrap();
        if key == "arrivals" || key == "times" {
            let options = param["options"].as_array().unwrap();
            let option = options[index % options.len()].as_str().unwrap();
            sets.push(format!("{key}={option}"));
        }
    }
    let mut arguments = vec!["run", name, "--json", "--set", "cap=20"];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    let result = highwater(&arguments);
    assert_eq!(result.code, Some(0), "{sets:?}: {result:?}");
}

fn preset_passes_in_both_worlds(scenario: &Value, preset: &Value) {
    let name = scenario["name"].as_str().unwrap();
    let sets: Vec<String> = preset["set"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
        .collect();
    let outcomes = ["native", "virtual"].map(|world| {
        let mut arguments = vec!["run", name, "--json", "--world", world];
        arguments.extend(match name {
            "decoupling" => &QUICK[..],
            "observer" => &["--set", "work=2", "--set", "interval=20"],
            "pipeline" => &["--set", "lines=400"],
            "backpressure" => &["--set", "chunks=24", "--set", "read=5"],
            // The duration depends only on the jobs.
            _ if scenario["chapter"] == "scaling" => &[],
            _ => &["--set", "interval=15", "--set", "latency=20"],
        });
        arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
        if name == "cluster" && sets.iter().any(|set| set.starts_with("users=")) {
            // A million users need an idle machine.
            arguments.extend(["--set", "users=3000", "--set", "think=2000"]);
        }
        let result = highwater(&arguments);
        assert_eq!(result.code, Some(0), "{result:?}");
        let report = result.json();
        assert_eq!(report["world"], world);
        let verdicts = report["verdicts"].as_array().unwrap();
        assert!(!verdicts.is_empty());
        for verdict in verdicts {
            assert_ne!(verdict["outcome"], "failed", "{world}: {verdict}");
        }
        let outcome = |verdict: &Value| [verdict["check"].clone(), verdict["outcome"].clone()];
        verdicts.iter().map(outcome).collect::<Vec<_>>()
    });
    // In the other scenarios, full queues and open breakers depend on the machine's
    // speed.
    if scenario["chapter"] == "events" || name == "handler" {
        assert_eq!(outcomes[0], outcomes[1], "{name}: {preset}");
    }
}

#[test]
fn direct_calls_propagate_the_email_failure() {
    let report_for = |design: &str| {
        let design = format!("design={design}");
        let mut arguments = vec!["run", "decoupling", "--json", "--set", "fail=email"];
        arguments.extend(["--set", "fail_rate=100", "--set", &design]);
        arguments.extend(QUICK);
        highwater(&arguments).json()
    };
    let verdict = |report: &Value| {
        let verdicts = report["verdicts"].as_array().unwrap();
        let found = verdicts
            .iter()
            .find(|v| v["check"] == "failure-and-registration");
        found.unwrap().clone()
    };
    let direct = verdict(&report_for("direct"));
    assert_eq!(direct["outcome"], "passed");
    assert_eq!(
        direct["claim"],
        "with direct calls a failing email fails the registration"
    );
    assert_eq!(
        direct["evidence"],
        "4 of 4 sign-ups saw a failure, 4 registrations failed"
    );
    let events = verdict(&report_for("events"));
    assert_eq!(events["outcome"], "passed");
    assert_eq!(
        events["evidence"],
        "4 of 4 sign-ups saw a failure, 0 registrations failed"
    );
}

#[test]
fn simulated_trace_is_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let trace = |file: &str, seed: &str| {
        let path = folder.path().join(file);
        let path = path.to_str().unwrap();
        let result = highwater(&[
            "run",
            "decoupling",
            "--world",
            "virtual",
            "--seed",
            seed,
            "--trace",
            path,
        ]);
        assert_eq!(result.code, Some(0), "{result:?}");
        fs::read(path).unwrap()
    };
    let first = trace("first.json", "7");
    assert!(
        first == trace("again.json", "7"),
        "traces of the same seed differ"
    );
    assert!(
        first != trace("other.json", "8"),
        "traces of different seeds are equal"
    );

    let chrome: Value = serde_json::from_slice(&first).unwrap();
    let events = chrome["traceEvents"].as_array().unwrap();
    let tracks: Vec<&str> = events
        .iter()
        .filter(|event| event["ph"] == "M" && event["name"] == "thread_name")
        .filter_map(|event| event["args"]["name"].as_str())
        .collect();
    for service in [
        "UserService",
        "EventBus",
        "EmailService",
        "AuditLog",
        "Metrics",
    ] {
        assert!(
            tracks.contains(&service),
            "{service} is missing in {tracks:?}"
        );
    }
}

#[test]
fn live_change_is_recorded_in_both_worlds() {
    for world in ["native", "virtual"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.json");
        let mut arguments = vec!["run", "backpressure", "--world", world, "--json"];
        arguments.extend(["--set", "chunks=20", "--set", "read=2", "--set", "write=4"]);
        arguments.extend(["--set", "write@30=10", "--trace", path.to_str().unwrap()]);
        let result = highwater(&arguments);
        assert_eq!(result.code, Some(0), "{result:?}");
        let report = result.json();
        assert_eq!(report["params"]["write"], "4");
        assert_eq!(report["params"]["write@30"], "10");
        let trace = fs::read_to_string(&path).unwrap();
        assert_eq!(trace.matches("write=10").count(), 1, "{world}");
    }
    let text = highwater(&[
        "run",
        "backpressure",
        "--world",
        "virtual",
        "--set",
        "write@30=90",
    ]);
    assert!(text.stdout.contains("  set    write@30=90\n"), "{text:?}");
    assert!(
        text.stdout.contains(" --set write@30=90 --seed 1 "),
        "{text:?}"
    );
}

#[test]
fn panic_ends_the_run_in_both_worlds() {
    for world in ["native", "virtual"] {
        for listeners in ["listeners=sync", "listeners=async"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("trace.json");
            let mut arguments = vec!["run", "decoupling", "--world", world, "--set", listeners];
            arguments.extend(["--set", "fault=panic", "--set", "fail_rate=100"]);
            arguments.extend(["--trace", path.to_str().unwrap()]);
            arguments.extend(QUICK);
            let result = highwater(&arguments);
            let bug = "the run died: EmailService has a bug: it cannot handle user 1 (";
            assert_eq!(result.code, Some(1), "{result:?}");
            assert!(result.stderr.starts_with(bug), "{result:?}");
            assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
            assert!(result.stdout.contains("✗ the run died"), "{result:?}");
            assert!(result.stdout.contains("✗ not shown: "), "{result:?}");
            // The records before the panic are kept.
            let trace = fs::read_to_string(&path).unwrap();
            let chrome: Value = serde_json::from_str(&trace).unwrap();
            assert!(trace.contains("\"request 1\""), "{world} {listeners}");
            assert_eq!(
                chrome["otherData"]["died"],
                "EmailService has a bug: it cannot handle user 1"
            );
        }
    }
}

#[test]
fn report_has_no_colours_and_names_its_world() {
    let simulated = highwater(&["run", "decoupling", "--world", "virtual"]);
    assert_eq!(simulated.stderr, "");
    assert!(simulated.stdout.contains("s simulated, "), "{simulated:?}");
    assert!(!simulated.stdout.contains('\u{1b}'), "{simulated:?}");
    assert!(simulated.stdout.contains("✓ every sign-up is answered"));
    let mut arguments = vec!["run", "decoupling"];
    arguments.extend(QUICK);
    let native = highwater(&arguments);
    assert!(native.stdout.contains("native: real time"), "{native:?}");
    assert!(
        !native.stdout.to_lowercase().contains("simulated"),
        "{native:?}"
    );
    assert_eq!(native.stderr, "", "progress without a terminal");
}

#[test]
fn plot_is_valid_svg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    let plot = path.to_str().unwrap();
    let texts = |more: &[&str]| {
        let run = [
            "run",
            "decoupling",
            "--world",
            "virtual",
            "--set",
            "users=5",
        ];
        let result = highwater(&[&run, &["--plot", plot] as &[_], more].concat());
        assert_eq!(result.code, Some(0), "{result:?}");
        let text = fs::read_to_string(&path).unwrap();
        let svg = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(svg.root_element().tag_name().name(), "svg");
        let texts = svg.descendants().filter_map(|node| node.text());
        texts.map(str::to_owned).collect::<Vec<_>>().join("|")
    };
    let all = texts(&[]);
    assert!(
        all.contains("|decoupling: simulated, seed 1|users=5|"),
        "{all}"
    );
    assert!(all.contains("|Latency (ms)|") && all.contains("|In flight (sign-ups)|"));
    let one = texts(&["--metric", "in_flight"]);
    assert!(!one.contains("Latency") && one.contains("|In flight (sign-ups)|"));
    assert_eq!(files(folder.path()), ["plot.svg"]);
}

/// A queue with a formula, for about a second.
const M_M_1: [&str; 13] = [
    "run",
    "blocking",
    "--set",
    "every=0",
    "--set",
    "work=8",
    "--set",
    "interval=12",
    "--set",
    "arrivals=poisson",
    "--set",
    "times=exponential",
    "--compare",
];

#[test]
fn comparison_has_theory_and_both_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (csv, plot) = (path("table.csv"), path("both.svg"));
    let result = highwater(&[&M_M_1[..], &["--csv", &csv, "--plot", &plot]].concat());
    assert_eq!(result.code, Some(0), "{result:?}");
    assert_eq!(result.stderr, "", "progress without a terminal");
    let text = &result.stdout;
    assert!(
        text.contains("  theory  M/M/1 at a utilization of 0.67"),
        "{text}"
    );
    let wait = text
        .lines()
        .find(|line| line.contains("Mean wait"))
        .unwrap();
    assert!(wait.contains(" 16.0 ms "), "{wait}");
    assert_eq!(wait.matches(" %").count(), 3, "{wait}");
    assert_eq!(
        text.matches("✓ every request is answered").count(),
        2,
        "{text}"
    );
    assert!(
        text.contains("  repeat  cargo run -p native -- run blocking"),
        "{text}"
    );
    assert!(text.trim_end().ends_with(" --compare"), "{text}");

    let table = fs::read_to_string(&csv).unwrap();
    assert!(
        table.starts_with("figure,unit,theory,simulated,theory_native,native\n"),
        "{table}"
    );
    assert!(
        table.contains("\nmean_wait,nanoseconds,16000000,"),
        "{table}"
    );
    let svg = fs::read_to_string(&plot).unwrap();
    for label in [">simulated<", ">native<", ">theory p99, M/M/1: 111 ms<"] {
        assert!(svg.contains(label), "{label}");
    }
}

#[test]
fn comparison_as_json_contains_both_reports() {
    let result = highwater(&[&M_M_1[..], &["--json"]].concat());
    assert_eq!(result.code, Some(0), "{result:?}");
    let report = result.json();
    assert_eq!(report["simulated"]["world"], "virtual");
    assert_eq!(report["native"]["world"], "native");
    assert_eq!(report["simulated"]["params"], report["native"]["params"]);
    let figures = report["figures"].as_array().unwrap();
    let figure = |key: &str| figures.iter().find(|it| it["key"] == key).unwrap();
    let p99 = figure("p99");
    assert_eq!(
        p99["simulated"],
        report["simulated"]["theory"]["figures"]["p99"]["run"]
    );
    assert_eq!(
        p99["native"],
        report["native"]["theory"]["figures"]["p99"]["run"]
    );
    assert_eq!(figure("begun")["native"], 60);
    let native = &report["native"]["theory"]["figures"]["mean_wait"];
    let wait = figure("mean_wait");
    assert_eq!(wait["native_theory"], native["theory"]);
    assert_eq!(wait["native_gap_to_theory_percent"], native["gap_percent"]);
}

#[test]
fn comparison_says_once_that_there_is_no_formula() {
    let mut arguments = vec!["run", "decoupling", "--compare"];
    arguments.extend(QUICK);
    let result = highwater(&arguments);
    assert_eq!(result.code, Some(0), "{result:?}");
    assert_eq!(
        result.stdout.matches("no formula: ").count(),
        1,
        "{result:?}"
    );
    assert!(result.stdout.contains("Latency p99"), "{result:?}");
}

#[test]
fn comparison_fails_with_either_run() {
    let mut arguments = vec!["run", "decoupling", "--compare", "--set", "fault=panic"];
    arguments.extend(["--set", "fail_rate=100"]);
    arguments.extend(QUICK);
    let result = highwater(&arguments);
    assert_eq!(result.code, Some(1), "{result:?}");
    assert_eq!(
        result.stdout.matches("✗ the run died").count(),
        2,
        "{result:?}"
    );
    assert_eq!(
        result.stderr.matches("the run died: EmailService").count(),
        2,
        "{result:?}"
    );
}

#[test]
fn comparison_excludes_a_single_world() {
    for option in [["--world", "native"], ["--trace", "trace.json"]] {
        let result = highwater(&[&["run", "decoupling", "--compare"], &option[..]].concat());
        assert_eq!(result.code, Some(2), "{result:?}");
        assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
        assert!(result.stderr.contains("cannot be used with"), "{result:?}");
        assert!(result.stderr.contains(option[0]), "{result:?}");
    }
}

#[test]
fn overload_is_said_before_the_run() {
    let overloaded = ["run", "blocking", "--world", "virtual", "--set", "every=0"];
    let result = highwater(&[&overloaded[..], &["--set", "work=36"]].concat());
    assert_eq!(result.code, Some(0), "{result:?}");
    let overload = "offered load is 1.20: requests arrive faster than the loop can handle them";
    assert!(
        result.stderr.starts_with(&format!("warning: {overload}")),
        "{result:?}"
    );
    assert_eq!(result.stderr.lines().count(), 1, "{result:?}");
    assert!(
        result.stdout.contains(&format!("  theory  {overload}")),
        "{result:?}"
    );
    let full = highwater(&[&overloaded[..], &["--set", "work=30"]].concat());
    assert!(full.stderr.contains("offered load is 1.00"), "{full:?}");
    let stable = highwater(&[&overloaded[..], &["--set", "work=29"]].concat());
    assert_eq!(stable.stderr, "");
}

#[test]
fn csv_has_one_line_per_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.csv");
    let csv = path.to_str().unwrap();
    let result = highwater(&[
        "run", "observer", "--world", "virtual", "--json", "--csv", csv,
    ]);
    let report: Value = serde_json::from_str(&result.stdout).unwrap();
    let lines = fs::read_to_string(&path).unwrap().lines().count() as u64;
    assert_eq!(report["records"].as_u64(), Some(lines - 1));
    assert_eq!(report["digest"].as_str().unwrap().len(), 64);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_leaves_no_output_files() {
    use crate::support::{command, signal, wait_until};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    // The run blocks its loop for five seconds at a time.
    let mut child = command(&["run", "decoupling", "--set", "email_latency=5000"])
        .args(["--set", "users=10000", "--set", "interval=0"])
        .args(["--trace", path.to_str().unwrap()])
        .spawn()
        .unwrap();
    // The loop thread starts after the signal handlers are installed.
    let threads = format!("/proc/{}/task", child.id());
    let has_started = || {
        let threads = Path::new(&threads).read_dir().unwrap();
        threads.flatten().any(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name == "loop\n")
        })
    };
    wait_until("the loop thread", || {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended early");
        has_started()
    });
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(files(folder.path()).is_empty());
}

fn files(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
