//! Atomic file replacement: a file gets its final name only when it is complete and on
//! disk.
//!
//! The content is written to a temporary file in the same folder, which is then renamed
//! to the target. The rename gives the target a new inode, so permissions, owner and
//! extended attributes are copied from the old file. If they cannot be copied, the file
//! is rejected before any data is written.

mod attributes;
mod checks;

pub(crate) use checks::CreateError;

use attributes::Attributes;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};
use tempfile::TempPath;

/// A file that is created or replaced by [`commit`](Self::commit).
///
/// Dropping it without a commit removes the temporary file.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    temp_path: TempPath,
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

impl AtomicFile {
    /// Creates the temporary file. Does not change the target.
    ///
    /// An existing file keeps its permissions, owner, group, access list and extended
    /// attributes. A new file gets the permissions of `model`, or the default permissions
    /// (umask) if there is no model.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if the target cannot be written, or cannot be replaced without loss.
    pub(crate) fn create(path: &Path, model: Option<&File>) -> Result<(Self, Draft), CreateError> {
        let target = target_of(path)?;
        let folder = folder_of(&target);
        let existing = match fs::metadata(&target) {
            Ok(_) => {
                checks::check_flags(&target)?;
                // A rename only needs write permission on the folder, but a read-only
                // file must not be replaced.
                Some(OpenOptions::new().write(true).open(&target)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // The rename would fail later.
            Err(error) => return Err(error.into()),
        };
        if let Some(existing) = &existing {
            checks::check_replaceable(existing, &target, folder)?;
        }
        checks::check_folder(folder, existing.is_some())?;
        let is_private = existing.is_some() || model.is_some();
        let temporary = create_temporary(folder, is_private).map_err(|cause| {
            if existing.is_some() && checks::is_permission_error(&cause) {
                let folder = folder.display();
                CreateError::Replace(format!("cannot write to the folder {folder}: {cause}"))
            } else {
                CreateError::Write(cause)
            }
        })?;
        let (file, temp_path) = temporary.into_parts();
        let attributes = match (&existing, model) {
            (Some(existing), _) => {
                Attributes::preserve(existing, &file).map_err(CreateError::Replace)?
            }
            (None, Some(model)) => Attributes::copy_permissions(model, &file)?,
            (None, None) => Attributes::default(),
        };
        let atomic = AtomicFile {
            folder: File::open(folder).ok(),
            target,
            temp_path,
        };
        Ok((atomic, Draft { file, attributes }))
    }

    /// Renames the temporary file to the target. Call [`Draft::finish`] first.
    ///
    /// Blocks until the folder is synced to disk.
    ///
    /// # Errors
    ///
    /// If the rename fails, the old file is unchanged. If syncing the folder fails, the
    /// new file is already in place.
    pub(crate) fn commit(self) -> io::Result<()> {
        self.temp_path.persist(&self.target)?;
        self.folder.as_ref().map_or(Ok(()), |folder| {
            sync(folder).map_err(|cause| {
                let message =
                    format!("it is complete, but may be lost in a power failure: {cause}");
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
    /// I/O errors, including delayed errors of earlier writes.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.attributes.apply(&self.file)?;
        sync(&self.file)
    }
}

/// Syncs a file or folder to disk.
///
/// # Errors
///
/// I/O errors, except from file systems that do not support syncing.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // Some file systems cannot sync at all, and some cannot sync folders.
        Err(error)
            if [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported]
                .contains(&error.kind()) =>
        {
            Ok(())
        }
        // Folders can be synced only on Unix.
        #[cfg(not(unix))]
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Returns the folder that contains a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Follows symbolic links to the file to replace. The file may not exist yet.
///
/// # Errors
///
/// If the links form a cycle.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    /// The Linux limit.
    const MAX_LINKS: usize = 40;
    if let Ok(target) = path.canonicalize() {
        return Ok(target);
    }
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_not_a_link) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// Creates a temporary file that is removed on drop, with mode 0600 if `is_private`.
fn create_temporary(folder: &Path, is_private: bool) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".highwater-").suffix(".part");
    #[cfg(unix)]
    if !is_private {
        use std::os::unix::fs::PermissionsExt;
        // The system applies the umask to this mode.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = is_private;
    builder.tempfile_in(folder)
}
