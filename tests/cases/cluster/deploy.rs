//! Deployments: a reload starts the program that its path currently leads to.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use load::cluster::{Cluster, send_signal};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::program;
use crate::support::{
    TIMEOUT, all_workers, assert_logged, assert_nothing_failed, request, start_mixed_load,
    start_with, transcript, wait_for_event, wait_for_workers, wait_until,
};

/// A folder with releases, on the same file system as the built program.
struct Releases {
    folder: TempDir,
}

impl Releases {
    fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let releases = Releases { folder };
        releases.install("rel/1");
        releases.install("rel/2");
        releases.link("current", "rel/1");
        releases
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(path)
    }

    fn install(&self, folder: &str) {
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        install(&folder.join("highwater"));
    }

    /// Points a symbolic link to a folder atomically.
    fn link(&self, link: &str, folder: &str) {
        let new = self.path("new-link");
        symlink(folder, &new).unwrap();
        fs::rename(&new, self.path(link)).unwrap();
    }

    /// Returns a command for the program at `path`, with this `argv[0]`.
    fn command(&self, path: &str, arg0: &str) -> Command {
        let mut command = Command::new(self.path(path));
        command.arg0(arg0).current_dir(self.path("."));
        command
    }
}

/// Installs the program. Releases differ only in their path.
fn install(path: &Path) {
    let built = program::command();
    let built = Path::new(built.get_program());
    if fs::hard_link(built, path).is_err() {
        fs::copy(built, path).unwrap();
    }
}

/// Returns the executable of a process.
fn program_of(worker: u32) -> PathBuf {
    fs::read_link(format!("/proc/{worker}/exe")).unwrap()
}

/// Reloads, and fails unless all workers then run this file.
#[track_caller]
fn assert_reload_starts(cluster: &Cluster, file: &Path, reloads: usize, workers: usize) {
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(cluster, "reloaded", reloads);
    for worker in wait_for_workers(cluster, workers) {
        assert_eq!(program_of(worker), file, "{}", transcript(cluster));
    }
    let file = format!("{}, version 0.1.0", file.display());
    assert_logged(cluster, &["is ready: ", &file]);
}

/// Reloads, and fails unless the reload is aborted and the same workers keep serving.
#[track_caller]
fn assert_reload_aborted(cluster: &Cluster, aborted: usize, words: &[&str]) {
    let before = cluster.workers();
    let reloaded = cluster.count("reloaded");
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(cluster, "reload_aborted", aborted);
    assert_logged(cluster, words);
    assert_eq!(cluster.workers(), before, "{}", transcript(cluster));
    assert_eq!(cluster.count("reloaded"), reloaded);
    assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
}

#[test]
fn reload_follows_a_changed_link() {
    let releases = Releases::new();
    let path = releases.path("current/highwater");
    let arg0 = path.to_str().unwrap();
    let cluster = start_with(releases.command("current/highwater", arg0), 2, &[]);
    for worker in cluster.workers() {
        assert_eq!(program_of(worker), releases.path("rel/1/highwater"));
    }
    let running = start_mixed_load(&cluster);
    releases.link("current", "rel/2");
    assert_reload_starts(&cluster, &releases.path("rel/2/highwater"), 1, 2);
    // The old release is no longer needed.
    fs::remove_dir_all(releases.path("rel/1")).unwrap();
    assert_reload_starts(&cluster, &releases.path("rel/2/highwater"), 2, 2);
    assert_nothing_failed(&running.stop());
    let started = cluster.events();
    let started = started.iter().filter(|event| event.event == "started");
    let programs = started.map(|event| event.line["program"].as_str().unwrap().to_owned());
    let first_release = releases.path("rel/1/highwater").display().to_string();
    let programs: Vec<String> = programs.collect();
    let is_first = programs.iter().map(|program| *program == first_release);
    let expected = [true, true, false, false, false, false];
    assert!(is_first.eq(expected), "{programs:?}");
}

#[test]
fn reload_resolves_every_form_of_program_name() {
    // `argv[0]`, the start folder, and an environment variable that a shell would set.
    let cases = [
        ("current/highwater", ".", None),
        ("./rel/../current/highwater", ".", None),
        ("./highwater", "current", Some(("PWD", "current"))),
        ("highwater", ".", Some(("PATH", "current"))),
        ("highwater", "rel", Some(("PATH", "../current"))),
    ];
    for (arg0, folder, variable) in cases {
        let releases = Releases::new();
        let mut command = releases.command("current/highwater", arg0);
        command.current_dir(releases.path(folder));
        if let Some((name, value)) = variable {
            let is_relative = value.starts_with("..");
            let value = if is_relative {
                PathBuf::from(value)
            } else {
                releases.path(value)
            };
            command.env(name, value);
        }
        let cluster = start_with(command, 1, &[]);
        releases.link("current", "rel/2");
        fs::remove_dir_all(releases.path("rel/1")).unwrap();
        assert_reload_starts(&cluster, &releases.path("rel/2/highwater"), 1, 1);
    }
}

