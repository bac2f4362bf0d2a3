//! Where bytes go to.

use crate::{
    error::Error,
    output::{beside, folder_of, is_special},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::TempPath;

/// A file that is there when it is complete, or what is written to directly.
#[derive(Debug)]
pub(crate) enum Destination {
    /// `-`.
    Standard,
    /// A named pipe or a device: it cannot be replaced, only written to.
    Special,
    /// A file: `part` is beside it until all is written, and removed if it
    /// never is.
    File {
        /// What is going to be there.
        target: PathBuf,
        /// What is written meanwhile.
        part: TempPath,
    },
}

/// Opens the writer, on the thread that is going to write.
pub(crate) type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Write>> + Send>;

impl Destination {
    /// Finds out whether the output can be written, and makes the file beside
    /// it if it is one. The output itself is not touched.
    ///
    /// # Errors
    ///
    /// [`Error::BadOutput`].
    pub(crate) fn find(path: &Path) -> Result<(Self, Open), Error> {
        if path.as_os_str() == "-" {
            return Ok((Destination::Standard, Box::new(open_stdout)));
        }
        if is_special(path) {
            let path = path.to_owned();
            let open = move || -> io::Result<Box<dyn Write>> {
                Ok(Box::new(OpenOptions::new().write(true).open(path)?))
            };
            return Ok((Destination::Special, Box::new(open)));
        }
        let bad = |reason: String| Error::BadOutput {
            path: path.to_owned(),
            reason,
        };
        if path.is_dir() {
            return Err(bad("it is a folder, and has to be a file".to_owned()));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(bad(format!("there is no folder {}", folder.display())));
        }
        let (file, part, target) = make(path).map_err(|cause| bad(cause.to_string()))?;
        let open = move || -> io::Result<Box<dyn Write>> { Ok(Box::new(file)) };
        Ok((Destination::File { target, part }, Box::new(open)))
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    ///
    /// Whatever the system answers. What stood there before is still there.
    pub(crate) fn complete(self) -> io::Result<()> {
        match self {
            Destination::File { target, part } => Ok(part.persist(target)?),
            Destination::Standard | Destination::Special => Ok(()),
        }
    }
}

fn make(path: &Path) -> io::Result<(File, TempPath, PathBuf)> {
    // A link stays a link: what it points to is replaced.
    let target = path.canonicalize().unwrap_or(path.to_owned());
    let existing = fs::metadata(&target).ok();
    if existing.is_some() {
        // A file that is read-only is meant to stay as it is, although to
        // replace it takes no more than the right to write its folder.
        OpenOptions::new().write(true).open(&target)?;
    }
    let (file, part) = beside(&target)?.into_parts();
    if let Some(existing) = existing {
        // Before anything is written: what was private stays so.
        file.set_permissions(existing.permissions())?;
    }
    Ok((file, part, target))
}

fn open_stdout() -> io::Result<Box<dyn Write>> {
    // Rust's own handle looks for the last newline in whatever is written.
    #[cfg(unix)]
    let stdout = {
        use std::os::fd::AsFd;
        File::from(io::stdout().as_fd().try_clone_to_owned()?)
    };
    #[cfg(not(unix))]
    let stdout = io::stdout();
    Ok(Box::new(stdout))
}
