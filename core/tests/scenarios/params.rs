//! Parameter schemas, experiments and their addresses.

use crate::strategies::random_value;
use highwater::scenario::{self, Decimal, Experiment, InputError, ParamKind, Scenario, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Parses an address in the same way as the page.
fn from_fragment(fragment: &str) -> (Experiment, Vec<InputError>) {
    let (name, query) = fragment[2..].split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    Experiment::from_pairs(name, pairs).unwrap()
}

/// Parses a command line in the same way as the shell and the program.
fn from_command_line(line: &str) -> Experiment {
    let rest = line.strip_prefix("cargo run -p native -- run ").unwrap();
    let mut words = rest.split(' ');
    let mut experiment = scenario::find(words.next().unwrap()).unwrap().experiment();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        let (key, value) = match option {
            "--set" => value.split_once('=').unwrap(),
            "--seed" => ("seed", value),
            _ => panic!("unknown option {option}"),
        };
        experiment.set(key, value).unwrap();
    }
    experiment
}

fn assert_same(one: &Experiment, other: &Experiment) {
    assert_eq!(one.scenario().name, other.scenario().name);
    assert_eq!(one.params(), other.params());
    assert_eq!(one.seed(), other.seed());
}

fn decoupling() -> Experiment {
    scenario::find("decoupling").unwrap().experiment()
}

fn error_of(key: &str, value: &str) -> String {
    let mut experiment = decoupling();
    let error = experiment.set(key, value).unwrap_err();
    assert_same(&experiment, &decoupling());
    error.to_string()
}

#[test]
fn names_are_unique_and_shell_safe() {
    let is_plain = |name: &&str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        !name.is_empty() && name.chars().all(plain)
    };
    let names: BTreeSet<_> = scenario::ALL.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), scenario::ALL.len());
    assert!(names.iter().all(is_plain));
    for scenario in scenario::ALL {
        let keys: BTreeSet<_> = scenario.params.iter().map(|param| param.key).collect();
        assert_eq!(keys.len(), scenario.params.len(), "{}", scenario.name);
        assert!(keys.iter().all(is_plain));
        assert!(!keys.contains("seed"), "`seed` is reserved");
        let checks: BTreeSet<_> = scenario.checks.iter().map(|check| check.name).collect();
        assert_eq!(checks.len(), scenario.checks.len());
        assert!(checks.iter().all(is_plain));
        for param in scenario.params {
            assert!(
                !param.label.is_empty() && param.help.ends_with('.'),
                "{}",
                param.key
            );
            if let Some((key, value)) = param.only_with {
                let mut params = scenario.params.iter();
                let needed = params.find(|param| param.key == key).unwrap();
                assert!(needed.parse(value).is_ok(), "{}", param.key);
            }
            if let ParamKind::Choice { options, .. } = param.kind {
                assert!(options.iter().all(is_plain), "{}", param.key);
            }
        }
    }
}

#[test]
fn defaults_are_in_range() {
    for param in scenario::ALL.iter().flat_map(|scenario| scenario.params) {
        let default = param.default();
        assert_eq!(
            param.parse(&default.to_string()),
            Ok(default),
            "{}",
            param.key
        );
    }
}

#[test]
fn presets_are_valid_and_set_no_defaults() {
    for scenario in scenario::ALL {
        assert!(!scenario.presets.is_empty());
        for preset in scenario.presets {
            let mut experiment = scenario.experiment();
            for (key, value) in preset.set {
                experiment.set(key, value).expect(preset.title);
            }
            let changed = experiment.settings(false);
            let changed: BTreeSet<_> = changed.iter().map(|(key, _)| key.as_str()).collect();
            let listed: BTreeSet<_> = preset.set.iter().map(|(key, _)| *key).collect();
            assert_eq!(changed, listed, "{} sets a default", preset.title);
        }
    }
}

