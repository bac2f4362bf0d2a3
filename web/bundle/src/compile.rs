//! The first step: cargo turns the `web` crate into a `.wasm` file.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Flavour, Layout};
use crate::toolchain::{TARGET, Toolchain};

/// The file name of the artifact, and of the module that the page imports.
pub(crate) const NAME: &str = "highwater_web";

/// A build under way. Dropping it ends it.
///
/// The two builds run at once: each spends much of its time on a single crate
/// (`core`, or the final link), which leaves the other cores to the other one.
/// That takes about a third off the first start on two cores.
pub(crate) struct Compilation {
    flavour: Flavour,
    cargo: Child,
    messages: Receiver<Vec<u8>>,
    artifact: PathBuf,
}

impl Compilation {
    /// Has cargo build one flavour, which does nothing when nothing changed.
    /// What cargo says is held back until [`finish`](Self::finish), so that two
    /// builds do not talk at the same time.
    pub(crate) fn start(layout: &Layout, flavour: Flavour) -> Result<Self> {
        let mut cargo = command(layout, flavour);
        if io::stderr().is_terminal() {
            // Cargo sees a pipe, and would say less than it says to a person.
            cargo.env("CARGO_TERM_COLOR", "always");
            cargo.env("CARGO_TERM_PROGRESS_WHEN", "always");
            cargo.env("CARGO_TERM_PROGRESS_WIDTH", "80");
        }
        let mut cargo = cargo
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run cargo")?;
        let stderr = cargo.stderr.take().context("cargo has no standard error")?;
        Ok(Self {
            flavour,
            cargo,
            messages: relay(stderr),
            artifact: layout
                .target_of(flavour)
                .join(TARGET)
                .join("wasm")
                .join(format!("{NAME}.wasm")),
        })
    }

    /// Waits for the end, telling what cargo has said and goes on to say, and
    /// returns the path of the `.wasm` file.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        eprintln!("bundle: building {} wasm…", self.flavour.name());
        for chunk in &self.messages {
            io::stderr().write_all(&chunk)?;
        }
        let status = self.cargo.wait().context("lost cargo")?;
        if !status.success() {
            bail!("the {} build failed: {status}", self.flavour.name());
        }
        Ok(self.artifact.clone())
    }
}

impl Drop for Compilation {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as well.
        let _ = self.cargo.kill();
        let _ = self.cargo.wait();
    }
}

fn command(layout: &Layout, flavour: Flavour) -> Command {
    let mut cargo = match flavour {
        Flavour::Single => Toolchain::Stable.cargo(&layout.root),
        Flavour::Threads => {
            let mut cargo = Toolchain::Nightly.cargo(&layout.root);
            cargo
                .arg("--config")
                .arg(layout.root.join("web/threads.toml"));
            cargo
        }
    };
    cargo
        .args(["build", "--package", "highwater-web", "--lib"])
        .args(["--target", TARGET, "--profile", "wasm"])
        .arg("--target-dir")
        .arg(layout.target_of(flavour));
    if flavour == Flavour::Threads {
        cargo.args(["--features", "threads"]);
    }
    cargo
}

/// The channel has no bound: it holds the messages of a few seconds, and a full
/// one would stop the compiler.
fn relay(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
