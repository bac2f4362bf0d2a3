//! Checks for files that can be written but not replaced.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// The reason a file cannot be created or replaced, detected before any data is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The file can be written, but not replaced.
    #[error("it cannot be replaced: {0}")]
    Replace(String),
}

/// Returns whether an error is a permission error.
pub(super) fn is_permission_error(error: &io::Error) -> bool {
    [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
    ]
    .contains(&error.kind())
}

/// Checks that a file is neither immutable nor append-only.
///
/// # Errors
///
/// [`CreateError::Write`] if it is immutable or append-only.
pub(super) fn check_flags(target: &Path) -> Result<(), CreateError> {
    let flags = Flags::of(target);
    let reason = if flags.is_immutable {
        "it is immutable; remove the flag with `chattr -i`"
    } else if flags.is_append_only {
        "it is append-only; remove the flag with `chattr -a`"
    } else {
        return Ok(());
    };
    let cause = io::Error::new(io::ErrorKind::PermissionDenied, reason);
    Err(CreateError::Write(cause))
}

/// Checks that a rename can replace a file without loss.
///
/// # Errors
///
/// [`CreateError::Replace`] for a mount point, a file with several hard links, or another
/// user's file in a sticky folder.
pub(super) fn check_replaceable(
    existing: &File,
    target: &Path,
    folder: &Path,
) -> Result<(), CreateError> {
    if Flags::of(target).is_mount_point {
        return Err(CreateError::Replace("it is a mount point".to_owned()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (file, folder) = (existing.metadata()?, fs::metadata(folder)?);
        if file.nlink() > 1 {
            let others = file.nlink() - 1;
            return Err(CreateError::Replace(format!(
                "it has {others} other hard {} that would keep the old content",
                if others == 1 { "link" } else { "links" }
            )));
        }
        let is_sticky = folder.mode() & 0o1000 != 0;
        let user = nix::unistd::geteuid().as_raw();
        let is_owner = [file.uid(), folder.uid()].contains(&user);
        if is_sticky && !is_owner && !has_owner_rights() {
            return Err(CreateError::Replace(
                "it belongs to another user and its folder is sticky".to_owned(),
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (existing, folder);
    Ok(())
}

/// Checks that files can be renamed in a folder. Otherwise, the temporary file would be
/// left behind.
///
/// # Errors
///
/// [`CreateError`] if the folder is append-only.
pub(super) fn check_folder(folder: &Path, target_exists: bool) -> Result<(), CreateError> {
    if !Flags::of(folder).is_append_only {
        return Ok(());
    }
    let reason = format!("the folder {} is append-only", folder.display());
    Err(if target_exists {
        CreateError::Replace(reason)
    } else {
        let cause = format!("{reason}: files in it cannot be renamed");
        CreateError::Write(io::Error::new(io::ErrorKind::PermissionDenied, cause))
    })
}

/// File flags. All are false if the file system does not report them.
#[derive(Default)]
struct Flags {
    is_immutable: bool,
    is_append_only: bool,
    /// The file is a mount point, such as a file mounted into a container.
    is_mount_point: bool,
}

#[cfg(target_os = "linux")]
impl Flags {
    fn of(path: &Path) -> Self {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        let Ok(found) = statx(CWD, path, AtFlags::empty(), StatxFlags::empty()) else {
            return Flags::default();
        };
        let has = |attribute| found.stx_attributes.contains(attribute);
        Flags {
            is_immutable: has(StatxAttributes::IMMUTABLE),
            is_append_only: has(StatxAttributes::APPEND),
            is_mount_point: has(StatxAttributes::MOUNT_ROOT),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Flags {
    fn of(_path: &Path) -> Self {
        Flags::default()
    }
}

/// Returns whether the process can act as the owner of any file. Root in a container
/// often cannot.
#[cfg(unix)]
fn has_owner_rights() -> bool {
    /// The bit in the capability mask.
    const CAP_FOWNER: u64 = 1 << 3;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match effective.map(|mask| u64::from_str_radix(mask.trim(), 16)) {
        Some(Ok(mask)) => mask & CAP_FOWNER != 0,
        _ => nix::unistd::geteuid().is_root(),
    }
}