#[test]
fn ranges_end_at_their_bounds() {
    for param in scenario::ALL.iter().flat_map(|scenario| scenario.params) {
        match param.kind {
            ParamKind::Integer { min, max, .. } => {
                for value in [min, max] {
                    assert_eq!(param.parse(&value.to_string()), Ok(Value::Integer(value)));
                    assert_eq!(
                        param.parse(&format!(" {value}\n")),
                        Ok(Value::Integer(value))
                    );
                }
                assert!(param.parse(&(max + 1).to_string()).is_err());
                if let Some(below) = min.checked_sub(1) {
                    assert!(param.parse(&below.to_string()).is_err());
                }
                for wrong in ["", "-1", "1.5", "1e3", "99999999999999999999", "a few"] {
                    assert!(param.parse(wrong).is_err(), "{}: {wrong}", param.key);
                }
            }
            ParamKind::Decimal { min, max, .. } => {
                for value in [min, max] {
                    assert_eq!(param.parse(&value.to_string()), Ok(Value::Decimal(value)));
                }
                for hundredths in [min.hundredths() - 1, max.hundredths() + 1] {
                    let outside = Decimal::from_hundredths(hundredths);
                    assert!(param.parse(&outside.to_string()).is_err());
                }
                let wrong = [
                    "", "-1", "+2", "2.", ".5", "2.+5", "2.005", "2e0", "inf", "NaN",
                ];
                for wrong in wrong.into_iter().chain(["99999999999999999999.5", "2,5"]) {
                    assert!(param.parse(wrong).is_err(), "{}: {wrong}", param.key);
                }
            }
            ParamKind::Choice { options, .. } => {
                for option in options {
                    assert_eq!(param.parse(option), Ok(Value::Choice(option)));
                }
                for wrong in ["", "other", &options[0].to_uppercase()] {
                    assert!(param.parse(wrong).is_err(), "{}: {wrong}", param.key);
                }
            }
        }
    }
}

#[test]
fn decimals_have_up_to_two_places() {
    let cv = |text: &str| {
        let mut experiment = decoupling();
        experiment
            .set("cv", text)
            .map(|()| experiment.params().decimal("cv"))
    };
    for (text, number) in [("2", 2.0), ("0.5", 0.5), ("1.25", 1.25), ("01.50", 1.5)] {
        assert_eq!(cv(text), Ok(number));
    }
    let mut experiment = decoupling();
    experiment.set("cv", "02.50").unwrap();
    assert_eq!(
        experiment.settings(false),
        [("cv".to_owned(), "2.5".to_owned())]
    );
    assert_eq!(
        cv("0").unwrap_err().to_string(),
        "cv must be 0.01 to 10 (up to two decimals), not \"0\""
    );
}

#[test]
fn errors_name_the_problem_and_valid_input() {
    let error = scenario::find("decopling").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown scenario \"decopling\" (did you mean \"decoupling\"?): the scenarios are observer, decoupling, backpressure, pipeline, taxonomy, handler, blocking, threads, cluster"
    );
    let error = scenario::find("qqq").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
    assert_eq!(
        error_of("emial_latency", "5"),
        "unknown parameter \"emial_latency\" (did you mean \"email_latency\"?): decoupling has \
         design, listeners, users, interval, arrivals, burst, email_latency, times, cv, cap, fail, fail_rate, fault, added, inbox, overflow, reentry, leak, seed"
    );
    assert_eq!(
        error_of("email_latency", "5001"),
        "email_latency must be 0 to 5000 ms, not \"5001\""
    );
    assert_eq!(
        error_of("email_latency", "7.5"),
        "email_latency must be a whole number from 0 to 5000 ms, not \"7.5\""
    );
    assert_eq!(
        error_of("fail_rate", "0"),
        "fail_rate must be 1 to 100 %, not \"0\""
    );
    assert_eq!(
        error_of("users", "many"),
        "users must be 1 to 10000, not \"many\""
    );
    assert_eq!(
        error_of("design", "both"),
        "design must be events or direct, not \"both\""
    );
    assert_eq!(
        error_of("fail", "db"),
        "fail must be email, audit, metrics or none, not \"db\""
    );
    assert_eq!(
        error_of("seed", "-1"),
        "seed must be 0 to 9007199254740991, not \"-1\""
    );
}

