//! Where bytes come from.

use crate::{blocking::Blocking, error::Error};
use same_file::Handle;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// A file, or standard input.
#[derive(Debug)]
pub(crate) enum Input {
    /// `-`.
    Standard,
    /// A file, opened, and how long it is.
    File(File, u64),
    /// A named pipe or a device. It is opened by the thread that reads it: that
    /// takes until somebody writes.
    Special(PathBuf),
}

impl Input {
    /// Opens what can be opened at once.
    ///
    /// # Errors
    ///
    /// [`Error::UnreadableInput`].
    pub(crate) fn find(path: &Path) -> Result<Self, Error> {
        let bad = |reason: String| Error::UnreadableInput {
            path: path.to_owned(),
            reason,
        };
        if path.as_os_str() == "-" {
            return Ok(Input::Standard);
        }
        let found = fs::metadata(path).map_err(|cause| bad(cause.to_string()))?;
        if found.is_dir() {
            return Err(bad("it is a folder, expected a file".to_owned()));
        }
        if !found.is_file() {
            return Ok(Input::Special(path.to_owned()));
        }
        let file = File::open(path).map_err(|cause| bad(cause.to_string()))?;
        Ok(Input::File(file, found.len()))
    }

    /// The file itself, if it is an ordinary one.
    pub(crate) fn file(&self) -> Option<&File> {
        match self {
            Input::File(file, _) => Some(file),
            Input::Standard | Input::Special(_) => None,
        }
    }

    /// The reader itself.
    ///
    /// # Errors
    ///
    /// Whatever the system answers.
    pub(crate) fn open(self) -> io::Result<Blocking> {
        match self {
            Input::Standard => Blocking::stdin(),
            Input::File(file, _) => Ok(Blocking::new(file)),
            Input::Special(path) => File::open(path).map(Blocking::new),
        }
    }

    /// How many bytes there will be, if known.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            // Files that the kernel makes up, such as those in `/proc`, say 0.
            Input::File(_, len) => (*len > 0).then_some(*len),
            Input::Standard => {
                let file = Handle::stdin().ok()?.as_file().metadata().ok()?;
                file.is_file().then_some(file.len())
            }
            Input::Special(_) => None,
        }
    }
}

/// Whether both name one regular file: by another path, a link, or because
/// a standard stream is redirected to it. Devices and terminals may well be
/// both ends.
pub(crate) fn is_same_file(input: &Path, output: &Path) -> bool {
    let handle = |path: &Path, standard: fn() -> io::Result<Handle>| {
        if path.as_os_str() == "-" {
            return standard().ok();
        }
        // To open a named pipe could take for ever.
        path.is_file().then(|| Handle::from_path(path).ok())?
    };
    let is_file = |handle: &Handle| handle.as_file().metadata().is_ok_and(|it| it.is_file());
    match (handle(input, Handle::stdin), handle(output, Handle::stdout)) {
        (Some(input), Some(output)) => input == output && is_file(&input),
        _ => false,
    }
}
