//! Tests with real child processes: the checks shared by all worlds, and child cleanup.
//!
//! A child process runs this test binary with the single test `child`. A test that kills
//! a parent process starts it the same way, with the test `parent`.

#[path = "../../../core/tests/worlds/mod.rs"]
mod worlds;

use super::{NativeProcesses, command, run_as_child};
use crate::{
    panic_report,
    platform::{NativeSpawn, NativeTimer},
    run_thread::RunThread,
};
use futures::{FutureExt, future::LocalBoxFuture};
use highwater::platform::{Exit, Platform, Process, ProcessEvent, Program};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::task::LocalSet;
use worlds::ECHO;

/// The time limit of a test, generous enough for slow machines.
const TEST_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn program(name: &str) -> Option<&'static Program> {
    let mut programs = worlds::PROGRAMS.iter();
    programs.find(|program| program.name == name).copied()
}

/// Not a test, but the entry point of child processes in other tests.
#[test]
fn child() {
    if env::var_os(command::PROGRAM_VARIABLE).is_some() {
        panic_report::install_panic_hook();
        let _ = run_as_child();
    }
}

/// Not a test, but the entry point of a parent process with three children.
#[test]
fn parent() {
    if env::var_os("HIGHWATER_PARENT").is_none() {
        return;
    }
    run_on_loop(|platform| {
        async move {
            let (processes, ids) = three_children(&platform).await;
            println!("children {} {} {}", ids[0], ids[1], ids[2]);
            platform.sleep(TEST_TIMEOUT).await;
            drop(processes);
        }
        .boxed_local()
    });
}

/// Starts a child that waits, one that blocks its loop, and one that is stopped.
async fn three_children(platform: &Platform) -> ([Process; 3], [u32; 3]) {
    let processes = [(); 3].map(|()| platform.start(&ECHO));
    for process in &processes {
        assert_eq!(process.next().await, ProcessEvent::Ready);
    }
    processes[1].send("block");
    let blocked = ProcessEvent::Message("blocks".to_owned());
    assert_eq!(processes[1].next().await, blocked);
    let ids = [0, 1, 2].map(|index: usize| processes[index].id());
    signal(ids[2], Signal::SIGSTOP);
    // The parent may only exit once the whole process has stopped: the system resumes an
    // orphaned process group if one of its processes is stopped, not about to stop.
    wait_until("the child to stop", || all_threads_are_stopped(ids[2]));
    (processes, ids)
}

#[test]
fn shared_process_checks_pass() {
    for (name, check) in worlds::CHECKS {
        println!("{name}");
        run_on_loop(*check);
    }
}

#[test]
fn panic_in_a_child_is_reported_as_a_bug() {
    run_on_loop(|platform| {
        async move {
            for (message_sent, expected) in
                [("panic", "unplanned"), ("panic in a task", "in a task")]
            {
                let process = platform.start(&ECHO);
                process.send(message_sent);
                let exit = process.exited().await;
                let Exit::Bug { message, location } = &exit else {
                    panic!("{message_sent}: {exit:?}");
                };
                assert_eq!(message, expected);
                let location = location.as_deref().unwrap_or_default();
                assert!(location.contains("worlds/echo.rs:"), "{location}");
                assert_eq!(state(process.id()), None, "the child was not reaped");
            }
        }
        .boxed_local()
    });
}