#[test]
fn errors_are_one_line_for_any_input() {
    for text in ["a\nb", "\u{1b}[31m", "\r\n", "\"quoted\""] {
        let errors = [
            error_of("users", text),
            error_of(text, "1"),
            error_of("seed", text),
            scenario::find(text).unwrap_err().to_string(),
        ];
        for error in errors {
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }
}

#[test]
fn invalid_address_pairs_are_ignored() {
    let pairs = [
        ("design", "direct"),
        ("users", "0"),
        ("nonsense", "1"),
        ("seed", "9007199254740991"),
        ("interval", "10"),
        ("interval", "20"),
    ];
    let (experiment, ignored) = Experiment::from_pairs("decoupling", pairs).unwrap();
    assert_eq!(experiment.params().choice("design"), "direct");
    assert_eq!(experiment.params().integer("users"), 12, "the default");
    assert_eq!(experiment.params().integer("interval"), 20, "the last one");
    assert_eq!(experiment.seed(), (1 << 53) - 1);
    assert_eq!(ignored.len(), 2);
    assert!(matches!(
        ignored[0],
        InputError::BadValue { key: "users", .. }
    ));
    assert!(matches!(ignored[1], InputError::UnknownParam { .. }));
    let error = Experiment::from_pairs("nonsense", pairs).unwrap_err();
    assert!(matches!(error, InputError::UnknownScenario { .. }));
}

#[test]
fn addresses_omit_default_settings() {
    let experiment = decoupling();
    assert_eq!(experiment.fragment(), "#/decoupling?seed=1");
    let line = "cargo run -p native -- run decoupling --seed 1";
    assert_eq!(experiment.command_line(), line);
    let trace = experiment.new_trace("tab");
    assert_eq!((trace.world.as_str(), trace.param("users")), ("tab", "12"));
    assert_eq!(trace.params.len(), experiment.scenario().params.len());
}

#[test]
fn schema_serializes_to_json() {
    let params = decoupling().scenario().params;
    let param = |key| params.iter().find(|param| param.key == key).unwrap();
    let cv = param("cv");
    let expected = serde_json::json!({
        "key": "cv", "label": cv.label, "help": cv.help, "live": false,
        "only_with": ["times", "lognormal"], "kind": "decimal", "min": "0.01", "max": "10", "default": "1",
    });
    assert_eq!(serde_json::to_value(cv).unwrap(), expected);
    let param = param("email_latency");
    let expected = serde_json::json!({
        "key": "email_latency", "label": param.label, "help": param.help, "live": true, "only_with": null,
        "kind": "integer", "unit": "ms", "min": 0, "max": 5000, "default": 80,
    });
    assert_eq!(serde_json::to_value(param).unwrap(), expected);
}

/// An experiment with a random valid value for every parameter.
fn experiment() -> impl Strategy<Value = Experiment> {
    let scenario: &'static Scenario = scenario::ALL[0];
    let picks = prop::collection::vec(any::<u64>(), scenario.params.len());
    (picks, 0..1u64 << 53).prop_map(move |(picks, seed)| {
        let mut experiment = scenario.experiment();
        for (param, pick) in scenario.params.iter().zip(picks) {
            experiment
                .set(param.key, &random_value(param, pick))
                .unwrap();
        }
        experiment.set("seed", &seed.to_string()).unwrap();
        experiment
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn addresses_and_command_lines_round_trip(experiment in experiment()) {
        let (read, ignored) = from_fragment(&experiment.fragment());
        prop_assert!(ignored.is_empty());
        assert_same(&read, &experiment);
        assert_same(&from_command_line(&experiment.command_line()), &experiment);
    }

    #[test]
    fn no_input_panics(key in ".*", value in ".*") {
        let _ = decoupling().set(&key, &value);
        for param in decoupling().scenario().params {
            let _ = param.parse(&value);
        }
    }
}
