//! Files that appear under their name only when they are complete and on disk.
//!
//! The content is written to a temporary file in the same folder, which is then renamed
//! to the target. The target is a new inode afterwards. Its permissions, owner and
//! extended attributes are therefore copied from the old file. If that is impossible,
//! the file is refused before any work starts.

mod attributes;
mod checks;

use crate::output::{folder_of, target_of};
use attributes::Attributes;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempPath;

/// The target of a [`Draft`].
///
/// Removes the temporary file if dropped before [`commit`](Self::commit).
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    part: TempPath,
    /// The target's folder, opened to sync it; `None` if it is not readable.
    folder: Option<File>,
}

/// The temporary file. Only its owner can read it until it is complete.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The file to write to.
    pub(crate) file: File,
    attributes: Attributes,
}

/// The reason why a file cannot be created or replaced, found before any work starts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The file can be written, but not replaced.
    #[error("it cannot be replaced: {0}")]
    Replace(String),
}

impl AtomicFile {
    /// Creates the temporary file. Changes nothing else.
    ///
    /// An existing file keeps its permissions, owner, group, access list and extended
    /// attributes. A new file gets the permissions of `model`, or those that the umask
    /// allows if there is no model.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the target cannot be written, or not be replaced without loss.
    pub(crate) fn create(path: &Path, model: Option<&File>) -> Result<(Self, Draft), Refusal> {
        let target = target_of(path)?;
        let folder = folder_of(&target);
        let existing = match fs::metadata(&target) {
            Ok(_) => {
                checks::check_flags(&target)?;
                // A rename needs write permission on the folder only, but a read-only
                // file is meant to stay unchanged.
                Some(OpenOptions::new().write(true).open(&target)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // A rename to this path would fail later.
            Err(error) => return Err(error.into()),
        };
        if let Some(existing) = &existing {
            checks::check_replaceable(existing, &target, folder)?;
        }
        checks::check_folder(folder, existing.is_some())?;
        let is_private = existing.is_some() || model.is_some();
        let temporary = temporary(folder, is_private).map_err(|cause| {
            if existing.is_some() && checks::is_forbidden(&cause) {
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

    /// Renames the temporary file to the target. Call [`Draft::finish`] first.
    ///
    /// Blocks until the folder is on disk.
    ///
    /// # Errors
    ///
    /// The error of the rename, which leaves the old file in place, or of the folder's
    /// sync, after the rename.
    pub(crate) fn commit(self) -> io::Result<()> {
        self.part.persist(&self.target)?;
        self.folder.as_ref().map_or(Ok(()), |folder| {
            sync(folder).map_err(|cause| {
                let message =
                    format!("it is complete, but may be lost on a power failure: {cause}");
                io::Error::new(cause.kind(), message)
            })
        })
    }
}

impl Draft {
    /// Sets the file's permissions and syncs it to disk.
    ///
    /// # Errors
    ///
    /// The error of the operating system, which may concern an earlier write.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.attributes.apply(&self.file)?;
        sync(&self.file)
    }
}

/// Syncs a file or folder to disk.
///
/// # Errors
///
/// The error of the operating system. Ignores file systems that cannot sync.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // A file system without a disk reports this, and some report it for folders.
        Err(error)
            if [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported]
                .contains(&error.kind()) =>
        {
            Ok(())
        }
        // Only Unix can sync a folder.
        #[cfg(not(unix))]
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Creates a temporary file that is removed on drop, with mode 0600 if `is_private`.
fn temporary(folder: &Path, is_private: bool) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".highwater-").suffix(".part");
    #[cfg(unix)]
    if !is_private {
        use std::os::unix::fs::PermissionsExt;
        // The umask is applied to this.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = is_private;
    builder.tempfile_in(folder)
}
