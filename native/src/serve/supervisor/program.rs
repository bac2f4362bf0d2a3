//! The program that workers are started from.
//!
//! A deployment replaces the program's file, or points a symbolic link to another
//! folder, and then reloads. Therefore the supervisor remembers the name that the program
//! was called by, and resolves it again for each worker:
//!
//! | called as | resolves to |
//! |---|---|
//! | `/srv/current/highwater` | that path, following its links again |
//! | `bin/highwater` | that path below the start folder as the shell names it: after `cd /srv/current`, the link `current` is followed again |
//! | `highwater` | the first file of that name in the folders of `PATH` |
//!
//! The start folder and `PATH` are those at the start of the supervisor. If `argv[0]` does
//! not lead to the running program, because a launcher changed it, the path of the
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

/// The name of a program, which is resolved at each start.
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
    /// The reason why the running program was started instead, if it was.
    pub(super) fallback_cause: Option<io::Error>,
}

/// The suffix that Linux appends to the path of a running program whose file was
/// deleted.
const DELETED: &[u8] = b" (deleted)";

/// The running program's file, even if it was deleted. Linux only.
const RUNNING: &str = "/proc/self/exe";

/// The `PATH` that shells use if none is set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

impl Program {
    /// Returns the name by which this program was called.
    ///
    /// # Errors
    ///
    /// If `argv[0]` does not lead to the running program, and the system does not know
    /// its path either.
    pub(super) fn this() -> io::Result<Self> {
        let called = env::args_os().next();
        let called = called.and_then(|called| {
            let folder = start_folder(env::var_os("PWD"))?;
            Some(Self::called(called, &folder, env::var_os("PATH")))
        });
        match called {
            Some(program) if program.is_running() => Ok(program),
            _ => Ok(Program::Path(without_deleted(env::current_exe()?))),
        }
    }

    fn called(called: OsString, folder: &Path, path: Option<OsString>) -> Self {
        if called.as_bytes().contains(&b'/') {
            return Program::Path(folder.join(called));
        }
        let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
        // An empty entry means the current folder.
        let folders = env::split_paths(&path).map(|entry| folder.join(entry));
        Program::Lookup {
            name: called,
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
        let Ok(found) = self.find() else {
            return false;
        };
        let Ok(exe) = env::current_exe() else {
            return false;
        };
        let running = identity(Path::new(RUNNING)).or_else(|| identity(&exe));
        let is_replaced = exe != without_deleted(exe.clone());
        is_replaced || identity(&found) == running
    }

    /// Returns the file that the name leads to now, with all links resolved.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it cannot be executed.
    pub(super) fn find(&self) -> io::Result<PathBuf> {
        match self {
            Program::Path(path) => executable(path).map_err(|cause| {
                io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
            }),
            Program::Lookup { name, folders } => folders
                .iter()
                .find_map(|folder| executable(&folder.join(name)).ok())
                .ok_or_else(|| {
                    let name = name.display();
                    let cause = format!("no program {name} in the folders of PATH");
                    io::Error::new(io::ErrorKind::NotFound, cause)
                }),
        }
    }

    /// Calls `start` with the file that the name leads to now. If that file cannot be
    /// started and `may_fall_back` is set, calls `start` with the running program.
    ///
    /// # Errors
    ///
    /// If neither could be started.
    pub(super) fn launch<T>(
        &self,
        may_fall_back: bool,
        mut start: impl FnMut(&Path) -> io::Result<T>,
    ) -> io::Result<Launched<T>> {
        let cause = match self.find() {
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
                    let named = io::Error::new(cause.kind(), text);
                    if !is_file_error(&cause) {
                        return Err(named);
                    }
                    named
                }
            },
            Err(cause) => cause,
        };
        match fs::read_link(RUNNING) {
            Ok(file) if may_fall_back => Ok(Launched {
                value: start(Path::new(RUNNING))?,
                file,
                fallback_cause: Some(cause),
            }),
            _ => Err(cause),
        }
    }
}

