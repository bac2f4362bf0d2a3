//! Workspace folders, and commands that run in the workspace.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The nightly toolchain of the threaded build. `web/bundle` pins the same version.
pub(crate) const NIGHTLY_TOOLCHAIN: &str = "nightly-2026-05-20";

/// The compilation target of the page.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A Windows target that needs no C compiler for a check.
pub(crate) const WINDOWS_TARGET: &str = "x86_64-pc-windows-gnu";

/// The macOS target.
pub(crate) const MACOS_TARGET: &str = "aarch64-apple-darwin";

/// The workspace under test.
pub(crate) struct Workspace {
    /// The folder that contains the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The installation root of the tools.
    pub(crate) tools: PathBuf,
}

impl Workspace {
    /// Returns the workspace that this program was compiled in.
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the package `tests` is not inside a workspace")?
            .to_owned();
        let current_dir = env::current_dir().context("cannot determine the current directory")?;
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| current_dir.join(dir));
        Ok(Self {
            tools: target.join("tools"),
            root,
            target,
        })
    }

    /// Returns a command that runs in the workspace root, with our tools first on its
    /// PATH.
    ///
    /// Variables set by the cargo that runs this program are removed, because its
    /// toolchain, flags and package variables belong to another build.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_set_by_cargo) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).env("PATH", self.path());
        command
    }

    /// Returns a cargo command for the stable toolchain. `arguments` are split at
    /// spaces.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments.split_whitespace());
        command
    }

    /// Returns a cargo command for the pinned nightly toolchain, with its own target
    /// folder.
    pub(crate) fn nightly_cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("rustup");
        command
            .args(["run", NIGHTLY_TOOLCHAIN, "cargo"])
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
        // Fails only for a folder name with a colon, which cannot be on a PATH anyway.
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

fn is_set_by_cargo(name: &str) -> bool {
    // Driver variables would override the driver that a suite selects.
    let names = [
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
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_variables_are_removed() {
        assert!(is_set_by_cargo("RUSTFLAGS"));
        assert!(is_set_by_cargo("CARGO_PKG_NAME"));
        assert!(!is_set_by_cargo("CARGO_HOME"));
        assert!(!is_set_by_cargo("CARGO_TARGET_DIR"));
        assert!(!is_set_by_cargo("PATH"));
    }

    #[test]
    fn bundle_uses_the_same_nightly() {
        // Reads the source, because the bundle takes a minute to compile.
        let path = Workspace::new()
            .unwrap()
            .root
            .join("web/bundle/src/toolchain.rs");
        let source = std::fs::read_to_string(path).unwrap();
        assert!(source.contains(&format!("\"{NIGHTLY_TOOLCHAIN}\"")));
    }

    #[test]
    fn tools_folder_is_first_on_path() {
        let workspace = Workspace::new().unwrap();
        let first_folder = env::split_paths(&workspace.path()).next();
        assert_eq!(first_folder, Some(workspace.bin()));
        assert!(workspace.find("no-such-program").is_none());
    }
}