#[test]
fn start_folder_can_be_replaced() {
    let releases = Releases::new();
    releases.install("app");
    let mut command = releases.command("app/highwater", "./highwater");
    command.current_dir(releases.path("app"));
    let cluster = start_with(command, 1, &[]);
    fs::rename(releases.path("app"), releases.path("old")).unwrap();
    assert_reload_aborted(&cluster, 1, &["reload aborted: ", "No such file"]);
    fs::rename(releases.path("rel/2"), releases.path("app")).unwrap();
    fs::remove_dir_all(releases.path("old")).unwrap();
    assert_reload_starts(&cluster, &releases.path("app/highwater"), 1, 1);
}

#[test]
fn reload_starts_the_replaced_program_file() {
    let releases = Releases::new();
    let path = releases.path("rel/1/highwater");
    // A launcher can pass any `argv[0]`.
    for arg0 in [path.to_str().unwrap(), "some-service", "", "/bin/sh"] {
        let cluster = start_with(releases.command("rel/1/highwater", arg0), 1, &[]);
        let new = releases.path("new");
        fs::copy(&path, &new).unwrap();
        fs::rename(&new, &path).unwrap();
        let [first] = cluster.workers()[..] else {
            panic!("{}", transcript(&cluster));
        };
        let old = program_of(first);
        assert!(
            old.to_str().unwrap().ends_with("highwater (deleted)"),
            "{old:?}"
        );
        assert_reload_starts(&cluster, &path, 1, 1);
    }
}

#[test]
fn program_that_cannot_be_started_aborts_the_reload() {
    let releases = Releases::new();
    let path = releases.path("current/highwater");
    let file = releases.path("rel/1/highwater");
    let arg0 = path.to_str().unwrap().to_owned();
    let cluster = start_with(releases.command("current/highwater", &arg0), 2, &[]);
    let running = start_mixed_load(&cluster);

    releases.link("current", "rel/3");
    assert_reload_aborted(&cluster, 1, &["reload aborted: ", &arg0, "No such file"]);
    releases.link("current", "rel/1");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_reload_aborted(&cluster, 2, &["reload aborted: ", &arg0, "not a file"]);
    fs::remove_dir(&file).unwrap();
    fs::write(&file, "a text").unwrap();
    assert_reload_aborted(&cluster, 3, &["reload aborted: ", &arg0, "denied"]);
    // A file that is still being written.
    fs::remove_file(&file).unwrap();
    fs::copy(releases.path("rel/2/highwater"), &file).unwrap();
    let writer = OpenOptions::new().append(true).open(&file).unwrap();
    assert_reload_aborted(&cluster, 4, &["cannot be started: ", "busy"]);
    drop(writer);

    assert_nothing_failed(&running.stop());
    assert_reload_starts(&cluster, &file, 1, 2);
}

#[test]
fn crash_with_a_missing_program_starts_the_running_one() {
    let releases = Releases::new();
    let arg0 = releases.path("current/highwater");
    let arg0 = arg0.to_str().unwrap();
    let cluster = start_with(releases.command("current/highwater", arg0), 2, &[]);
    fs::remove_dir_all(releases.path("rel/1")).unwrap();
    let killed = cluster.workers()[0];
    send_signal(killed, Signal::SIGKILL).unwrap();
    wait_until("the killed worker is replaced", || {
        all_workers(&cluster).len() == 3
    });
    wait_for_workers(&cluster, 2);
    // The log says that the worker falls back to the running program.
    let words = [
        "No such file",
        "running program",
        "rel/1/highwater (deleted)",
    ];
    assert_logged(&cluster, &words);
    assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
    assert_reload_aborted(&cluster, 1, &["reload aborted: ", arg0]);
    releases.link("current", "rel/2");
    assert_reload_starts(&cluster, &releases.path("rel/2/highwater"), 1, 2);
}

#[test]
fn program_in_use_cannot_be_overwritten() {
    let releases = Releases::new();
    let path = releases.path("rel/1/highwater");
    fs::remove_file(&path).unwrap();
    fs::copy(releases.path("rel/2/highwater"), &path).unwrap();
    let cluster = start_with(
        releases.command("rel/1/highwater", path.to_str().unwrap()),
        1,
        &[],
    );
    let error = fs::write(&path, "half a program").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ExecutableFileBusy);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_reload_starts(&cluster, &path, 1, 1);
}

#[test]
fn service_manager_is_notified_of_aborted_reload() {
    let releases = Releases::new();
    // Socket paths must be short, but the path of the releases can be long.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let wait_for_state = |state: &str| {
        let mut message = [0; 4096];
        loop {
            let length = manager.recv(&mut message).unwrap();
            let message = String::from_utf8_lossy(&message[..length]);
            if message.lines().any(|line| line == state) {
                return;
            }
        }
    };
    let path = releases.path("current/highwater");
    let mut command = releases.command("current/highwater", path.to_str().unwrap());
    command.env("NOTIFY_SOCKET", &socket);
    let cluster = start_with(command, 1, &[]);
    wait_for_state("READY=1");
    fs::remove_file(releases.path("current")).unwrap();
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_state("RELOADING=1");
    wait_for_state("READY=1");
    wait_for_event(&cluster, "reload_aborted", 1);
}
