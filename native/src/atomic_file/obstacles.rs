//! What keeps a file from being replaced, although it can be written.

use super::Refusal;
use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Whether something is not allowed, rather than failed.
pub(super) fn is_forbidden(error: &io::Error) -> bool {
    [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
    ]
    .contains(&error.kind())
}

/// Refuses a file whose content nobody can replace.
///
/// # Errors
///
/// [`Refusal::Write`].
pub(super) fn write_protection(target: &Path) -> Result<(), Refusal> {
    let flags = Flags::of(target);
    let reason = if flags.is_immutable {
        "it is immutable: `chattr -i` has it be changed"
    } else if flags.is_append_only {
        "it is append-only: `chattr -a` has it be changed"
    } else {
        return Ok(());
    };
    let cause = io::Error::new(io::ErrorKind::PermissionDenied, reason);
    Err(Refusal::Write(cause))
}

/// Refuses a file that another cannot take the place of.
///
/// # Errors
///
/// [`Refusal::Replace`].
pub(super) fn replacement(existing: &File, target: &Path, folder: &Path) -> Result<(), Refusal> {
    if Flags::of(target).is_mounted {
        return Err(Refusal::Replace("it is a mount point".to_owned()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (file, folder) = (existing.metadata()?, fs::metadata(folder)?);
        if file.nlink() > 1 {
            let others = file.nlink() - 1;
            return Err(Refusal::Replace(format!(
                "it has {others} other {} (hard links), which would keep the old content",
                if others == 1 { "name" } else { "names" }
            )));
        }
        let is_sticky = folder.mode() & 0o1000 != 0;
        let user = nix::unistd::geteuid().as_raw();
        let is_owner = [file.uid(), folder.uid()].contains(&user);
        if is_sticky && !is_owner && !may_act_for_owners() {
            return Err(Refusal::Replace(
                "it is another user's, in a folder that is sticky".to_owned(),
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (existing, folder);
    Ok(())
}

/// Refuses a folder in which nothing can be renamed: a temporary file would stay.
///
/// # Errors
///
/// [`Refusal`].
pub(super) fn rename(folder: &Path, is_existing: bool) -> Result<(), Refusal> {
    if !Flags::of(folder).is_append_only {
        return Ok(());
    }
    let reason = format!("the folder {} is append-only", folder.display());
    Err(if is_existing {
        Refusal::Replace(reason)
    } else {
        let cause = format!("{reason}: a file cannot be put in its place there");
        Refusal::Write(io::Error::new(io::ErrorKind::PermissionDenied, cause))
    })
}

/// What a file system says of a file, if it does.
#[derive(Default)]
struct Flags {
    is_immutable: bool,
    is_append_only: bool,
    /// A mount point, such as a file that is mounted into a container.
    is_mounted: bool,
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
            is_mounted: has(StatxAttributes::MOUNT_ROOT),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Flags {
    fn of(_path: &Path) -> Self {
        Flags::default()
    }
}

/// Whether the process may do with any file what its owner may. Root in a
/// container often may not.
#[cfg(unix)]
fn may_act_for_owners() -> bool {
    /// `CAP_FOWNER`
    const CAPABILITY: u64 = 1 << 3;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match effective.map(|mask| u64::from_str_radix(mask.trim(), 16)) {
        Some(Ok(mask)) => mask & CAPABILITY != 0,
        _ => nix::unistd::geteuid().is_root(),
    }
}
