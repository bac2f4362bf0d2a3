//! The packages that can be published.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The published packages, each after those it depends on.
const PACKAGES: [&str; 2] = ["highwater", "highwater-server"];

/// The number of lines that no example reaches.
const EXAMPLE_LINES: usize = 60;

#[test]
fn packages_can_be_assembled() {
    // Does what `cargo publish --dry-run` does without the network and the build: checks
    // manifests, versions of dependencies and included files.
    let target = env!("CARGO_TARGET_TMPDIR");
    let packages = PACKAGES.map(|name| format!("--package={name}"));
    let options = ["--no-verify", "--allow-dirty", "--target-dir", target];
    cargo(
        &[
            &["package"],
            &options[..],
            &packages.each_ref().map(|name| &**name),
        ]
        .concat(),
    );
}

#[test]
fn packages_include_the_files_that_users_expect() {
    for name in PACKAGES {
        let list = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        let files: BTreeSet<_> = list.lines().collect();
        for file in ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            assert!(files.contains(file), "{name} without {file}: {files:?}");
        }
    }
}

#[test]
fn packages_describe_themselves() {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        // An empty list of registries means that the package is private.
        let is_published = package["publish"].is_null();
        assert_eq!(is_published, PACKAGES.contains(&name), "{name}");
        if !is_published {
            continue;
        }
        for key in ["description", "license", "readme", "rust_version"] {
            assert!(package[key].is_string(), "{name} without {key}");
        }
        for key in ["keywords", "categories"] {
            let values = package[key].as_array().unwrap();
            assert!((1..=5).contains(&values.len()), "{name}: {key} {values:?}");
        }
        let docs = &package["metadata"]["docs"]["rs"];
        assert_eq!(docs["all-features"], true, "{name}");
    }
}

#[test]
fn examples_are_short_and_tested() {
    let server = workspace().join("native/server");
    let tests: String = ["tests", "tests/programs"]
        .iter()
        .flat_map(|folder| files_in(&server.join(folder)))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let examples = files_in(&server.join("examples"));
    assert!(examples.len() >= 4, "{examples:?}");
    for example in examples {
        let lines = fs::read_to_string(&example).unwrap().lines().count();
        assert!(lines < EXAMPLE_LINES, "{}: {lines}", example.display());
        let name = example.file_stem().unwrap().to_str().unwrap();
        assert!(
            tests.contains(&format!("\"{name}\"")),
            "no test runs {name}"
        );
    }
}

/// Runs cargo in the workspace, and returns its output.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--color", "never"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap().to_owned()
}

/// Returns the Rust files of a folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}
