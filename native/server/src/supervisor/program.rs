//! The program from which workers are started.
//!
//! A deployment replaces the program's file, or points a symbolic link to another folder,
//! and then reloads. Therefore the supervisor remembers the name by which the program was
//! invoked, and resolves it again for each worker:
//!
//! | invoked as | resolves to |
//! |---|---|
//! | `/srv/current/highwater` | that path, following its links again |
//! | `bin/highwater` | that path in the start folder, as named by the shell: after `cd /srv/current`, the link `current` is followed again |
//! | `highwater` | the first file of that name in the folders of `PATH` |
//!
//! The start folder and `PATH` are recorded when the supervisor starts. If a launcher
//! changed `argv[0]` so that it does not lead to the running program, the path of the
//! running program is used instead.

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// A program name that is resolved again at each start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// An absolute path.
    Path(PathBuf),
    /// A name to look up in these folders.
    Lookup {
        name: OsString,
        folders: Vec<PathBuf>,
    },
}

/// The result of a launch.
#[derive(Debug)]
pub(super) struct Launched<T> {
    /// The value that `start` returned.
    pub(super) value: T,
    /// The file that was started, with all links resolved.
    pub(super) file: PathBuf,
    /// The reason for starting the running program instead, if that happened.
    pub(super) fallback_cause: Option<io::Error>,
}

/// The suffix that Linux appends to the path of a running program whose file was
/// deleted.
const DELETED_SUFFIX: &[u8] = b" (deleted)";

/// The running program's file, even if it was deleted. Linux only.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// The `PATH` that shells use if none is set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

impl Program {
    /// Returns the name by which this program was invoked.
    ///
    /// # Errors
    ///
    /// If `argv[0]` does not lead to the running program, and the system cannot determine
    /// its path either.
    pub(super) fn current() -> io::Result<Self> {
        let arg0 = env::args_os().next();
        let program = arg0.and_then(|arg0| {
            let folder = start_folder(env::var_os("PWD"))?;
            Some(Self::from_arg0(arg0, &folder, env::var_os("PATH")))
        });
        match program {
            Some(program) if program.is_running() => Ok(program),
            _ => Ok(Program::Path(strip_deleted_suffix(env::current_exe()?))),
        }
    }

    fn from_arg0(arg0: OsString, folder: &Path, path: Option<OsString>) -> Self {
        if arg0.as_bytes().contains(&b'/') {
            return Program::Path(folder.join(arg0));
        }
        let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
        // An empty entry means the current folder.
        let folders = env::split_paths(&path).map(|entry| folder.join(entry));
        Program::Lookup {
            name: arg0,
            folders: folders.collect(),
        }
    }

    /// Returns true if the name leads to the running program, or to a file that has
    /// replaced it.
    fn is_running(&self) -> bool {
        let identity = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        let Ok(found) = self.resolve() else {
            return false;
        };
        let Ok(exe) = env::current_exe() else {
            return false;
        };
        let running = identity(Path::new(RUNNING_PROGRAM)).or_else(|| identity(&exe));
        let is_replaced = exe != strip_deleted_suffix(exe.clone());
        is_replaced || identity(&found) == running
    }

    /// Returns the file that the name currently leads to, with all links resolved.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it cannot be executed.
    pub(super) fn resolve(&self) -> io::Result<PathBuf> {
        match self {
            Program::Path(path) => resolve_executable(path).map_err(|cause| {
                io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
            }),
            Program::Lookup { name, folders } => folders
                .iter()
                .find_map(|folder| resolve_executable(&folder.join(name)).ok())
                .ok_or_else(|| {
                    let name = name.display();
                    let cause = format!("{name} was not found in the folders of PATH");
                    io::Error::new(io::ErrorKind::NotFound, cause)
                }),
        }
    }

    /// Calls `start` with the file that the name currently leads to. If that file cannot
    /// be started and `can_fall_back` is set, calls `start` with the running program.
    ///
    /// # Errors
    ///
    /// If neither could be started.
    pub(super) fn launch<T>(
        &self,
        can_fall_back: bool,
        mut start: impl FnMut(&Path) -> io::Result<T>,
    ) -> io::Result<Launched<T>> {
        let cause = match self.resolve() {
            Ok(file) => match start(&file) {
                Ok(value) => {
                    return Ok(Launched {
                        value,
                        file,
                        fallback_cause: None,
                    });
                }
                Err(cause) => {
                    let text = format!("{}: {cause}", file.display());
                    let error = io::Error::new(cause.kind(), text);
                    if !is_file_error(&cause) {
                        return Err(error);
                    }
                    error
                }
            },
            Err(cause) => cause,
        };
        match fs::read_link(RUNNING_PROGRAM) {
            Ok(file) if can_fall_back => Ok(Launched {
                value: start(Path::new(RUNNING_PROGRAM))?,
                file,
                fallback_cause: Some(cause),
            }),
            _ => Err(cause),
        }
    }
}

