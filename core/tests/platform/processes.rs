//! Processes in the simulated world: the checks shared by all worlds, and exact
//! timing, which only a simulation can promise.

use crate::worlds::{self, ECHO};
use futures::FutureExt;
use highwater::platform::{
    Exit, MESSAGE_DELAY, PROCESS_START, Platform, ProcessContext, ProcessEvent, Program, Step,
    VirtualTime,
};
use std::{
    cell::RefCell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    task::Poll,
    thread,
    time::Duration,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn message(text: &str) -> ProcessEvent {
    ProcessEvent::Message(text.to_owned())
}

/// Runs a test on the loop of a new world.
fn simulate<T: 'static>(main: impl AsyncFnOnce(Platform) -> T + 'static) -> Option<T> {
    let world = VirtualTime::new();
    let platform = world.platform();
    world.run_to_end(async move { main(platform).await })
}

#[test]
fn shared_checks_pass_in_simulated_time() {
    for (name, check) in worlds::CHECKS {
        assert_eq!(simulate(check), Some(()), "{name} never ends");
    }
    let names: Vec<_> = worlds::PROGRAMS.iter().map(|it| it.name).collect();
    assert_eq!(names, ["echo"]);
}

#[test]
fn start_and_messages_take_simulated_time() {
    simulate(async |platform| {
        platform.sleep(ms(10)).await;
        let process = platform.start(&ECHO);
        process.send("hello");
        process.next().await;
        assert_eq!(platform.now(), ms(10) + PROCESS_START + MESSAGE_DELAY);
        process.next().await;
        assert_eq!(platform.now(), ms(10) + PROCESS_START + MESSAGE_DELAY);
        platform.sleep(ms(10)).await;
        let sent = platform.now();
        process.send("hello");
        process.next().await;
        assert_eq!(platform.now(), sent + 2 * MESSAGE_DELAY);
    })
    .unwrap();
}

/// Blocks for the number of milliseconds in each message and replies with its time.
static BUSY: Program = Program {
    name: "busy",
    run: |context| Box::pin(busy(context)),
};

async fn busy(context: ProcessContext) {
    let platform = context.platform().clone();
    assert_eq!(
        platform.now(),
        Duration::ZERO,
        "its own clock starts at zero"
    );
    while let Some(duration_ms) = context.recv().await {
        platform.timer().block(ms(duration_ms.parse().unwrap()));
        context.send(platform.now().as_micros().to_string());
    }
}

/// Is woken by another thread while it moves its clock, several times.
static WOKEN_WHILE_BLOCKED: Program = Program {
    name: "woken while blocked",
    run: |context| Box::pin(woken_while_blocked(context)),
};

#[expect(clippy::disallowed_methods, reason = "this test needs another thread")]
async fn woken_while_blocked(context: ProcessContext) {
    let timer = context.platform().timer();
    for _ in 0..if cfg!(miri) { 10 } else { 100 } {
        let mut waited = false;
        let wake_up = poll_fn(|task| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            let woken = AtomicBool::new(false);
            let waker = task.waker();
            thread::scope(|scope| {
                scope.spawn(|| {
                    waker.wake_by_ref();
                    woken.store(true, SeqCst);
                });
                while !woken.load(SeqCst) {
                    timer.block(Duration::ZERO);
                }
            });
            Poll::Pending
        });
        wake_up.await;
    }
}

#[test]
fn wake_up_from_another_thread_is_not_lost() {
    let exit = simulate(async |platform| platform.start(&WOKEN_WHILE_BLOCKED).exited().await);
    assert_eq!(exit, Some(Exit::Finished));
}

#[test]
fn exited_process_is_forgotten() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let main = world.run_to_end(async move {
        let mut exited = Vec::new();
        for _ in 0..10 {
            let process = platform.start(&BUSY);
            process.close();
            assert_eq!(process.exited().await, Exit::Finished);
            exited.push(process);
        }
        (exited, platform.start(&BUSY))
    });
    assert!(format!("{world:?}").contains("processes: 1,"), "{world:?}");
    drop(main);
}

