//! The page's files: there, and up to date.

use super::checkout;
use crate::error::Error;
use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};
use tokio::process::Command;

/// The first of what the build makes.
const BUILT: &str = "pkg/highwater_web.js";

/// Sees to it that there is a page to serve. `build` is quick when nothing
/// has changed since the last.
///
/// The threaded build is left to [`build_the_rest`]: it takes longest, and the
/// page does without it until then.
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
        match bundle(&["--single"]).await {
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
    match (www.join(BUILT).is_file(), failure) {
        (true, None) => Ok(()),
        (true, Some(failure)) => {
            anstream::eprintln!("warning: {failure}: serving the page as it was built last");
            Ok(())
        }
        (false, Some(failure)) => Err(no_page(&format!("{failure}, and there is none yet"))),
        (false, None) if build => Err(no_page(&format!("the build made no {BUILT}"))),
        (false, None) => Err(no_page(&format!(
            "{BUILT} is missing: build it with cargo run -p bundle"
        ))),
    }
}

/// Builds what [`prepare`] left out, while the page is served already.
pub(super) async fn build_the_rest() {
    let failure = match bundle(&[]).await {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(cause) => cause.to_string(),
    };
    anstream::eprintln!(
        "warning: the threaded build failed ({failure}): in the tab the page runs on one thread"
    );
}

async fn bundle(options: &[&str]) -> io::Result<ExitStatus> {
    Command::new("cargo")
        .args(["run", "-q", "-p", "bundle", "--"])
        .args(options)
        .current_dir(checkout())
        // What the cargo that runs us set for itself would hold for the build
        // of the page as well: it has a toolchain and flags of its own.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        // Standard output is for the one line that says where the page is.
        .stdout(io::stderr())
        .kill_on_drop(true)
        .status()
        .await
}