/// Returns the folder in which this process was started. `PWD` preserves the symbolic
/// links in the shell's path, but the system returns only the resolved path.
fn start_folder(pwd: Option<OsString>) -> Option<PathBuf> {
    let current_dir = env::current_dir().ok()?;
    let is_current_dir = |path: &PathBuf| {
        path.is_absolute() && fs::canonicalize(path).is_ok_and(|path| path == current_dir)
    };
    let pwd = pwd.map(PathBuf::from).filter(is_current_dir);
    Some(pwd.unwrap_or(current_dir))
}

fn strip_deleted_suffix(exe: PathBuf) -> PathBuf {
    match exe.as_os_str().as_bytes().strip_suffix(DELETED_SUFFIX) {
        Some(path) if !exe.exists() => OsStr::from_bytes(path).into(),
        _ => exe,
    }
}

fn resolve_executable(path: &Path) -> io::Result<PathBuf> {
    let file = fs::canonicalize(path)?;
    if !fs::metadata(&file)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    access(&file, AccessFlags::X_OK)?;
    Ok(file)
}

/// Returns true if starting a program failed because of its file, not because of the
/// system.
fn is_file_error(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(
            Errno::ENOENT
                | Errno::EACCES
                | Errno::EPERM
                | Errno::ENOEXEC
                | Errno::ETXTBSY
                | Errno::ELOOP
                | Errno::ENOTDIR
                | Errno::EISDIR
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn write_program(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn path_is_resolved_at_each_start() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let [one, two] = ["rel/1/highwater", "rel/2/highwater"].map(|path| folder.join(path));
        write_program(&one);
        write_program(&two);
        let current = folder.join("current");
        let program = Program::from_arg0("current/highwater".into(), &folder, None);
        assert!(
            program
                .resolve()
                .unwrap_err()
                .to_string()
                .contains("current/highwater")
        );
        symlink("rel/1", &current).unwrap();
        assert_eq!(program.resolve().unwrap(), one);
        fs::remove_file(&current).unwrap();
        symlink("rel/2", &current).unwrap();
        assert_eq!(program.resolve().unwrap(), two);
        // Neither a non-executable file nor a folder is a program.
        fs::set_permissions(&two, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(program.resolve().is_err());
        fs::remove_file(&two).unwrap();
        fs::create_dir(&two).unwrap();
        assert!(
            program
                .resolve()
                .unwrap_err()
                .to_string()
                .contains("not a file")
        );
    }

    #[test]
    fn name_without_a_slash_is_looked_up_in_path() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let path = env::join_paths([folder.join("a"), "b".into(), "".into()]).unwrap();
        let program = Program::from_arg0("highwater".into(), &folder, Some(path));
        assert!(program.resolve().unwrap_err().to_string().contains("PATH"));
        for path in ["highwater", "b/highwater", "a/highwater"] {
            let path = folder.join(path);
            write_program(&path);
            assert_eq!(program.resolve().unwrap(), path);
        }
        // Non-executable files are skipped, as in a shell.
        let first = folder.join("a/highwater");
        fs::set_permissions(&first, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(program.resolve().unwrap(), folder.join("b/highwater"));
    }

    #[test]
    fn start_folder_preserves_symbolic_links() {
        let folder = tempfile::tempdir().unwrap();
        let current_dir = env::current_dir().unwrap();
        let link = folder.path().join("link");
        symlink(&current_dir, &link).unwrap();
        let resolve = |pwd: &Path| start_folder(Some(pwd.into()));
        assert_eq!(resolve(&link), Some(link.clone()));
        for invalid in ["/", "", "link", "/nowhere"] {
            assert_eq!(
                resolve(Path::new(invalid)),
                Some(current_dir.clone()),
                "{invalid}"
            );
        }
        assert_eq!(start_folder(None), Some(current_dir));
    }

    #[test]
    fn missing_program_falls_back_only_if_allowed() {
        let missing = Program::Path("/nowhere/highwater".into());
        let error = missing.launch(false, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/highwater"), "{error}");
        if cfg!(target_os = "linux") {
            let launched = missing.launch(true, |file| Ok(file.to_owned())).unwrap();
            assert_eq!(launched.value, Path::new(RUNNING_PROGRAM));
            assert_eq!(launched.file, env::current_exe().unwrap());
            assert!(launched.fallback_cause.is_some());
        }
        // A system failure does not trigger the fallback.
        let existing = Program::Path("/bin/sh".into());
        let error = io::Error::from(Errno::EAGAIN);
        let mut error = Some(error);
        let result = existing.launch(true, |_| Err::<(), _>(error.take().unwrap()));
        assert!(result.is_err());
    }

    #[test]
    fn deleted_suffix_is_removed() {
        let strip = |path: &str| strip_deleted_suffix(path.into());
        assert_eq!(
            strip("/nowhere/highwater (deleted)"),
            Path::new("/nowhere/highwater")
        );
        assert_eq!(strip("/nowhere/highwater"), Path::new("/nowhere/highwater"));
    }
}
