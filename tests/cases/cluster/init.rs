//! Notifications to a service manager, and reaping of orphans as the init process of a
//! container.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, id};

use load::cluster::{Cluster, send_signal};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::program;
use crate::support::{
    TIMEOUT, assert_logged, start_with, transcript, wait_for_workers, wait_until,
};

fn start_notifying(socket: &str) -> Cluster {
    let mut command = program::command();
    command.env("NOTIFY_SOCKET", socket);
    start_with(command, 1, &[])
}

/// Waits for a message that contains these words.
fn wait_for_message(socket: &UnixDatagram, words: &str) {
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut message = [0; 4096];
    loop {
        let length = socket.recv(&mut message).unwrap();
        if String::from_utf8_lossy(&message[..length]).contains(words) {
            return;
        }
    }
}

#[test]
fn abstract_notify_socket_is_notified() {
    let name = format!("highwater-init-{}", id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let mut cluster = start_notifying(&format!("@{name}"));
    wait_for_message(&socket, "READY=1\n");
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_message(&socket, "RELOADING=1\nMONOTONIC_USEC=");
    wait_for_message(&socket, "READY=1\n");
    cluster.signal(Signal::SIGTERM).unwrap();
    wait_for_message(&socket, "STOPPING=1\n");
    assert!(cluster.wait(TIMEOUT).unwrap().is_some());
}

#[test]
fn unread_notify_socket_does_not_block_the_supervisor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut cluster = start_notifying(path.to_str().unwrap());
    for _ in 0..10 {
        cluster.signal(Signal::SIGTTIN).unwrap();
        wait_for_workers(&cluster, 2);
        cluster.signal(Signal::SIGTTOU).unwrap();
        wait_for_workers(&cluster, 1);
    }
    // Queued messages are sent once the manager reads them.
    wait_for_message(&socket, "READY=1\n");
    for _ in 0..20 {
        wait_for_message(&socket, "STATUS=");
    }
    cluster.signal(Signal::SIGTERM).unwrap();
    assert!(cluster.wait(TIMEOUT).unwrap().is_some());
}

#[test]
fn invalid_notify_sockets_are_ignored() {
    let too_long = format!("@{}", "x".repeat(300));
    for invalid in ["", "@", "run/notify", &too_long] {
        let mut cluster = start_notifying(invalid);
        assert_logged(&cluster, &["NOTIFY_SOCKET", "ignored"]);
        cluster.signal(Signal::SIGTERM).unwrap();
        let status = cluster.wait(TIMEOUT).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{invalid:?}");
        let names_the_variable = |line: &&String| line.contains("NOTIFY_SOCKET");
        assert_eq!(
            cluster.log().iter().filter(names_the_variable).count(),
            1,
            "{invalid:?}"
        );
    }
}

/// The environment variable that enables `becomes_a_subreaper`, which runs in its own
/// process.
const FOLDER_VARIABLE: &str = "HIGHWATER_TESTS_ORPHANS";
const ORPHAN_COUNT: usize = 8;

/// Becomes the subreaper of `ORPHAN_COUNT` processes, then executes a cluster. The
/// orphans exit once the file `go` exists. One of them is killed by a real-time signal.
#[test]
fn becomes_a_subreaper() {
    let Some(folder) = env::var_os(FOLDER_VARIABLE) else {
        return;
    };
    prctl::set_child_subreaper(true).unwrap();
    let script = "wait_and() { until [ -e go ]; do sleep 0.02; done; $1; }
        for each in $(seq $1); do wait_and true & done
        sh -c 'until [ -e go ]; do sleep 0.02; done; kill -40 $$' &";
    let orphans = (ORPHAN_COUNT - 1).to_string();
    Command::new("sh")
        .args(["-c", script, "sh", &orphans])
        .current_dir(folder)
        .status()
        .unwrap();
    let error = program::command()
        .args(program::subcommand())
        .args(["--json", "--workers", "2"])
        .exec();
    panic!("{error}");
}

/// Returns the unreaped children of a process.
fn children(parent: u32) -> BTreeSet<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split(' ').nth(1)?.parse().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn start_with_orphans(folder: &Path) -> Cluster {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "init::becomes_a_subreaper", "--nocapture"])
        .env(FOLDER_VARIABLE, folder);
    Cluster::start(&mut command, 2).unwrap()
}

#[test]
fn orphans_are_reaped_while_a_worker_exits() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start_with_orphans(folder.path());
    let orphan_count = || {
        let workers = cluster.workers();
        let children = children(cluster.pid()).into_iter();
        children.filter(|pid| !workers.contains(pid)).count()
    };
    wait_until("all orphans have started", || {
        orphan_count() == ORPHAN_COUNT
    });
    fs::write(folder.path().join("go"), "").unwrap();
    let killed = cluster.workers()[0];
    send_signal(killed, Signal::SIGKILL).unwrap();
    wait_until("all orphans are reaped", || orphan_count() == 0);
    let workers = wait_for_workers(&cluster, 2);
    assert!(!workers.contains(&killed), "{}", transcript(&cluster));
    assert_logged(&cluster, &[&format!("pid {killed}"), "SIGKILL"]);
}
