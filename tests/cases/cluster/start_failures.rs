//! Workers that cannot start: the others keep serving, and the supervisor gives up only
//! when none is left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use load::cluster::{Cluster, describe_exit, send_signal};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::program;
use crate::support::{
    TIMEOUT, assert_logged, assert_nothing_failed, have_exited, request, start_mixed_load,
    start_with, transcript, wait_for_event, wait_for_workers, wait_until,
};

/// An installed program, which can be replaced.
struct InstalledProgram {
    _folder: TempDir,
    program: PathBuf,
}

impl InstalledProgram {
    fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = folder.path().join("highwater");
        let installed = InstalledProgram {
            _folder: folder,
            program,
        };
        installed.install_working();
        installed
    }

    fn start(&self, options: &[&str]) -> Cluster {
        start_with(Command::new(&self.program), 2, options)
    }

    fn install_working(&self) {
        let program = program::command();
        install(&self.program, &fs::read(program.get_program()).unwrap());
    }

    /// Installs a program that exits on its first start and then hangs.
    fn install_hanging(&self) {
        let script = b"#!/bin/sh\nmkdir \"$0.started\" 2>/dev/null && exit 3\nexec sleep 60\n";
        install(&self.program, script);
    }

    /// Installs a program that exits immediately.
    fn install_crashing(&self) {
        install(&self.program, b"#!/bin/sh\nexit 3\n");
    }
}

/// Replaces a program atomically, as an installer does.
fn install(program: &Path, content: &[u8]) {
    let new = program.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, program).unwrap();
}

#[test]
fn failing_worker_recovers_while_others_serve() {
    let installed = InstalledProgram::new();
    let cluster = installed.start(&["--give-up-after", "1"]);
    let first = cluster.workers();
    installed.install_crashing();
    send_signal(first[0], Signal::SIGKILL).unwrap();
    wait_for_event(&cluster, "failing", 1);
    let running = start_mixed_load(&cluster);
    wait_for_event(&cluster, "started", 12);
    assert!(running.wait_for_responses(200, TIMEOUT));
    assert_nothing_failed(&running.stop());
    assert_eq!(cluster.workers(), first[1..]);
    assert_logged(
        &cluster,
        &["worker ", "exit code 3", "1 of 2 workers ready"],
    );
    let failed = |line: &&String| line.contains("exit code 3");
    let logged_count = cluster.log().iter().filter(failed).count();
    assert!(
        logged_count <= 6,
        "{logged_count} lines: {}",
        transcript(&cluster)
    );

    let ready = request(cluster.addr(), "GET", "/readyz");
    assert_eq!(ready.status, 200);
    let is_degraded = ready
        .text
        .contains("degraded: these workers fail to start: ");
    assert!(is_degraded, "{ready:?}");
    let metrics = request(cluster.addr(), "GET", "/metrics").text;
    for line in [
        "highwater_workers_wanted 2\n",
        "highwater_workers_ready 1\n",
        "highwater_workers_failing 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }

    installed.install_working();
    let workers = wait_for_workers(&cluster, 2);
    assert!(workers.contains(&first[1]));
    wait_for_event(&cluster, "failing", 2);
    wait_until("no worker is failing", || {
        let ready = request(cluster.addr(), "GET", "/readyz");
        !ready.text.contains("degraded")
    });
    let metrics = request(cluster.addr(), "GET", "/metrics").text;
    assert!(
        metrics.contains("highwater_workers_failing 0\n"),
        "{metrics}"
    );
    assert_eq!(cluster.count("gave_up"), 0, "{}", transcript(&cluster));
}

#[test]
fn worker_with_a_bug_keeps_serving_when_starts_fail() {
    let installed = InstalledProgram::new();
    let cluster = installed.start(&["--faults"]);
    let first = cluster.workers();
    installed.install_crashing();
    let running = start_mixed_load(&cluster);
    assert_eq!(request(cluster.addr(), "POST", "/faults/bug").status, 500);
    wait_for_event(&cluster, "failing", 1);
    let before = running.ledger().total().answered();
    assert!(running.wait_for_responses(before + 200, TIMEOUT));
    assert_eq!(cluster.workers(), first, "{}", transcript(&cluster));
    installed.install_working();
    wait_for_event(&cluster, "failing", 2);
    wait_until("the worker with the bug is replaced", || {
        let workers = cluster.workers();
        workers.len() == 2 && workers != first
    });
    assert_nothing_failed(&running.stop());
}

#[test]
fn crashing_release_aborts_the_reload_then_gives_up() {
    let installed = InstalledProgram::new();
    let mut cluster = installed.start(&["--give-up-after", "1"]);
    let first = cluster.workers();
    let running = start_mixed_load(&cluster);
    assert!(running.wait_for_responses(100, TIMEOUT));
    installed.install_crashing();
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(&cluster, "reload_aborted", 1);
    assert_eq!(
        wait_for_workers(&cluster, 2),
        first,
        "the old workers keep serving"
    );
    let before = running.ledger().total().answered();
    assert!(running.wait_for_responses(before + 100, TIMEOUT));
    assert_nothing_failed(&running.stop());
    assert_logged(&cluster, &["reload"]);

    for worker in &first {
        send_signal(*worker, Signal::SIGKILL).unwrap();
    }
    let status = cluster.wait(TIMEOUT).unwrap();
    let status =
        status.unwrap_or_else(|| panic!("the cluster is still running: {}", transcript(&cluster)));
    assert_eq!(describe_exit(status), "code 1", "{}", transcript(&cluster));
    assert!(have_exited(&first, Duration::from_secs(1)));
    assert_logged(&cluster, &["giving up: no worker was ready for 1 s"]);
    assert_logged(&cluster, &["error:", "exit code 3"]);
    assert_eq!(cluster.count("gave_up"), 1, "{}", transcript(&cluster));
}

#[test]
fn give_up_error_names_the_crash_not_the_kills() {
    let installed = InstalledProgram::new();
    let mut cluster = installed.start(&["--give-up-after", "1"]);
    installed.install_hanging();
    for worker in cluster.workers() {
        send_signal(worker, Signal::SIGKILL).unwrap();
    }
    let status = cluster.wait(TIMEOUT).unwrap();
    let status =
        status.unwrap_or_else(|| panic!("the cluster is still running: {}", transcript(&cluster)));
    assert_eq!(describe_exit(status), "code 1", "{}", transcript(&cluster));
    assert_eq!(cluster.count("killed"), 2, "{}", transcript(&cluster));
    assert_logged(&cluster, &["error:", "exit code 3"]);
}