#[test]
fn signal_that_kills_a_child_is_reported() {
    run_on_loop(|platform| {
        async move {
            for (signal_sent, is_killed) in [
                (Signal::SIGKILL, true),
                (Signal::SIGTERM, true),
                (Signal::SIGABRT, false),
            ] {
                let process = platform.start(&ECHO);
                assert_eq!(process.next().await, ProcessEvent::Ready);
                signal(process.id(), signal_sent);
                let exit = process.exited().await;
                match exit {
                    Exit::Killed => assert!(is_killed),
                    Exit::Lost { reason } => {
                        assert!(!is_killed && reason.contains("SIGABRT"), "{reason}");
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(state(process.id()), None, "the child was not reaped");
            }
        }
        .boxed_local()
    });
}

#[test]
fn unknown_program_exits_as_lost() {
    static UNKNOWN: Program = Program {
        name: "unknown",
        run: ECHO.run,
    };
    run_on_loop(|platform| {
        async move {
            let exit = platform.start(&UNKNOWN).exited().await;
            assert_eq!(exit.to_string(), "lost: unknown program \"unknown\"");
        }
        .boxed_local()
    });
}

#[test]
fn dropped_handle_kills_and_reaps_its_child() {
    run_on_loop(|platform| {
        async move {
            let (processes, ids) = three_children(&platform).await;
            drop(processes);
            wait_until("all children to be reaped", || all_are_reaped(&ids));
        }
        .boxed_local()
    });
}

#[tokio::test]
async fn stopped_run_leaves_no_children() {
    // Once while the run waits, and once while it blocks its loop.
    for block in [Duration::ZERO, TEST_TIMEOUT * 60] {
        let (send, ids) = mpsc::channel();
        let run = move |platform: Platform, _| {
            let run = async move {
                let (processes, ids) = three_children(&platform).await;
                send.send(ids).unwrap();
                platform.timer().block(block);
                platform.sleep(TEST_TIMEOUT).await;
                drop(processes);
            };
            run.boxed_local()
        };
        let running = RunThread::start_with(run, ()).unwrap();
        let ids = ids.recv_timeout(TEST_TIMEOUT).unwrap();
        drop(running);
        wait_until("all children to be reaped", || all_are_reaped(&ids));
    }
}

#[test]
fn children_do_not_outlive_a_killed_parent() {
    for signal_sent in [Signal::SIGKILL, Signal::SIGINT] {
        let mut parent = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "-q", "processes::tests::parent"])
            .env("HIGHWATER_PARENT", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        let ids = lines.find_map(|line| {
            let line = line.unwrap();
            let ids = line.strip_prefix("children ")?.split(' ');
            Some(ids.map(|id| id.parse().unwrap()).collect::<Vec<u32>>())
        });
        let ids = ids.expect("the parent printed no child ids");
        assert_eq!(ids.len(), 3);
        signal(parent.id(), signal_sent);
        assert!(!parent.wait().unwrap().success());
        // The process that adopts the orphans may not reap them.
        let has_exited = |id: &u32| matches!(state(*id), None | Some('Z'));
        wait_until("all children to exit", || ids.iter().all(has_exited));
    }
}

/// Runs a test on an event loop, as in a scenario.
fn run_on_loop(main: impl FnOnce(Platform) -> LocalBoxFuture<'static, ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let (spawn, _bugs) = NativeSpawn::new();
        let timer = Arc::new(NativeTimer::start(Arc::default()));
        let platform =
            Platform::new(timer, Rc::new(spawn)).with_processes(Rc::new(NativeProcesses));
        tokio::time::timeout(TEST_TIMEOUT, main(platform))
            .await
            .expect("the test timed out");
    });
}

fn signal(id: u32, signal: Signal) {
    kill(Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
}

fn all_are_reaped(ids: &[u32]) -> bool {
    ids.iter().all(|id| state(*id).is_none())
}

fn all_threads_are_stopped(id: u32) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    threads.all(|thread| state_in(&thread.unwrap().path().join("stat")) == Some('T'))
}

/// Returns the state of a process from `/proc`, such as `Z` for a zombie, or `None` if
/// the process does not exist.
fn state(id: u32) -> Option<char> {
    state_in(Path::new(&format!("/proc/{id}/stat")))
}

fn state_in(stat: &Path) -> Option<char> {
    let stat = fs::read_to_string(stat).ok()?;
    // The state follows the name, which can contain any character.
    stat.rsplit_once(") ")?.1.chars().next()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(
            since.elapsed() < TEST_TIMEOUT,
            "timed out waiting for {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}