#[test]
fn blocked_process_delays_no_other() {
    simulate(async |platform| {
        let [slow, quick] = [(); 2].map(|()| platform.start(&BUSY));
        slow.send("100");
        quick.send("1");
        let start = PROCESS_START + MESSAGE_DELAY;
        assert_eq!(quick.next().await, message("1000"));
        assert_eq!(platform.now(), start + ms(1));
        platform.sleep(ms(50)).await;
        assert_eq!(platform.now(), start + ms(51), "the loop is not delayed");
        // Handled once it is free.
        slow.send("2");
        assert_eq!(slow.next().await, message("100000"));
        assert_eq!(platform.now(), start + ms(100));
        assert_eq!(slow.next().await, message("102000"));
        assert_eq!(platform.now(), start + ms(102));
    })
    .unwrap();
}

#[test]
fn messages_to_a_blocked_loop_arrive_late() {
    simulate(async |platform| {
        let process = platform.start(&BUSY);
        process.send("5");
        platform.timer().block(ms(80));
        assert_eq!(process.next().await, message("5000"));
        assert_eq!(platform.now(), ms(80));
    })
    .unwrap();
}

#[test]
fn killed_process_does_not_finish_its_work() {
    // Killed before its work, during it, and by a loop that blocks first, so the
    // simulated process has not caught up yet.
    for (wait, block) in [(0, 0), (10, 0), (0, 10), (3, 7)] {
        simulate(async move |platform| {
            let process = platform.start(&BUSY);
            process.send("50");
            platform.sleep(ms(wait)).await;
            platform.timer().block(ms(block));
            let killed = platform.now();
            process.kill();
            assert_eq!(process.next().await, ProcessEvent::Exited(Exit::Killed));
            assert_eq!(platform.now(), killed + MESSAGE_DELAY);
            platform.sleep(ms(100)).await;
            assert_eq!(process.exited().await, Exit::Killed);
        })
        .unwrap();
    }
}

#[test]
fn work_done_before_a_kill_is_reported() {
    simulate(async |platform| {
        let process = platform.start(&BUSY);
        process.send("50");
        platform.timer().block(ms(60));
        process.kill();
        assert_eq!(process.next().await, message("50000"));
        assert_eq!(process.next().await, ProcessEvent::Exited(Exit::Killed));
    })
    .unwrap();
}

#[test]
fn kill_precedes_a_later_crash() {
    static LATE: Program = Program {
        name: "late",
        run: |context| {
            Box::pin(async move {
                context.platform().timer().block(ms(50));
                match context.crash("late").await {}
            })
        },
    };
    for block in [0, 10] {
        simulate(async move |platform| {
            let process = platform.start(&LATE);
            platform.sleep(ms(10)).await;
            platform.timer().block(ms(block));
            process.kill();
            assert_eq!(process.exited().await, Exit::Killed);
        })
        .unwrap();
    }
}

/// The activity of the process of a test on this thread. A program is a plain
/// function, so it reports through a thread local.
#[derive(Default)]
struct Activity {
    polls: u32,
    dropped: u32,
}

thread_local! {
    static ACTIVITY: RefCell<Activity> = RefCell::default();
}

/// Counts its drop and reports it to the parent.
struct Held(ProcessContext);

impl Drop for Held {
    fn drop(&mut self) {
        ACTIVITY.with_borrow_mut(|activity| activity.dropped += 1);
        self.0.send("dropped");
    }
}

static TWO_TASKS: Program = Program {
    name: "two tasks",
    run: |context| Box::pin(two_tasks(context)),
};

/// Runs a task that ticks every millisecond beside `ECHO`.
async fn two_tasks(context: ProcessContext) {
    let ticking = context.clone();
    drop(context.platform().spawn(async move {
        let held = Held(ticking);
        loop {
            held.0.platform().sleep(ms(1)).await;
            ACTIVITY.with_borrow_mut(|activity| activity.polls += 1);
        }
    }));
    let _held = Held(context.clone());
    (ECHO.run)(context).await;
}

