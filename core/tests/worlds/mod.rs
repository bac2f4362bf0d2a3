//! What holds of processes in every world: programs, and checks that start them.
//!
//! Nothing here depends on how long something takes. A check that does not hold
//! panics or never ends.

mod supervised;

use futures::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use highwater::platform::{Exit, Platform, ProcessContext, ProcessEvent, Program};
use std::time::Duration;

/// What the checks start, and what a process of theirs has to find by its name.
pub(crate) static PROGRAMS: &[&Program] = &[&OBEDIENT];

/// A check, to be run where its world's tasks run.
pub(crate) type Check = fn(Platform) -> LocalBoxFuture<'static, ()>;

/// Every check and its name.
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
        supervised::is_given_up(platform).boxed_local()
    }),
];

/// Does what it is told, and sends back what it does not understand.
pub(crate) static OBEDIENT: Program = Program {
    name: "obedient",
    run: |context| Box::pin(obey(context)),
};

/// Longer than any test runs.
const FOR_EVER: Duration = Duration::from_hours(1);

async fn obey(context: ProcessContext) {
    context.ready();
    while let Some(order) = context.recv().await {
        match order.as_str() {
            "crash" => match context.crash("as told\nto").await {},
            "panic" => panic!("by itself"),
            "panic in a task" => {
                let task = context.platform().spawn(async { panic!("in a task") });
                let () = task.await;
            }
            "block" => {
                context.send("blocks");
                context.platform().timer().block(FOR_EVER);
            }
            "return" => return,
            "leave a task" => {
                let (platform, own) = (context.platform().clone(), context.clone());
                drop(context.platform().spawn(async move {
                    platform.sleep(FOR_EVER).await;
                    own.send("too late");
                }));
            }
            other => context.send(other),
        }
    }
    context.send("closed");
}

fn message(text: &str) -> ProcessEvent {
    ProcessEvent::Message(text.to_owned())
}

async fn echo(platform: Platform) {
    let process = platform.start(&OBEDIENT);
    assert_ne!(process.id(), 0);
    let texts = ["", "a word", " ", "two\nlines\r\n", "\\n\t\\", "wörter 💧"];
    for text in texts {
        process.send(text);
    }
    assert_eq!(process.next().await, ProcessEvent::Ready);
    for text in texts {
        assert_eq!(process.next().await, message(text));
    }
    // More than a pipe takes at once, and long ones.
    let long = "x".repeat(50_000);
    for _ in 0..10 {
        process.send(long.as_str());
    }
    for _ in 0..10 {
        assert_eq!(process.next().await, message(&long));
    }
}

async fn end(platform: Platform) {
    let process = platform.start(&OBEDIENT);
    process.send("leave a task");
    process.send("one");
    process.close();
    process.send("nobody reads this");
    let told = [ProcessEvent::Ready, message("one"), message("closed")];
    for event in told {
        assert_eq!(process.next().await, event);
    }
    for _ in 0..2 {
        let exited = ProcessEvent::Exited(Exit::Finished);
        assert_eq!(process.next().await, exited, "and that again");
    }
    // Of no use any more, and no harm.
    process.send("anything");
    process.close();
    process.kill();
    assert_eq!(process.exited().await, Exit::Finished);

    let process = platform.start(&OBEDIENT);
    process.send("return");
    process.send("nobody reads this");
    assert_eq!(process.exited().await, Exit::Finished);
}

async fn crash(platform: Platform) {
    let process = platform.start(&OBEDIENT);
    for text in ["one", "crash", "two"] {
        process.send(text);
    }
    assert_eq!(process.next().await, ProcessEvent::Ready);
    assert_eq!(process.next().await, message("one"));
    let exit = process.exited().await;
    assert!(exit.is_bug(), "{exit:?}");
    assert_eq!(exit.to_string(), "a bug: as told\nto");
    process.kill();
    assert_eq!(process.next().await, ProcessEvent::Exited(exit));
}

async fn kill(platform: Platform) {
    let at_work = platform.start(&OBEDIENT);
    at_work.send("block");
    at_work.send("nobody reads this");
    while at_work.next().await != message("blocks") {}
    at_work.kill();
    at_work.kill();
    assert_eq!(at_work.next().await, ProcessEvent::Exited(Exit::Killed));

    let idle = platform.start(&OBEDIENT);
    assert_eq!(idle.next().await, ProcessEvent::Ready);
    idle.kill();
    assert_eq!(idle.exited().await, Exit::Killed);

    let unborn = platform.start(&OBEDIENT);
    unborn.kill();
    assert_eq!(unborn.exited().await, Exit::Killed);
}

/// One that blocks, or is lost, is nothing to the others, nor to the loop.
async fn others(platform: Platform) {
    let [blocked, lost, other] = [(); 3].map(|()| platform.start(&OBEDIENT));
    assert_ne!(blocked.id(), other.id());
    blocked.send("block");
    while blocked.next().await != message("blocks") {}
    lost.send("crash");
    assert!(lost.exited().await.is_bug());
    assert_eq!(other.next().await, ProcessEvent::Ready);
    other.send("still there?");
    assert_eq!(other.next().await, message("still there?"));
    platform.sleep(Duration::from_millis(5)).await;
    other.send("and now?");
    assert_eq!(other.next().await, message("and now?"));
    // What waits can be left off and waited for again.
    let waits = select(
        Box::pin(other.next()),
        platform.sleep(Duration::from_millis(5)),
    );
    assert!(matches!(waits.await, Either::Right(_)), "nothing is told");
    other.close();
    assert_eq!(other.next().await, message("closed"));
    assert_eq!(other.exited().await, Exit::Finished);
}

/// Dropped while they start, while they work and when they have ended.
async fn many(platform: Platform) {
    for round in 0..3 {
        let processes: Vec<_> = (0..4).map(|_| platform.start(&OBEDIENT)).collect();
        for process in processes.iter().take(round * 2) {
            process.send("return");
            assert_eq!(process.exited().await, Exit::Finished);
        }
    }
}
