//! The page's files: there, and up to date.

use super::checkout;
use crate::{error::Error, logging};
use highwater::scenario;
use std::{
    env, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::process::{Child, Command};

// One list for both, without the bundle's dependencies.
#[path = "../../../web/bundle/src/environment.rs"]
mod environment;

/// The chapter that comes first on the page.
fn first_chapter() -> &'static str {
    scenario::ALL.first().map_or("", |first| first.chapter)
}

/// The first of what the build makes.
fn first_file() -> String {
    format!("pkg/{}/highwater_web.js", first_chapter())
}

/// Sees to it that there is a page to serve. `build` is quick when nothing
/// has changed since the last.
///
/// The other chapters and the threaded builds are left to [`build_remaining`]:
/// the page waits for a chapter that it is to show, and does without threads.
///
/// # Errors
///
/// [`Error::NoPage`].
pub(super) async fn prepare(www: &Path, build: bool) -> Result<(), Error> {
    let no_page = |reason: &str| Error::NoPage {
        www: www.to_owned(),
        reason: reason.to_owned(),
    };
    if !www.is_dir() {
        return Err(no_page("no such folder: name the page's with --www DIR"));
    }
    let failure = if build {
        let first = is_first_build(www);
        if first {
            logging::line("building the page; the first time takes a minute or two");
        }
        let quiet: &[&str] = if first { &[] } else { &["-q"] };
        match bundle(quiet, &["--single", "--chapter", first_chapter()]).await {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("the build failed ({status})")),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Some("cargo is not on the PATH".to_owned())
            }
            Err(cause) => Some(format!("cargo did not start ({cause})")),
        }
    } else {
        None
    };
    let file = first_file();
    match (www.join(&file).is_file(), failure) {
        (true, None) => Ok(()),
        (true, Some(failure)) => {
            logging::line(&format!(
                "warning: {failure}: serving the page as it was built last"
            ));
            Ok(())
        }
        (false, Some(failure)) => Err(no_page(&format!("{failure}, and there is none yet"))),
        (false, None) if build => Err(no_page(&format!("the build made no {file}"))),
        (false, None) => Err(no_page(&format!(
            "{file} is missing: build it with cargo run -p bundle"
        ))),
    }
}

/// Builds what [`prepare`] left out, while the page is served already.
pub(super) async fn build_remaining() {
    let failure = match bundle(&["-q"], &[]).await {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(cause) => cause.to_string(),
    };
    logging::line(&format!(
        "warning: the rest of the build failed ({failure}): \
         chapters may be missing, and in the tab the page may run on one thread"
    ));
}

/// Whether the build is a long one, about which people have to be told.
fn is_first_build(www: &Path) -> bool {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let bundle = checkout().join(target).join("debug/bundle");
    let there = |program: &Path| program.with_extension(env::consts::EXE_EXTENSION).is_file();
    !www.join(first_file()).is_file() || !there(&bundle)
}

/// Runs the bundle, which compiles in turn. Dropped, it ends them all.
async fn bundle(cargo_options: &[&str], options: &[&str]) -> io::Result<ExitStatus> {
    let mut cargo = Command::new("cargo");
    cargo
        .arg("run")
        .args(cargo_options)
        .args(["-p", "bundle", "--"])
        .args(options)
        .current_dir(checkout())
        .stdin(Stdio::null())
        // Standard output is for the one line that says where the page is.
        .stdout(io::stderr())
        .kill_on_drop(true);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(environment::is_foreign) {
            cargo.env_remove(name);
        }
    }
    // Then a terminal's Ctrl-C does not reach it by itself: see `ProcessGroup`.
    #[cfg(unix)]
    cargo.process_group(0);

    #[cfg(unix)]
    let (mut child, _own) = super::reaper::spawn(&mut cargo)?;
    #[cfg(not(unix))]
    let mut child = cargo.spawn()?;
    // Dropped before the child, while its process id is still its own.
    let mut group = ProcessGroup::of(&child);
    let status = child.wait().await;
    group.exited();
    status
}

/// A child and all that it started. To end the child single_process would leave the
/// compilers at work.
struct ProcessGroup {
    #[cfg(unix)]
    group: Option<nix::unistd::Pid>,
}

#[cfg(unix)]
impl ProcessGroup {
    /// The child is to be the leader of a process group.
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        ProcessGroup {
            group: leader.map(nix::unistd::Pid::from_raw),
        }
    }

    /// The group's number may soon be another's.
    fn exited(&mut self) {
        self.group = None;
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, killpg};
        if let Some(group) = self.group {
            // An error means that none is left.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

#[cfg(not(unix))]
impl ProcessGroup {
    fn of(_child: &Child) -> Self {
        ProcessGroup {}
    }

    fn exited(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_our_own_build_is_foreign_to_the_page_s() {
        for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_PKG_NAME"] {
            assert!(environment::is_foreign(name), "{name}");
        }
        // These are the caller's commands for any build.
        for name in ["PATH", "CARGO_HOME", "CARGO_TARGET_DIR"] {
            assert!(!environment::is_foreign(name), "{name}");
        }
    }

    #[test]
    fn the_first_build_is_the_one_without_a_page() {
        let www = tempfile::tempdir().unwrap();
        assert!(is_first_build(www.path()));
    }
}
