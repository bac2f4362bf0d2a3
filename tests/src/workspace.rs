//! The folders of the workspace, and commands that run in it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The nightly toolchain of the threaded build. `web/bundle` pins the same one.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// The target of the page.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The workspace under test.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The `--root` of `cargo install` for the tools.
    pub(crate) tools: PathBuf,
}

impl Workspace {
    /// Returns the workspace in which this program was compiled.
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the package `tests` is not inside a workspace")?
            .to_owned();
        let here = env::current_dir().context("cannot determine the current directory")?;
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Self {
            tools: target.join("tools"),
            root,
            target,
        })
    }

    /// Returns a command that runs in the root with our tools first on its PATH.
    ///
    /// Its environment has nothing from the cargo that runs this program, since that
    /// toolchain and its flags and package variables belong to another build.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(belongs_to_another_build) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).env("PATH", self.path());
        command
    }

    /// Returns a cargo command of the stable toolchain. `arguments` are split at spaces.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments.split_whitespace());
        command
    }

    /// Returns a cargo command of the pinned nightly, with its own target folder.
    pub(crate) fn nightly_cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("rustup");
        command
            .args(["run", NIGHTLY, "cargo"])
            .args(arguments.split_whitespace())
            .env("CARGO_TARGET_DIR", self.threads_target());
        command
    }

    /// Returns the target folder of the threaded build.
    pub(crate) fn threads_target(&self) -> PathBuf {
        self.target.join("threads")
    }

    /// Returns the folder of the installed tools.
    pub(crate) fn bin(&self) -> PathBuf {
        self.tools.join("bin")
    }

    /// Returns the PATH with our tools first.
    pub(crate) fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.bin()).chain(env::split_paths(&inherited));
        // Fails only for a folder with a colon in its name, which cannot be on a PATH
        // anyway.
        env::join_paths(all).unwrap_or(inherited)
    }

    /// Returns the path of a program, if it is on our PATH.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        env::split_paths(&self.path())
            .map(|folder| {
                folder
                    .join(program)
                    .with_extension(env::consts::EXE_EXTENSION)
            })
            .find(|file| file.is_file())
    }
}

fn belongs_to_another_build(name: &str) -> bool {
    // A driver named here would override the one that a suite selects.
    let named = [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "CHROMEDRIVER",
        "CHROMEDRIVER_REMOTE",
        "GECKODRIVER",
        "GECKODRIVER_REMOTE",
        "RUSTC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    let prefixes = [
        "CARGO_BIN_",
        "CARGO_BUILD_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
    ];
    named.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_another_build_are_removed() {
        assert!(belongs_to_another_build("RUSTFLAGS"));
        assert!(belongs_to_another_build("CARGO_PKG_NAME"));
        assert!(!belongs_to_another_build("CARGO_HOME"));
        assert!(!belongs_to_another_build("CARGO_TARGET_DIR"));
        assert!(!belongs_to_another_build("PATH"));
    }

    #[test]
    fn bundle_uses_the_same_nightly() {
        // Reads the source, since the bundle takes a minute to compile.
        let path = Workspace::new()
            .unwrap()
            .root
            .join("web/bundle/src/toolchain.rs");
        let source = std::fs::read_to_string(path).unwrap();
        assert!(source.contains(&format!("\"{NIGHTLY}\"")));
    }

    #[test]
    fn our_tools_come_first() {
        let workspace = Workspace::new().unwrap();
        let first = env::split_paths(&workspace.path()).next();
        assert_eq!(first, Some(workspace.bin()));
        assert!(workspace.find("no-such-program").is_none());
    }
}
