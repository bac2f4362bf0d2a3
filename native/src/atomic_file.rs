//! Files that appear under their name when they are complete and on the disk.
//!
//! The new content is written to a temporary file beside the target, which is then
//! renamed onto it. The file that was there is another one afterwards, so whatever
//! else belongs to a file is carried over, or the replacement is refused before the
//! work begins.

mod attributes;
mod obstacles;

use crate::output::{folder_of, target_of};
use attributes::Attributes;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempPath;

/// The name that a complete [`Draft`] is going to have.
///
/// Dropped before it is [committed](Self::commit), it removes the temporary file.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    part: TempPath,
    /// Unless it may be written but not read.
    folder: Option<File>,
}

/// The temporary file, which only its owner can read before it is complete.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Where to write.
    pub(crate) file: File,
    attributes: Attributes,
}

/// Why a file cannot be made or replaced, known before the work begins.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The system does not allow to write it.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// It could be written, but not be replaced by another file.
    #[error("it cannot be replaced by a new file: {0}")]
    Replace(String),
}

impl AtomicFile {
    /// Creates the temporary file, and changes nothing else.
    ///
    /// A file that exists keeps its permissions, its owner and group, its access
    /// list and its extended attributes. A new one gets the permissions of
    /// `model`, or without one those that the umask leaves.
    ///
    /// # Errors
    ///
    /// [`Refusal`], if the target cannot be written, or not be replaced without
    /// losing something.
    pub(crate) fn create(path: &Path, model: Option<&File>) -> Result<(Self, Draft), Refusal> {
        let target = target_of(path)?;
        let folder = folder_of(&target);
        let existing = match fs::metadata(&target) {
            Ok(_) => {
                obstacles::write_protection(&target)?;
                // A file that is read-only is meant to stay as it is, although to
                // replace it takes no more than the right to write its folder.
                Some(OpenOptions::new().write(true).open(&target)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // What has such a name could not take its place in the end.
            Err(error) => return Err(error.into()),
        };
        if let Some(existing) = &existing {
            obstacles::replacement(existing, &target, folder)?;
        }
        obstacles::rename(folder, existing.is_some())?;
        let is_private = existing.is_some() || model.is_some();
        let temporary = temporary(folder, is_private).map_err(|cause| {
            if existing.is_some() && obstacles::is_forbidden(&cause) {
                let folder = folder.display();
                Refusal::Replace(format!("cannot write to the folder {folder}: {cause}"))
            } else {
                Refusal::Write(cause)
            }
        })?;
        let (file, part) = temporary.into_parts();
        let attributes = match (&existing, model) {
            (Some(existing), _) => Attributes::keep(existing, &file).map_err(Refusal::Replace)?,
            (None, Some(model)) => Attributes::copy(model, &file)?,
            (None, None) => Attributes::default(),
        };
        let atomic = AtomicFile {
            folder: File::open(folder).ok(),
            target,
            part,
        };
        Ok((atomic, Draft { file, attributes }))
    }

    /// Puts the complete file in its place, for good. The draft has to be
    /// [finished](Draft::finish).
    ///
    /// It blocks until the folder is on the disk.
    ///
    /// # Errors
    ///
    /// Whatever the system answers. Unless it is the last step that failed, what
    /// stood there before is still there.
    pub(crate) fn commit(self) -> io::Result<()> {
        self.part.persist(&self.target)?;
        self.folder.as_ref().map_or(Ok(()), |folder| {
            sync(folder).map_err(|cause| {
                let message =
                    format!("it is complete, but may be lost if the power fails now: {cause}");
                io::Error::new(cause.kind(), message)
            })
        })
    }
}

impl Draft {
    /// Gives the file its permissions and writes it to the disk.
    ///
    /// # Errors
    ///
    /// Whatever the system answers, also for writes that it had accepted before.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.attributes.apply(&self.file)?;
        sync(&self.file)
    }
}

/// Waits until a file or folder is on the disk, where there is one.
///
/// # Errors
///
/// Whatever the system answers.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // A file system that has nothing to write to says so, and some say it of
        // folders. It is not an error of this file.
        Err(error)
            if [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported]
                .contains(&error.kind()) =>
        {
            Ok(())
        }
        // Elsewhere than on Unix a folder cannot be synced.
        #[cfg(not(unix))]
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// A temporary file that is removed unless it is kept.
fn temporary(folder: &Path, is_private: bool) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".highwater-").suffix(".part");
    #[cfg(unix)]
    if !is_private {
        use std::os::unix::fs::PermissionsExt;
        // The umask takes away from it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = is_private;
    builder.tempfile_in(folder)
}
