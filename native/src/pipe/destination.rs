//! Where bytes go to.

use crate::{
    error::Error,
    output::{beside, folder_of, is_special, target_of},
};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf, is_separator},
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
        if path.as_os_str().to_string_lossy().ends_with(is_separator) {
            return Err(bad(
                "it is a folder's name, and has to be a file's".to_owned()
            ));
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
    let target = target_of(path)?;
    let existing = match fs::metadata(&target) {
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // What has such a name could not take its place in the end.
        Err(error) => return Err(error),
    };
    if existing.is_some() {
        // A file that is read-only is meant to stay as it is, although to
        // replace it takes no more than the right to write its folder.
        OpenOptions::new().write(true).open(&target)?;
    }
    let (file, part) = beside(&target)?.into_parts();
    if let Some(existing) = existing {
        // Before anything is written: what was private stays so. To be another's
        // changes what may be done with it, and so comes first.
        keep_owner(&file, &existing);
        file.set_permissions(existing.permissions())?;
    }
    Ok((file, part, target))
}

/// Whose the old one was is the new one, as far as the system allows: it allows
/// root to give files away, and others to give theirs to a group they are in.
#[cfg(unix)]
fn keep_owner(file: &File, existing: &Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (owner, group) = (existing.uid(), existing.gid());
    if fchown(file, Some(owner), Some(group)).is_err() {
        let _not_allowed = fchown(file, None, Some(group));
    }
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _existing: &Metadata) {}

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
