//! Finds the compilers, or installs them with rustup.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use anyhow::{Context as _, Result, bail};

use crate::environment::is_build_variable;

/// The compile target of the page.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The pinned nightly of the threaded build. Support for shared memory changes between
/// nightlies, so it is updated deliberately.
pub const NIGHTLY: &str = "nightly-2026-05-20";

/// The compiler of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The stable toolchain in `rust-toolchain.toml`.
    Stable,
    /// [`NIGHTLY`] with the sources of the standard library.
    Nightly,
}

impl Toolchain {
    /// Returns a cargo command of this toolchain that runs in `root`.
    ///
    /// The variables of a cargo that runs *this program* are removed from its environment:
    /// its toolchain, flags and package variables would change or invalidate this build.
    #[must_use]
    pub fn cargo(self, root: &Path) -> Command {
        let mut command = match self {
            Self::Stable => Command::new("cargo"),
            Self::Nightly => {
                let mut rustup = Command::new("rustup");
                rustup.args(["run", NIGHTLY, "cargo"]);
                rustup
            }
        };
        remove_inherited_variables(&mut command).current_dir(root);
        command
    }

    /// Checks that this toolchain can build the page, and installs missing components
    /// with a message.
    ///
    /// # Errors
    ///
    /// Fails if a component is missing and rustup is missing or fails. The message
    /// names the component to install.
    pub fn ensure(self, root: &Path) -> Result<()> {
        match self {
            Self::Stable => ensure_target(root),
            Self::Nightly => ensure_nightly(root),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Nightly => NIGHTLY,
        })
    }
}

fn ensure_target(root: &Path) -> Result<()> {
    // Looks into the sysroot instead of calling rustup, because a compiler from a
    // Linux distribution has no rustup.
    let sysroot = sysroot(remove_inherited_variables(&mut Command::new("rustc")).current_dir(root))
        .context("cannot run `rustc`")?;
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    eprintln!("bundle: installing the target {TARGET} with rustup…");
    rustup(root, &["target", "add", TARGET]).with_context(|| {
        format!(
            "the Rust target {TARGET} is missing: \
             install it with `rustup target add {TARGET}`"
        )
    })
}

fn ensure_nightly(root: &Path) -> Result<()> {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", NIGHTLY, "rustc"]);
    let found = sysroot(remove_inherited_variables(&mut rustc).current_dir(root))
        .is_ok_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library").is_dir());
    if found {
        return Ok(());
    }
    eprintln!("bundle: installing the toolchain {NIGHTLY} with rustup…");
    let install = [
        "toolchain",
        "install",
        NIGHTLY,
        "--profile",
        "minimal",
        "-c",
        "rust-src",
    ];
    rustup(root, &install).with_context(|| {
        format!(
            "the toolchain {NIGHTLY} with its sources is missing: \
             install it with `rustup {}`",
            install.join(" ")
        )
    })
}

fn rustup(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    remove_inherited_variables(&mut command)
        .current_dir(root)
        .args(arguments);
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup {}` failed: {status}", arguments.join(" ")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("rustup is not on the PATH")
        }
        Err(error) => Err(error).context("cannot run rustup"),
    }
}

fn sysroot(rustc: &mut Command) -> Result<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn remove_inherited_variables(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        // Each build sets its own target directory.
        let is_inherited = |name: &str| is_build_variable(name) || name == "CARGO_TARGET_DIR";
        if name.to_str().is_some_and(is_inherited) {
            command.env_remove(name);
        }
    }
    command
}
