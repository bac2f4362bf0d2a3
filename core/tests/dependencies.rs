//! The number of packages that the library brings into a build.

use std::{collections::BTreeSet, path::Path, process::Command};

/// The maximum number of packages without optional features, including the library.
const MOST_PACKAGES: usize = 20;

#[test]
fn default_build_has_few_packages() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The package by itself, unpacked, has no lock file.
    if !package.join("../Cargo.lock").is_file() {
        return;
    }
    let tree = "tree --package highwater --edges normal --prefix none --format {p} --no-dedupe";
    let output = Command::new(env!("CARGO"))
        .args(tree.split(' '))
        .args(["--offline", "--locked", "--color", "never"])
        .current_dir(package)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let packages = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<_> = packages.lines().map(str::trim_end).collect();
    assert!(packages.iter().any(|name| name.starts_with("highwater ")));
    let count = packages.len();
    assert!(count <= MOST_PACKAGES, "{count} packages: {packages:#?}");
}