/// Returns the folder in which this process was started. `PWD` keeps the links in the
/// shell's path; the system returns only the resolved path.
fn start_folder(pwd: Option<OsString>) -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let is_here = |path: &PathBuf| {
        path.is_absolute() && fs::canonicalize(path).is_ok_and(|path| path == here)
    };
    let pwd = pwd.map(PathBuf::from).filter(is_here);
    Some(pwd.unwrap_or(here))
}

fn without_deleted(exe: PathBuf) -> PathBuf {
    match exe.as_os_str().as_bytes().strip_suffix(DELETED) {
        Some(path) if !exe.exists() => OsStr::from_bytes(path).into(),
        _ => exe,
    }
}

fn executable(path: &Path) -> io::Result<PathBuf> {
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

    fn program(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn path_is_resolved_at_each_start() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let [one, two] = ["rel/1/highwater", "rel/2/highwater"].map(|path| folder.join(path));
        program(&one);
        program(&two);
        let current = folder.join("current");
        let called = Program::called("current/highwater".into(), &folder, None);
        assert!(
            called
                .find()
                .unwrap_err()
                .to_string()
                .contains("current/highwater")
        );
        symlink("rel/1", &current).unwrap();
        assert_eq!(called.find().unwrap(), one);
        fs::remove_file(&current).unwrap();
        symlink("rel/2", &current).unwrap();
        assert_eq!(called.find().unwrap(), two);
        // Neither a file without the permission nor a folder is a program.
        fs::set_permissions(&two, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(called.find().is_err());
        fs::remove_file(&two).unwrap();
        fs::create_dir(&two).unwrap();
        assert!(
            called
                .find()
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
        let called = Program::called("highwater".into(), &folder, Some(path));
        assert!(called.find().unwrap_err().to_string().contains("PATH"));
        for path in ["highwater", "b/highwater", "a/highwater"] {
            let path = folder.join(path);
            program(&path);
            assert_eq!(called.find().unwrap(), path);
        }
        // Files that cannot be executed are skipped, as in a shell.
        let first = folder.join("a/highwater");
        fs::set_permissions(&first, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(called.find().unwrap(), folder.join("b/highwater"));
    }

    #[test]
    fn start_folder_keeps_the_links_of_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let here = env::current_dir().unwrap();
        let link = folder.path().join("link");
        symlink(&here, &link).unwrap();
        let named = |pwd: &Path| start_folder(Some(pwd.into()));
        assert_eq!(named(&link), Some(link.clone()));
        for wrong in ["/", "", "link", "/nowhere"] {
            assert_eq!(named(Path::new(wrong)), Some(here.clone()), "{wrong}");
        }
        assert_eq!(start_folder(None), Some(here));
    }

    #[test]
    fn missing_program_falls_back_only_if_allowed() {
        let missing = Program::Path("/nowhere/highwater".into());
        let error = missing.launch(false, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/highwater"), "{error}");
        if cfg!(target_os = "linux") {
            let launched = missing.launch(true, |file| Ok(file.to_owned())).unwrap();
            assert_eq!(launched.value, Path::new(RUNNING));
            assert_eq!(launched.file, env::current_exe().unwrap());
            assert!(launched.fallback_cause.is_some());
        }
        // A failure of the system does not fall back.
        let present = Program::Path("/bin/sh".into());
        let error = io::Error::from(Errno::EAGAIN);
        let mut error = Some(error);
        let tried = present.launch(true, |_| Err::<(), _>(error.take().unwrap()));
        assert!(tried.is_err());
    }

    #[test]
    fn deleted_suffix_is_removed() {
        let cleaned = |path: &str| without_deleted(path.into());
        assert_eq!(
            cleaned("/nowhere/highwater (deleted)"),
            Path::new("/nowhere/highwater")
        );
        assert_eq!(
            cleaned("/nowhere/highwater"),
            Path::new("/nowhere/highwater")
        );
    }
}
