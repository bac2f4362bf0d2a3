//! The input of a run: a file, a special file or standard input.

use crate::{blocking::Blocking, error::Error};
use same_file::Handle;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The input of a run.
#[derive(Debug)]
pub(crate) enum Input {
    /// Standard input (`-`).
    Standard,
    /// An open file and its length, in bytes.
    File(File, u64),
    /// A named pipe or a device. The read thread opens it, because opening a pipe blocks
    /// until it has a writer.
    Special(PathBuf),
}

impl Input {
    /// Checks the input, and opens it if opening does not block.
    ///
    /// # Errors
    ///
    /// [`Error::UnreadableInput`] if it cannot be read.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::UnreadableInput {
            path: path.to_owned(),
            reason,
        };
        if path.as_os_str() == "-" {
            return Ok(Input::Standard);
        }
        let found = fs::metadata(path).map_err(|cause| unreadable(cause.to_string()))?;
        if found.is_dir() {
            return Err(unreadable("it is a folder, expected a file".to_owned()));
        }
        if !found.is_file() {
            return Ok(Input::Special(path.to_owned()));
        }
        let file = File::open(path).map_err(|cause| unreadable(cause.to_string()))?;
        Ok(Input::File(file, found.len()))
    }

    /// Returns the file if the input is a regular file.
    pub(crate) fn file(&self) -> Option<&File> {
        match self {
            Input::File(file, _) => Some(file),
            Input::Standard | Input::Special(_) => None,
        }
    }

    /// Opens the reader. May block.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn open(self) -> io::Result<Blocking> {
        match self {
            Input::Standard => Blocking::stdin(),
            Input::File(file, _) => Ok(Blocking::new(file)),
            Input::Special(path) => File::open(path).map(Blocking::new),
        }
    }

    /// Returns the number of bytes to read, if known.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            // Files that the kernel generates, such as those in `/proc`, report 0.
            Input::File(_, len) => (*len > 0).then_some(*len),
            Input::Standard => {
                let file = Handle::stdin().ok()?.as_file().metadata().ok()?;
                file.is_file().then_some(file.len())
            }
            Input::Special(_) => None,
        }
    }
}

/// Returns whether both paths refer to the same regular file, directly, through a link or
/// through a redirected standard stream. A device or terminal can be both input and
/// output.
pub(crate) fn is_same_file(input: &Path, output: &Path) -> bool {
    let handle = |path: &Path, standard: fn() -> io::Result<Handle>| {
        if path.as_os_str() == "-" {
            return standard().ok();
        }
        // Opening a named pipe could block.
        path.is_file().then(|| Handle::from_path(path).ok())?
    };
    let is_file = |handle: &Handle| handle.as_file().metadata().is_ok_and(|it| it.is_file());
    match (handle(input, Handle::stdin), handle(output, Handle::stdout)) {
        (Some(input), Some(output)) => input == output && is_file(&input),
        _ => false,
    }
}
