//! The examples of the project's README run as doctests of the package's.

use std::{fs, path::Path};

#[test]
fn examples_of_the_project_are_those_of_the_package() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = fs::read_to_string(package.join("README.md")).unwrap();
    // The package by itself, unpacked, has no project around it.
    let Ok(project) = fs::read_to_string(package.join("../README.md")) else {
        return;
    };
    if !project.starts_with("# Highwater\n") {
        return;
    }
    let blocks: Vec<_> = project.split("```rust\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let example = block.split("```").next().unwrap();
        assert!(own.contains(example), "not in core/README.md:\n{example}");
    }
}