#[test]
fn no_code_runs_after_a_process_ends() {
    for way in ["return", "crash", "kill", "drop"] {
        simulate(async move |platform| {
            ACTIVITY.take();
            let process = platform.start(&TWO_TASKS);
            assert_eq!(process.next().await, ProcessEvent::Ready);
            platform.sleep(ms(10)).await;
            match way {
                "kill" => process.kill(),
                "drop" => {}
                command => process.send(command),
            }
            if way == "drop" {
                drop(process);
                platform.sleep(ms(1)).await;
            } else {
                let event = process.next().await;
                // A program that returns is still linked to its parent while its values
                // are dropped.
                let event = match way {
                    "return" => {
                        assert_eq!(event, message("dropped"));
                        process.next().await
                    }
                    _ => event,
                };
                assert!(matches!(event, ProcessEvent::Exited(_)), "{way}: {event:?}");
            }
            let polls = ACTIVITY.with_borrow(|activity| activity.polls);
            assert!((9..=12).contains(&polls), "{way}: {polls}");
            assert_eq!(
                ACTIVITY.with_borrow(|activity| activity.dropped),
                2,
                "{way}"
            );
            platform.sleep(ms(20)).await;
            assert_eq!(
                ACTIVITY.with_borrow(|activity| activity.polls),
                polls,
                "{way}"
            );
        })
        .unwrap();
    }
}

#[test]
fn dropping_the_world_drops_its_processes() {
    ACTIVITY.take();
    let world = VirtualTime::new();
    let platform = world.platform();
    let process = platform.start(&TWO_TASKS);
    let held = platform.start(&TWO_TASKS);
    drop(platform.spawn(async move { process.exited().await }));
    world.run_until(ms(10));
    assert_eq!(ACTIVITY.with_borrow(|activity| activity.dropped), 0);
    drop(world);
    assert_eq!(ACTIVITY.with_borrow(|activity| activity.dropped), 4);
    let lost = platform.start(&TWO_TASKS);
    assert_eq!(lost.id(), 0);
    for process in [held, lost] {
        process.send("anything");
        let exit = process.exited().now_or_never();
        assert!(!matches!(exit, Some(Exit::Finished | Exit::Killed)));
    }
}

#[test]
fn real_panic_passes_through() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let process = platform.start(&ECHO);
    process.send("panic");
    let result = catch_unwind(AssertUnwindSafe(|| world.run_until(ms(20))));
    let message = *result.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "unplanned");
}

#[test]
fn process_that_waits_forever_is_a_deadlock() {
    let never = simulate(async |platform| platform.start(&ECHO).exited().await);
    assert_eq!(never, None);
}

#[test]
#[should_panic(expected = "this world has processes")]
fn processes_cannot_start_processes() {
    static PARENT: Program = Program {
        name: "parent",
        run: |context| Box::pin(async move { drop(context.platform().start(&ECHO)) }),
    };
    simulate(async |platform| platform.start(&PARENT).exited().await);
}

#[test]
fn world_can_be_stepped_and_run_until() {
    let world = VirtualTime::new();
    let process = world.platform().start(&BUSY);
    world.run_until(ms(1));
    assert_eq!(world.now(), ms(1));
    process.send("30");
    world.run_until(ms(20));
    assert_eq!(world.now(), ms(20), "the loop is not blocked");
    assert_eq!(process.next().now_or_never(), None);
    world.run_until(ms(40));
    assert_eq!(process.next().now_or_never(), Some(message("30000")));
    process.close();
    let mut steps = 0;
    while world.step() != Step::Idle {
        steps += 1;
    }
    assert!(steps >= 2, "{steps}");
    let exited = ProcessEvent::Exited(Exit::Finished);
    assert_eq!(process.next().now_or_never(), Some(exited));
}
