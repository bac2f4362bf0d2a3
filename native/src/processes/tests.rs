//! Real children: what holds in every world, and that none is left behind.
//!
//! A child of a test is this test program again, told to run the test `child`
//! and no other. A test that needs a parent to be killed has one made alike.

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
    process::{Command, Stdio},
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::task::LocalSet;
use worlds::OBEDIENT;

/// How long a test waits before it fails: long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn program(name: &str) -> Option<&'static Program> {
    let mut programs = worlds::PROGRAMS.iter();
    programs.find(|program| program.name == name).copied()
}

/// Not a test: where the children of the others begin.
#[test]
fn child() {
    if env::var_os(command::VARIABLE).is_some() {
        panic_report::install_panic_hook();
        let _ = run_as_child();
    }
}

/// Not a test either: a parent with three children, to be killed.
#[test]
fn parent() {
    if env::var_os("HIGHWATER_PARENT").is_none() {
        return;
    }
    on_a_loop(|platform| {
        async move {
            let (processes, ids) = three(&platform).await;
            println!("children {} {} {}", ids[0], ids[1], ids[2]);
            platform.sleep(PATIENCE).await;
            drop(processes);
        }
        .boxed_local()
    });
}

/// One that waits, one that blocks its loop, and one that the system stopped.
async fn three(platform: &Platform) -> ([Process; 3], [u32; 3]) {
    let processes = [(); 3].map(|()| platform.start(&OBEDIENT));
    for process in &processes {
        assert_eq!(process.next().await, ProcessEvent::Ready);
    }
    processes[1].send("block");
    let blocks = ProcessEvent::Message("blocks".to_owned());
    assert_eq!(processes[1].next().await, blocks);
    let ids = [0, 1, 2].map(|index: usize| processes[index].id());
    signal(ids[2], Signal::SIGSTOP);
    wait_until("it stops", || state(ids[2]) == Some('T'));
    (processes, ids)
}

#[test]
fn what_holds_in_every_world_holds_here() {
    for (name, check) in worlds::CHECKS {
        println!("{name}");
        on_a_loop(*check);
    }
}

#[test]
fn a_panic_anywhere_in_a_child_is_its_bug() {
    on_a_loop(|platform| {
        async move {
            for (order, says) in [("panic", "by itself"), ("panic in a task", "in a task")] {
                let process = platform.start(&OBEDIENT);
                process.send(order);
                let exit = process.exited().await;
                let Exit::Bug { message, location } = &exit else {
                    panic!("{order}: {exit:?}");
                };
                assert_eq!(message, says);
                let place = location.as_deref().unwrap_or_default();
                assert!(place.contains("worlds/mod.rs:"), "{place}");
                assert_eq!(state(process.id()), None, "it was waited for");
            }
        }
        .boxed_local()
    });
}

#[test]
fn how_somebody_else_ended_it_is_told() {
    on_a_loop(|platform| {
        async move {
            for (signalled, is_killed) in [
                (Signal::SIGKILL, true),
                (Signal::SIGTERM, true),
                (Signal::SIGABRT, false),
            ] {
                let process = platform.start(&OBEDIENT);
                assert_eq!(process.next().await, ProcessEvent::Ready);
                signal(process.id(), signalled);
                let exit = process.exited().await;
                match exit {
                    Exit::Killed => assert!(is_killed),
                    Exit::Lost { reason } => {
                        assert!(!is_killed && reason.contains("SIGABRT"), "{reason}");
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(state(process.id()), None, "it was waited for");
            }
        }
        .boxed_local()
    });
}

#[test]
fn a_program_that_nobody_knows_is_lost() {
    static UNKNOWN: Program = Program {
        name: "unknown",
        run: OBEDIENT.run,
    };
    on_a_loop(|platform| {
        async move {
            let exit = platform.start(&UNKNOWN).exited().await;
            assert_eq!(exit.to_string(), "lost: there is no program \"unknown\"");
        }
        .boxed_local()
    });
}

#[test]
fn a_dropped_handle_leaves_nothing_behind() {
    on_a_loop(|platform| {
        async move {
            let (processes, ids) = three(&platform).await;
            drop(processes);
            wait_until("they are gone, and waited for", || none_is_left(&ids));
        }
        .boxed_local()
    });
}

#[tokio::test]
async fn a_run_that_is_stopped_leaves_nothing_behind() {
    // Where it waits, and where it blocks its loop.
    for block in [Duration::ZERO, PATIENCE * 60] {
        let (send, ids) = mpsc::channel();
        let run = move |platform: Platform, _| {
            let run = async move {
                let (processes, ids) = three(&platform).await;
                send.send(ids).unwrap();
                platform.timer().block(block);
                platform.sleep(PATIENCE).await;
                drop(processes);
            };
            run.boxed_local()
        };
        let running = RunThread::start_with(run, ()).unwrap();
        let ids = ids.recv_timeout(PATIENCE).unwrap();
        drop(running);
        wait_until("they are gone, and waited for", || none_is_left(&ids));
    }
}

#[test]
fn children_do_not_outlive_a_parent_that_is_killed() {
    for ended_by in [Signal::SIGKILL, Signal::SIGINT] {
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
        let ids = ids.expect("it has children");
        assert_eq!(ids.len(), 3);
        signal(parent.id(), ended_by);
        assert!(!parent.wait().unwrap().success());
        // Whoever takes orphans in may not wait for them.
        let has_ended = |id: &u32| matches!(state(*id), None | Some('Z'));
        wait_until("they are gone", || ids.iter().all(has_ended));
    }
}

/// Runs a test where the tasks of a scenario would run.
fn on_a_loop(main: impl FnOnce(Platform) -> LocalBoxFuture<'static, ()>) {
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
        tokio::time::timeout(PATIENCE, main(platform))
            .await
            .expect("it never ends");
    });
}

fn signal(id: u32, signal: Signal) {
    kill(Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
}

fn none_is_left(ids: &[u32]) -> bool {
    ids.iter().all(|id| state(*id).is_none())
}

/// How the system says that a process is: `Z` if nobody has waited for it;
/// `None` if there is no such process.
fn state(id: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Behind the name, which may have anything in it.
    stat.rsplit_once(") ")?.1.chars().next()
}

fn wait_until(what: &str, mut has_happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !has_happened() {
        assert!(since.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
