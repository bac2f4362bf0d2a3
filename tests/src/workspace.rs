//! Where everything is, and commands that run there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The nightly of the threaded build. `web/bundle` names the same one.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// The platform of the page.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The workspace under test.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's output.
    pub(crate) target: PathBuf,
    /// What `cargo install --root` installs the tools into.
    pub(crate) tools: PathBuf,
}

impl Workspace {
    /// The workspace that this program was compiled in.
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the tests have no workspace around them")?
            .to_owned();
        let here = env::current_dir().context("cannot tell the current directory")?;
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Self {
            tools: target.join("tools"),
            root,
            target,
        })
    }

    /// A command that runs in the root, with our tools first on its PATH and
    /// with nothing in its environment from the cargo that runs us: its
    /// toolchain, flags and package variables belong to another build.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_foreign) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).env("PATH", self.path());
        command
    }

    /// A cargo command of the stable toolchain; `arguments` are split at spaces.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments.split_whitespace());
        command
    }

    /// The same of the pinned nightly, which builds into a directory of its own.
    pub(crate) fn nightly_cargo(&self, arguments: &str) -> Command {
        let mut command = self.command("rustup");
        command
            .args(["run", NIGHTLY, "cargo"])
            .args(arguments.split_whitespace())
            .env("CARGO_TARGET_DIR", self.threads_target());
        command
    }

    /// Cargo's output of the threaded build.
    pub(crate) fn threads_target(&self) -> PathBuf {
        self.target.join("threads")
    }

    /// The folder of the installed tools.
    pub(crate) fn bin(&self) -> PathBuf {
        self.tools.join("bin")
    }

    /// The PATH with our tools first.
    pub(crate) fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.bin()).chain(env::split_paths(&inherited));
        // Fails only for a folder with a colon in its name, which could not be
        // on a PATH anyway.
        env::join_paths(all).unwrap_or(inherited)
    }

    /// The program on our PATH, if it is there.
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

fn is_foreign(name: &str) -> bool {
    // A driver named here would win over the one a suite asks for.
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
    fn only_what_belongs_to_another_build_is_foreign() {
        assert!(is_foreign("RUSTFLAGS"));
        assert!(is_foreign("CARGO_PKG_NAME"));
        assert!(!is_foreign("CARGO_HOME"));
        assert!(!is_foreign("CARGO_TARGET_DIR"));
        assert!(!is_foreign("PATH"));
    }

    #[test]
    fn the_bundle_uses_the_same_nightly() {
        // Not by depending on it: it takes a minute to compile.
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
