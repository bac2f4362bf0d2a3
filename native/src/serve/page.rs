//! Building the page.

use crate::error::Error;
use highwater::scenario;
use highwater_server::logging;
use std::{
    env, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::process::{Child, Command};

// Included as a file, because depending on the `bundle` crate would add its dependencies.
#[path = "../../../web/bundle/src/environment.rs"]
mod environment;

/// Returns the source folder that this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.parent().unwrap_or(manifest_dir).to_owned()
}

/// Returns the name of the page's first chapter.
fn first_chapter() -> &'static str {
    scenario::ALL.first().map_or("", |first| first.chapter)
}

/// Returns the path of a file that every build produces.
fn first_file() -> String {
    format!("pkg/{}/highwater_web.js", first_chapter())
}

/// Builds the page's first chapter if `build` is set, then checks that there is a page to
/// serve. The build is fast if nothing has changed.
///
/// [`build_remaining`] builds the other chapters and the threaded versions. Until they
/// are built, the page waits for missing chapters and runs without threads.
///
/// # Errors
///
/// [`Error::NoPage`].
pub(super) async fn prepare(www: &Path, build: bool) -> Result<(), Error> {
    let no_page_error = |reason: &str| Error::NoPage {
        www: www.to_owned(),
        reason: reason.to_owned(),
    };
    if !www.is_dir() {
        return Err(no_page_error(
            "no such folder; pass the page's folder with --www DIR",
        ));
    }
    let failure = if build {
        let is_first = is_first_build(www);
        if is_first {
            logging::line("building the page; the first build takes a minute or two");
        }
        let cargo_options: &[&str] = if is_first { &[] } else { &["-q"] };
        match run_bundler(cargo_options, &["--single", "--chapter", first_chapter()]).await {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("the build failed ({status})")),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Some("cargo is not on the PATH".to_owned())
            }
            Err(cause) => Some(format!("cargo could not be started ({cause})")),
        }
    } else {
        None
    };
    let file = first_file();
    match (www.join(&file).is_file(), failure) {
        (true, None) => Ok(()),
        (true, Some(failure)) => {
            logging::line(&format!(
                "warning: {failure}; serving the previous build of the page"
            ));
            Ok(())
        }
        (false, Some(failure)) => Err(no_page_error(&format!(
            "{failure}, and there is no previous build"
        ))),
        (false, None) if build => Err(no_page_error(&format!("the build did not produce {file}"))),
        (false, None) => Err(no_page_error(&format!(
            "{file} is missing; build it with cargo run -p bundle"
        ))),
    }
}

/// Builds the parts that [`prepare`] skipped, while the page is being served.
pub(super) async fn build_remaining() {
    let failure = match run_bundler(&["-q"], &[]).await {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(cause) => cause.to_string(),
    };
    logging::line(&format!(
        "warning: building the other chapters failed ({failure}); \
         some may be missing, and the page may run without threads"
    ));
}

/// Returns true if this is the first build, which takes long enough to be announced.
fn is_first_build(www: &Path) -> bool {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let bundler = checkout().join(target).join("debug/bundle");
    let exists = |program: &Path| program.with_extension(env::consts::EXE_EXTENSION).is_file();
    !www.join(first_file()).is_file() || !exists(&bundler)
}

/// Runs the bundler, which runs the compiler. Dropping the future terminates both.
async fn run_bundler(cargo_options: &[&str], options: &[&str]) -> io::Result<ExitStatus> {
    let mut cargo = Command::new("cargo");
    cargo
        .arg("run")
        .args(cargo_options)
        .args(["-p", "bundle", "--"])
        .args(options)
        .current_dir(checkout())
        .stdin(Stdio::null())
        // Standard output is reserved for the line with the page's address.
        .stdout(io::stderr())
        .kill_on_drop(true);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(environment::is_build_variable) {
            cargo.env_remove(name);
        }
    }
    // In its own process group, it does not receive Ctrl-C from a terminal. See
    // `ProcessGroup`.
    #[cfg(unix)]
    cargo.process_group(0);

    #[cfg(unix)]
    let (mut child, _child_guard) = highwater_server::spawn_child(&mut cargo)?;
    #[cfg(not(unix))]
    let mut child = cargo.spawn()?;
    // Dropped before the child, while the process id is still valid.
    let mut group = ProcessGroup::of(&child);
    let status = child.wait().await;
    group.mark_exited();
    status
}

/// A child process and its descendants, terminated on drop. Terminating only the child
/// would leave the compilers running.
struct ProcessGroup {
    #[cfg(unix)]
    group: Option<nix::unistd::Pid>,
}

#[cfg(unix)]
impl ProcessGroup {
    /// Returns the process group that the child leads.
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        ProcessGroup {
            group: leader.map(nix::unistd::Pid::from_raw),
        }
    }

    /// Forgets the group after the child has exited: its id may be reused.
    fn mark_exited(&mut self) {
        self.group = None;
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, killpg};
        if let Some(group) = self.group {
            // An error means that the group is empty.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

#[cfg(not(unix))]
impl ProcessGroup {
    fn of(_child: &Child) -> Self {
        ProcessGroup {}
    }

    fn mark_exited(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_outer_build_are_removed() {
        for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_PKG_NAME"] {
            assert!(environment::is_build_variable(name), "{name}");
        }
        // These are set by the user for every build.
        for name in ["PATH", "CARGO_HOME", "CARGO_TARGET_DIR"] {
            assert!(!environment::is_build_variable(name), "{name}");
        }
    }

    #[test]
    fn build_without_a_page_is_a_first_build() {
        let www = tempfile::tempdir().unwrap();
        assert!(is_first_build(www.path()));
    }
}
