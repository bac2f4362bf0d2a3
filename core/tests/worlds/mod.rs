//! Checks of processes that pass in every world, and the programs they start.
//!
//! No check depends on timing. A failing check panics or never completes.

mod echo;
mod supervised;

pub(crate) use echo::ECHO;
use futures::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use highwater::platform::{Exit, Platform, ProcessEvent, Program};
use std::time::Duration;

/// The programs the checks start. A new process finds its program here by name.
pub(crate) static PROGRAMS: &[&Program] = &[&ECHO];

/// A check, to be run on its world's loop.
pub(crate) type Check = fn(Platform) -> LocalBoxFuture<'static, ()>;

/// All checks with their names.
pub(crate) static CHECKS: &[(&str, Check)] = &[
    ("echo", |platform| echo(platform).boxed_local()),
    ("end", |platform| end(platform).boxed_local()),
    ("crash", |platform| crash(platform).boxed_local()),
    ("kill", |platform| kill(platform).boxed_local()),
    ("others", |platform| others(platform).boxed_local()),
    ("many", |platform| many(platform).boxed_local()),
    ("supervised", |platform| {
        supervised::restarts(platform).boxed_local()
    }),
    ("given up", |platform| {
        supervised::gives_up(platform).boxed_local()
    }),
];

fn message(text: &str) -> ProcessEvent {
    ProcessEvent::Message(text.to_owned())
}

async fn echo(platform: Platform) {
    let process = platform.start(&ECHO);
    assert_ne!(process.id(), 0);
    let texts = ["", "a word", " ", "two\nlines\r\n", "\\n\t\\", "wörter 💧"];
    for text in texts {
        process.send(text);
    }
    assert_eq!(process.next().await, ProcessEvent::Ready);
    for text in texts {
        assert_eq!(process.next().await, message(text));
    }
    // Long messages, more than a pipe buffers.
    let long = "x".repeat(50_000);
    for _ in 0..10 {
        process.send(long.as_str());
    }
    for _ in 0..10 {
        assert_eq!(process.next().await, message(&long));
    }
}

async fn end(platform: Platform) {
    let process = platform.start(&ECHO);
    process.send("leave a task");
    process.send("one");
    process.close();
    process.send("never read");
    let events = [ProcessEvent::Ready, message("one"), message("closed")];
    for event in events {
        assert_eq!(process.next().await, event);
    }
    for _ in 0..2 {
        let exited = ProcessEvent::Exited(Exit::Finished);
        assert_eq!(process.next().await, exited, "the exit repeats");
    }
    // No effect after the exit.
    process.send("anything");
    process.close();
    process.kill();
    assert_eq!(process.exited().await, Exit::Finished);

    let process = platform.start(&ECHO);
    process.send("return");
    process.send("never read");
    assert_eq!(process.exited().await, Exit::Finished);
}

async fn crash(platform: Platform) {
    let process = platform.start(&ECHO);
    for text in ["one", "crash", "two"] {
        process.send(text);
    }
    assert_eq!(process.next().await, ProcessEvent::Ready);
    assert_eq!(process.next().await, message("one"));
    let exit = process.exited().await;
    assert!(exit.is_bug(), "{exit:?}");
    assert_eq!(exit.to_string(), "a bug: on\ncommand");
    process.kill();
    assert_eq!(process.next().await, ProcessEvent::Exited(exit));
}

async fn kill(platform: Platform) {
    let busy = platform.start(&ECHO);
    busy.send("block");
    busy.send("never read");
    while busy.next().await != message("blocks") {}
    busy.kill();
    busy.kill();
    assert_eq!(busy.next().await, ProcessEvent::Exited(Exit::Killed));

    let idle = platform.start(&ECHO);
    assert_eq!(idle.next().await, ProcessEvent::Ready);
    idle.kill();
    assert_eq!(idle.exited().await, Exit::Killed);

    let starting = platform.start(&ECHO);
    starting.kill();
    assert_eq!(starting.exited().await, Exit::Killed);
}

/// A blocked or crashed process affects neither the others nor the loop.
async fn others(platform: Platform) {
    let [blocked, lost, other] = [(); 3].map(|()| platform.start(&ECHO));
    assert_ne!(blocked.id(), other.id());
    blocked.send("block");
    while blocked.next().await != message("blocks") {}
    lost.send("crash");
    let exit = lost.exited().await;
    assert!(exit.is_bug(), "{exit}");
    assert_eq!(other.next().await, ProcessEvent::Ready);
    other.send("still there?");
    assert_eq!(other.next().await, message("still there?"));
    platform.sleep(Duration::from_millis(5)).await;
    other.send("and now?");
    assert_eq!(other.next().await, message("and now?"));
    // Waiting can be cancelled and resumed.
    let waits = select(
        Box::pin(other.next()),
        platform.sleep(Duration::from_millis(5)),
    );
    assert!(matches!(waits.await, Either::Right(_)), "no event arrives");
    other.close();
    assert_eq!(other.next().await, message("closed"));
    assert_eq!(other.exited().await, Exit::Finished);
}

/// Processes dropped while they start, while they run and after their exit.
async fn many(platform: Platform) {
    for round in 0..3 {
        let processes: Vec<_> = (0..4).map(|_| platform.start(&ECHO)).collect();
        for process in processes.iter().take(round * 2) {
            process.send("return");
            assert_eq!(process.exited().await, Exit::Finished);
        }
    }
}
