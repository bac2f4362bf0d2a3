//! Usage errors, help and the list of scenarios.

use crate::support::highwater;

#[test]
fn invalid_input_prints_one_line_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let shared_path = format!("{folder}/both");
    let missing = format!("{folder}/none/trace.json");
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["run", "decopling"],
            &[
                "unknown scenario \"decopling\"",
                "did you mean \"decoupling\"?",
            ],
        ),
        (
            &["run", "decoupling", "--set", "user=3"],
            &[
                "unknown parameter \"user\"",
                "did you mean \"users\"?",
                "fail_rate",
            ],
        ),
        (
            &["run", "decoupling", "--set", "interval=99999"],
            &["interval must be 0 to 10000 ms, not \"99999\""],
        ),
        (
            &["run", "decoupling", "--set", "fail=maybe"],
            &["fail must be email, audit, metrics or none, not \"maybe\""],
        ),
        (
            &["run", "decoupling", "--set", "users"],
            &["invalid --set \"users\"", "for example --set"],
        ),
        (
            &["run", "decoupling", "--set", "users@500=3"],
            &[
                "users cannot change while",
                "these can: interval, email_latency, fail, fail_rate",
            ],
        ),
        (
            &["run", "decoupling", "--set", "interval@soon=3"],
            &["change time must be 1 to 1000000000 ms, not \"soon\""],
        ),
        (
            &["run", "decoupling", "--set", "intervall@500=3"],
            &["unknown parameter \"intervall\" (did you mean \"interval\"?)"],
        ),
        (
            &["run", "decoupling", "--seed", "-1"],
            &["seed must be 0 to 9007199254740991, not \"-1\""],
        ),
        (
            &["run", "decoupling", "--world", "mars"],
            &["'mars'", "possible values: native, virtual"],
        ),
        (&["run"], &["<NAME>", "--help"]),
        (
            &["run", "decoupling", "--sed", "1"],
            &["unexpected argument '--sed'", "'--seed'"],
        ),
        (
            &["walk"],
            &[
                "'walk'",
                "the commands are list, run, serve, cluster and pipe",
            ],
        ),
        (
            &["run", "decoupling", "--trace", &missing],
            &["cannot write", "does not exist"],
        ),
        (
            &["run", "decoupling", "--plot", folder],
            &["cannot write", "it is a folder, expected a file"],
        ),
        (
            &["run", "decoupling", "--trace", "-"],
            &["cannot write -: standard output is reserved for the report"],
        ),
        (
            &[
                "run",
                "decoupling",
                "--trace",
                &shared_path,
                "--plot",
                &shared_path,
            ],
            &["--trace and --plot name the same file"],
        ),
        (
            &["serve", "--addr", "8080"],
            &["invalid --addr \"8080\"", "127.0.0.1:8080"],
        ),
    ];
    for (arguments, parts) in cases {
        assert_usage_error(arguments, parts);
    }
}

#[test]
fn worker_counts_out_of_range_are_reported() {
    for (command, count) in [("cluster", "0"), ("serve", "10000")] {
        assert_usage_error(
            &[command, "--workers", count],
            &[
                &format!("'{count}'"),
                "--workers",
                "expected 1 to 1,024 workers",
            ],
        );
    }
}

#[test]
fn invalid_files_and_metrics_are_reported() {
    assert_usage_error(
        &["run", "decoupling", "--csv", "x", "--plot", "x"],
        &["--csv and --plot name the same file"],
    );
    assert_usage_error(
        &["run", "decoupling", "--plot", "x", "--metric", "speed"],
        &["'speed'", "latency, throughput, in_flight"],
    );
    assert_usage_error(
        &["run", "decoupling", "--metric", "latency"],
        &["--plot <FILE.svg>"],
    );
}

fn assert_usage_error(arguments: &[&str], parts: &[&str]) {
    let result = highwater(arguments);
    assert_eq!(result.code, Some(2), "{arguments:?}: {result:?}");
    assert_eq!(result.stdout, "", "{arguments:?}");
    assert_eq!(
        result.stderr.lines().count(),
        1,
        "{arguments:?}: {result:?}"
    );
    assert!(result.stderr.starts_with("error: "), "{result:?}");
    for part in parts {
        assert!(result.stderr.contains(part), "no {part:?} in {result:?}");
    }
}

#[test]
fn invalid_output_path_prevents_all_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("trace.json");
    let bad = folder.path().join("none/plot.svg");
    let outputs = [good.to_str().unwrap(), bad.to_str().unwrap()];
    let result = highwater(&[
        "run",
        "decoupling",
        "--world",
        "virtual",
        "--trace",
        outputs[0],
        "--plot",
        outputs[1],
    ]);
    assert_eq!(result.code, Some(2), "{result:?}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn every_command_has_help_with_examples() {
    for arguments in [
        &["--help"][..],
        &["list", "--help"],
        &["run", "--help"],
        &["serve", "--help"],
        &["cluster", "--help"],
        &["pipe", "--help"],
    ] {
        let result = highwater(arguments);
        assert_eq!(result.code, Some(0), "{result:?}");
        assert!(result.stdout.contains("Examples:"), "{result:?}");
        assert_eq!(result.stderr, "", "{arguments:?}");
    }
}

#[test]
fn list_shows_scenarios_with_their_schemas() {
    let list = highwater(&["list", "--json"]).json();
    let mut scenarios = list["scenarios"].as_array().unwrap().iter();
    let scenario = scenarios.find(|it| it["name"] == "decoupling").unwrap();
    let params = scenario["params"].as_array().unwrap();
    let interval = params
        .iter()
        .find(|param| param["key"] == "interval")
        .unwrap();
    assert_eq!(interval["unit"], "ms");
    assert_eq!(interval["max"], 10_000);
    assert_eq!(interval["default"], 250);
    assert_eq!(interval["live"], true);
    assert_eq!(params[0]["live"], false);

    let text = highwater(&["list"]).stdout;
    for param in params {
        let key = param["key"].as_str().unwrap();
        assert!(text.contains(&format!("    {key}=")), "no {key} in {text}");
    }
    assert!(text.contains("0 to 10000 ms, live\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
}

#[test]
fn list_shows_one_scenario_by_name() {
    let text = highwater(&["list", "cluster"]).stdout;
    assert!(text.starts_with("cluster: "), "{text}");
    assert!(!text.contains("decoupling"), "{text}");
    let list = highwater(&["list", "cluster", "--json"]).json();
    assert_eq!(list["scenarios"].as_array().unwrap().len(), 1);
    assert_eq!(list["scenarios"][0]["name"], "cluster");
    let result = highwater(&["list", "clutser"]);
    assert_eq!(result.code, Some(2), "{result:?}");
    assert!(
        result.stderr.contains("did you mean \"cluster\"?"),
        "{result:?}"
    );
}

#[test]
fn settings_without_effect_are_warned_of() {
    let run = ["run", "decoupling", "--world", "virtual"];
    let result = highwater(&[&run[..], &["--set", "cv=3", "--set", "times=fixed"]].concat());
    assert_eq!(result.code, Some(0), "{result:?}");
    assert_eq!(
        result.stderr,
        "warning: cv has no effect without times=lognormal\n"
    );
}

#[test]
fn internal_argument_rejects_unknown_programs() {
    let result = highwater(&["--process", "nonsense"]);
    assert_eq!(result.code, Some(2), "{result:?}");
    assert_eq!(result.stdout, "lost unknown program \"nonsense\"\n");
}
