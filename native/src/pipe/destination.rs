//! The output of a run: a stream, a file to replace or a file to overwrite.

use super::write_back::WriteBack;
use crate::{
    atomic_file::{AtomicFile, CreateError, Draft, folder_of, sync},
    blocking::Blocking,
    error::Error,
    output::is_special,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf, is_separator},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The output of a run.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Standard output, a named pipe or a device, written to directly.
    Stream,
    /// A file that appears only when it is complete.
    Atomic(AtomicFile),
    /// An existing file that is overwritten.
    InPlace(InPlaceFile),
}

/// A function that opens the writer. The write thread calls it.
pub(crate) type OpenWriter = Box<dyn FnOnce() -> io::Result<Writer> + Send>;

/// An open output, owned by the write thread.
pub(crate) enum Writer {
    /// Standard output, a named pipe or a device.
    Stream(Blocking),
    /// A temporary file.
    Draft(Draft, WriteBack),
    /// An existing file, truncated before the first write.
    InPlace {
        /// The file.
        file: File,
        /// Set once the file is truncated.
        is_truncated: Arc<AtomicBool>,
        /// The write-back of its data.
        write_back: WriteBack,
    },
}

/// An existing file that is being overwritten. Prints a warning if dropped while the file
/// is incomplete.
#[derive(Debug)]
pub(crate) struct InPlaceFile {
    path: PathBuf,
    is_truncated: Arc<AtomicBool>,
}

impl Destination {
    /// Checks that the output can be written, and creates a temporary file if the output
    /// is a file. Does not change the output itself.
    ///
    /// A new file gets the permissions of `model`. With `in_place`, an existing file is
    /// overwritten instead of replaced.
    ///
    /// # Errors
    ///
    /// [`Error::UnwritableOutput`] if it cannot be written.
    pub(crate) fn prepare(
        path: &Path,
        in_place: bool,
        model: Option<&File>,
    ) -> Result<(Self, OpenWriter), Error> {
        if path.as_os_str() == "-" {
            let open = || Blocking::stdout().map(Writer::Stream);
            return Ok((Destination::Stream, Box::new(open)));
        }
        let unwritable = |reason: String| Error::UnwritableOutput {
            path: path.to_owned(),
            reason,
        };
        if is_special(path) {
            if is_socket(path) {
                return Err(unwritable("it is a socket, expected a file".to_owned()));
            }
            let path = path.to_owned();
            let open = move || {
                let file = OpenOptions::new().write(true).open(path)?;
                Ok(Writer::Stream(Blocking::new(file)))
            };
            return Ok((Destination::Stream, Box::new(open)));
        }
        if path.is_dir() {
            return Err(unwritable("it is a folder, expected a file".to_owned()));
        }
        if path.as_os_str().to_string_lossy().ends_with(is_separator) {
            return Err(unwritable(
                "it ends with a separator, expected a file name".to_owned(),
            ));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(unwritable(format!(
                "the folder {} does not exist",
                folder.display()
            )));
        }
        if in_place && path.is_file() {
            let file = OpenOptions::new().write(true).open(path);
            let file = file.map_err(|cause| unwritable(cause.to_string()))?;
            let is_truncated = Arc::new(AtomicBool::new(false));
            let in_place_file = InPlaceFile {
                path: path.to_owned(),
                is_truncated: Arc::clone(&is_truncated),
            };
            let open = || {
                Ok(Writer::InPlace {
                    file,
                    is_truncated,
                    write_back: WriteBack::default(),
                })
            };
            return Ok((Destination::InPlace(in_place_file), Box::new(open)));
        }
        let (atomic, draft) = AtomicFile::create(path, model).map_err(|error| {
            let hint = match error {
                CreateError::Replace(_) => IN_PLACE_HINT,
                CreateError::Write(_) => "",
            };
            unwritable(format!("{error}{hint}"))
        })?;
        let open = || Ok(Writer::Draft(draft, WriteBack::default()));
        Ok((Destination::Atomic(atomic), Box::new(open)))
    }

    /// Returns whether the output keeps partial data if the run fails.
    pub(crate) fn keeps_partial_output(&self) -> bool {
        !matches!(self, Destination::Atomic(_))
    }

    /// Completes the output: renames a temporary file to its target.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) async fn complete(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Destination::Stream) {
            Destination::Atomic(file) => {
                // A commit blocks until the disk has synced.
                let committed = tokio::task::spawn_blocking(|| file.commit()).await;
                committed.map_err(io::Error::other)?.map_err(with_hint)
            }
            Destination::InPlace(in_place_file) => {
                in_place_file.is_truncated.store(false, Ordering::Relaxed);
                Ok(())
            }
            Destination::Stream => Ok(()),
        }
    }

    /// Wraps an error in [`Error::Incomplete`] if the overwritten file is incomplete.
    pub(crate) fn annotate(&mut self, error: Error) -> Error {
        match self {
            Destination::InPlace(in_place_file)
                if in_place_file.is_truncated.swap(false, Ordering::Relaxed) =>
            {
                Error::Incomplete {
                    path: in_place_file.path.clone(),
                    cause: Box::new(error),
                }
            }
            _ => error,
        }
    }
}

/// The hint for a file that cannot be replaced.
const IN_PLACE_HINT: &str =
    "; use --in-place to overwrite it, which leaves it incomplete if the run fails";

/// Adds the hint to rename errors that `--in-place` avoids.
fn with_hint(error: io::Error) -> io::Error {
    let rename_errors = [
        io::ErrorKind::ResourceBusy,
        io::ErrorKind::CrossesDevices,
        io::ErrorKind::PermissionDenied,
    ];
    if rename_errors.contains(&error.kind()) {
        io::Error::new(error.kind(), format!("{error}{IN_PLACE_HINT}"))
    } else {
        error
    }
}

impl Drop for InPlaceFile {
    fn drop(&mut self) {
        if self.is_truncated.load(Ordering::Relaxed) {
            crate::terminal::warn(&format!(
                "{} is incomplete: it was being overwritten",
                self.path.display()
            ));
        }
    }
}

impl Writer {
    /// Writes all bytes.
    ///
    /// # Errors
    ///
    /// I/O errors.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Stream(file) => file.write_all(bytes),
            Writer::Draft(draft, write_back) => append(&mut draft.file, bytes, write_back),
            Writer::InPlace {
                file,
                is_truncated,
                write_back,
            } => {
                truncate_once(file, is_truncated)?;
                append(file, bytes, write_back)
            }
        }
    }

    /// Syncs a file to disk and closes the output.
    ///
    /// # Errors
    ///
    /// I/O errors, including delayed errors of earlier writes.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Writer::Stream(file) => file.close(),
            Writer::Draft(draft, _) => {
                draft.finish()?;
                Blocking::new(draft.file).close()
            }
            Writer::InPlace {
                file, is_truncated, ..
            } => {
                truncate_once(&file, &is_truncated)?;
                sync(&file)?;
                Blocking::new(file).close()
            }
        }
    }
}

fn append(file: &mut File, bytes: &[u8], write_back: &mut WriteBack) -> io::Result<()> {
    file.write_all(bytes)?;
    write_back.add(file, bytes.len());
    Ok(())
}

/// Truncates the file, once.
fn truncate_once(file: &File, is_truncated: &AtomicBool) -> io::Result<()> {
    if is_truncated.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    file.set_len(0)
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|it| it.file_type().is_socket())
}

#[cfg(not(unix))]
fn is_socket(_path: &Path) -> bool {
    false
}
