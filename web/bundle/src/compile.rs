//! Step one: compiles a crate of the page into a `.wasm` file.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::layout::{Flavor, Layout, Part};
use crate::toolchain::{TARGET, Toolchain};

/// Compiles one part with cargo, if it is stale, and returns the path of its `.wasm`
/// file.
pub(crate) fn compile(layout: &Layout, part: Part) -> Result<PathBuf> {
    let (package, binary) = part.source();
    let flavor = part.flavor();
    let target_dir = layout.target_of(flavor);
    let mut cargo = match flavor {
        Flavor::Single => Toolchain::Stable.cargo(&layout.root),
        Flavor::Threads => {
            let mut cargo = Toolchain::Nightly.cargo(&layout.root);
            cargo
                .arg("--config")
                .arg(layout.root.join("web/threads.toml"));
            // On a terminal, two progress bars would overwrite each other.
            if io::stderr().is_terminal() {
                cargo.arg("--quiet");
            }
            cargo
        }
    };
    cargo
        .arg("--config")
        .arg(rustflags(&path_prefixes(&layout.root)))
        .args(["build", "--package", package, "--bin", binary])
        .args(["--target", TARGET, "--profile", "wasm"])
        .arg("--target-dir")
        .arg(&target_dir);
    if let Part::Chapter(chapter, _) = part {
        cargo.args(["--no-default-features", "--features", chapter.name]);
    }
    if flavor == Flavor::Threads {
        cargo.args(["--features", "threads"]);
    }
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("building {part} failed: {status}");
    }
    Ok(target_dir
        .join(TARGET)
        .join("wasm")
        .join(format!("{binary}.wasm")))
}

/// Returns the local folders that would appear in panic messages in the `.wasm` file,
/// and their replacements. Remapping keeps local paths private and makes builds
/// reproducible.
fn path_prefixes(root: &Path) -> Vec<(PathBuf, &'static str)> {
    let home = |variable: &str, folder: &str| {
        env::var_os(variable)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(env::home_dir()?.join(folder)))
    };
    let cargo = home("CARGO_HOME", ".cargo").map(|path| (path, "/cargo"));
    let rustup = home("RUSTUP_HOME", ".rustup").map(|path| (path, "/rustup"));
    // The last matching prefix wins.
    let root = Some((root.to_owned(), "/highwater"));
    [cargo, rustup, root].into_iter().flatten().collect()
}

/// Without it, the rounds of SHA-256 are unrolled, and the code is 7 KB larger.
const COMPACT_SHA2: &str = "--cfg=sha2_backend_soft=\"compact\"";

/// Returns the compiler's flags as a `--config` setting. Cargo merges it with other
/// configuration, such as `web/threads.toml`; flags in the environment would override
/// it.
fn rustflags(remapped_folders: &[(PathBuf, &str)]) -> String {
    let remappings = remapped_folders
        .iter()
        // Settings are Unicode, so other paths cannot be remapped.
        .filter_map(|(folder, name)| Some((folder.to_str()?, name)))
        .map(|(folder, name)| format!("--remap-path-prefix={folder}={name}"));
    let flags: Vec<String> = remappings.chain([COMPACT_SHA2.to_owned()]).collect();
    // Rust's debug format of a list of strings is valid TOML.
    format!("target.{TARGET}.rustflags={flags:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_is_remapped() {
        let folders = [("/home/me/.cargo".into(), "/cargo"), ("C:\\x".into(), "/x")];
        assert_eq!(
            rustflags(&folders),
            r#"target.wasm32-unknown-unknown.rustflags=["--remap-path-prefix=/home/me/.cargo=/cargo", "--remap-path-prefix=C:\\x=/x", "--cfg=sha2_backend_soft=\"compact\""]"#
        );
    }
}
