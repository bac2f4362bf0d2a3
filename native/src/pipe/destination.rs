//! Where bytes go to.

use crate::{
    atomic_file::{AtomicFile, Draft, Refusal, sync},
    blocking::Blocking,
    error::Error,
    output::{folder_of, is_special},
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

/// What is to become of the output when all is written.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Standard output, a named pipe or a device: written to directly.
    Stream,
    /// A file that appears when it is complete.
    Atomic(AtomicFile),
    /// A file whose content is overwritten.
    InPlace(InPlaceFile),
}

/// Opens the writer, on the thread that is going to write.
pub(crate) type Open = Box<dyn FnOnce() -> io::Result<Writer> + Send>;

/// An open output. The thread that writes has it alone.
pub(crate) enum Writer {
    /// What is written to directly.
    Stream(Blocking),
    /// A temporary file.
    Draft(Draft),
    /// A file whose old content goes when the first bytes come.
    InPlace {
        /// The file, as it was so far.
        file: File,
        /// Set when the old content is gone.
        is_cleared: Arc<AtomicBool>,
    },
}

/// A file that is being overwritten. Dropped while it is incomplete, it says so on
/// standard error.
#[derive(Debug)]
pub(crate) struct InPlaceFile {
    path: PathBuf,
    is_cleared: Arc<AtomicBool>,
}

impl Destination {
    /// Finds out whether the output can be written, and makes a temporary file
    /// beside it if it is a file. The output itself is not touched.
    ///
    /// A new file gets the permissions of `model`; `in_place` overwrites one that
    /// exists instead of replacing it.
    ///
    /// # Errors
    ///
    /// [`Error::UnwritableOutput`].
    pub(crate) fn find(
        path: &Path,
        in_place: bool,
        model: Option<&File>,
    ) -> Result<(Self, Open), Error> {
        if path.as_os_str() == "-" {
            let open = || Blocking::stdout().map(Writer::Stream);
            return Ok((Destination::Stream, Box::new(open)));
        }
        let bad = |reason: String| Error::UnwritableOutput {
            path: path.to_owned(),
            reason,
        };
        if is_special(path) {
            if is_socket(path) {
                return Err(bad("it is a socket, which cannot be opened".to_owned()));
            }
            let path = path.to_owned();
            let open = move || {
                let file = OpenOptions::new().write(true).open(path)?;
                Ok(Writer::Stream(Blocking::new(file)))
            };
            return Ok((Destination::Stream, Box::new(open)));
        }
        if path.is_dir() {
            return Err(bad("it is a folder, expected a file".to_owned()));
        }
        if path.as_os_str().to_string_lossy().ends_with(is_separator) {
            return Err(bad(
                "it ends with a separator, expected a file name".to_owned()
            ));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(bad(format!(
                "the folder {} does not exist",
                folder.display()
            )));
        }
        if in_place && path.is_file() {
            let file = OpenOptions::new().write(true).open(path);
            let file = file.map_err(|cause| bad(cause.to_string()))?;
            let is_cleared = Arc::new(AtomicBool::new(false));
            let in_place_file = InPlaceFile {
                path: path.to_owned(),
                is_cleared: Arc::clone(&is_cleared),
            };
            let open = || Ok(Writer::InPlace { file, is_cleared });
            return Ok((Destination::InPlace(in_place_file), Box::new(open)));
        }
        let (atomic, draft) = AtomicFile::create(path, model).map_err(|refusal| {
            let hint = match refusal {
                Refusal::Replace(_) => IN_PLACE,
                Refusal::Write(_) => "",
            };
            bad(format!("{refusal}{hint}"))
        })?;
        let open = || Ok(Writer::Draft(draft));
        Ok((Destination::Atomic(atomic), Box::new(open)))
    }

    /// Whether what is written stays although the run fails.
    pub(crate) fn keeps_what_is_written(&self) -> bool {
        !matches!(self, Destination::Atomic(_))
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    ///
    /// Whatever the system answers.
    pub(crate) async fn complete(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Destination::Stream) {
            Destination::Atomic(file) => {
                // It waits for the disk.
                let committed = tokio::task::spawn_blocking(|| file.commit()).await;
                committed.map_err(io::Error::other)?.map_err(with_hint)
            }
            Destination::InPlace(in_place_file) => {
                in_place_file.is_cleared.store(false, Ordering::Relaxed);
                Ok(())
            }
            Destination::Stream => Ok(()),
        }
    }

    /// Adds to an error that the output is incomplete, if it is.
    pub(crate) fn explain(&mut self, error: Error) -> Error {
        match self {
            Destination::InPlace(in_place_file)
                if in_place_file.is_cleared.swap(false, Ordering::Relaxed) =>
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

/// What to do about a file that cannot be replaced.
const IN_PLACE: &str =
    "; --in-place writes into the file itself, and leaves it incomplete if the run fails";

/// Names the way out if a file turns out only in the end not to be replaceable.
fn with_hint(error: io::Error) -> io::Error {
    let is_of_the_name = [
        io::ErrorKind::ResourceBusy,
        io::ErrorKind::CrossesDevices,
        io::ErrorKind::PermissionDenied,
    ];
    if is_of_the_name.contains(&error.kind()) {
        io::Error::new(error.kind(), format!("{error}{IN_PLACE}"))
    } else {
        error
    }
}

impl Drop for InPlaceFile {
    fn drop(&mut self) {
        if self.is_cleared.load(Ordering::Relaxed) {
            crate::report::warn(&format!(
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
    /// Whatever the system answers.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Stream(file) => file.write_all(bytes),
            Writer::Draft(draft) => draft.file.write_all(bytes),
            Writer::InPlace { file, is_cleared } => {
                clear(file, is_cleared)?;
                file.write_all(bytes)
            }
        }
    }

    /// Completes the output: a file is on the disk then.
    ///
    /// # Errors
    ///
    /// Whatever the system answers, also for writes that it had accepted before.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Writer::Stream(file) => file.close(),
            Writer::Draft(draft) => {
                draft.finish()?;
                Blocking::new(draft.file).close()
            }
            Writer::InPlace { file, is_cleared } => {
                clear(&file, &is_cleared)?;
                sync(&file)?;
                Blocking::new(file).close()
            }
        }
    }
}

/// Removes the old content, once.
fn clear(file: &File, is_cleared: &AtomicBool) -> io::Result<()> {
    if is_cleared.swap(true, Ordering::Relaxed) {
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
