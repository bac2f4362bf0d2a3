//! Processes in the simulated world: what holds in every world, and what only
//! a simulation can promise.

use crate::worlds;
use crate::worlds::OBEDIENT;
use futures::FutureExt;
use highwater::platform::{
    Exit, MESSAGE_DELAY, PROCESS_START, Platform, ProcessContext, ProcessEvent, Program, Step,
    VirtualTime,
};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
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
fn what_holds_in_every_world_holds_here() {
    for (name, check) in worlds::CHECKS {
        assert_eq!(simulate(check), Some(()), "{name} never ends");
    }
    let names: Vec<_> = worlds::PROGRAMS.iter().map(|it| it.name).collect();
    assert_eq!(names, ["obedient"]);
}

#[test]
fn a_start_and_each_message_take_their_time() {
    simulate(async |platform| {
        platform.sleep(ms(10)).await;
        let process = platform.start(&OBEDIENT);
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

/// Blocks for as long as it is told, and says when that was by its own clock.
static BUSY: Program = Program {
    name: "busy",
    run: |context| Box::pin(be_busy(context)),
};

async fn be_busy(context: ProcessContext) {
    let platform = context.platform().clone();
    assert_eq!(platform.now(), Duration::ZERO, "a clock of its own");
    while let Some(order) = context.recv().await {
        platform.timer().block(ms(order.parse().unwrap()));
        context.send(platform.now().as_micros().to_string());
    }
}

#[test]
fn a_process_that_blocks_holds_up_nobody_else() {
    simulate(async |platform| {
        let [slow, quick] = [(); 2].map(|()| platform.start(&BUSY));
        slow.send("100");
        quick.send("1");
        let begun = PROCESS_START + MESSAGE_DELAY;
        assert_eq!(quick.next().await, message("1000"));
        assert_eq!(platform.now(), begun + ms(1));
        platform.sleep(ms(50)).await;
        assert_eq!(platform.now(), begun + ms(51), "nor the loop");
        // It comes to this when it is free.
        slow.send("2");
        assert_eq!(slow.next().await, message("100000"));
        assert_eq!(platform.now(), begun + ms(100));
        assert_eq!(slow.next().await, message("102000"));
        assert_eq!(platform.now(), begun + ms(102));
    })
    .unwrap();
}

#[test]
fn what_was_done_while_the_loop_blocked_is_late() {
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
fn who_is_killed_at_work_never_comes_to_its_end() {
    // Killed before it begins to work, meanwhile, and by a loop that blocks
    // first and so comes to it when the simulation has not.
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
fn who_has_worked_before_it_is_killed_has_told_so() {
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
fn who_would_crash_later_is_killed() {
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

/// What the process of a test on this thread did: a program is a function, and
/// takes nothing with it.
#[derive(Default)]
struct Deeds {
    polls: u32,
    dropped: u32,
}

thread_local! {
    static DEEDS: RefCell<Deeds> = RefCell::default();
}

/// Counts its own end, and tells of it if it is let.
struct Held(ProcessContext);

impl Drop for Held {
    fn drop(&mut self) {
        DEEDS.with_borrow_mut(|deeds| deeds.dropped += 1);
        self.0.send("dropped");
    }
}

static TWO_TASKS: Program = Program {
    name: "two tasks",
    run: |context| Box::pin(two_tasks(context)),
};

/// One ticks each millisecond, the other does as `OBEDIENT`.
async fn two_tasks(context: ProcessContext) {
    let ticking = context.clone();
    drop(context.platform().spawn(async move {
        let held = Held(ticking);
        loop {
            held.0.platform().sleep(ms(1)).await;
            DEEDS.with_borrow_mut(|deeds| deeds.polls += 1);
        }
    }));
    let _held = Held(context.clone());
    (OBEDIENT.run)(context).await;
}

#[test]
fn nothing_of_it_runs_after_its_end_however_that_comes() {
    for way in ["return", "crash", "kill", "drop"] {
        simulate(async move |platform| {
            DEEDS.take();
            let process = platform.start(&TWO_TASKS);
            assert_eq!(process.next().await, ProcessEvent::Ready);
            platform.sleep(ms(10)).await;
            match way {
                "kill" => process.kill(),
                "drop" => {}
                order => process.send(order),
            }
            if way == "drop" {
                drop(process);
                platform.sleep(ms(1)).await;
            } else {
                let told = process.next().await;
                // A program that returns drops what it has while it still is.
                let told = match way {
                    "return" => {
                        assert_eq!(told, message("dropped"));
                        process.next().await
                    }
                    _ => told,
                };
                assert!(matches!(told, ProcessEvent::Exited(_)), "{way}: {told:?}");
            }
            let polls = DEEDS.with_borrow(|deeds| deeds.polls);
            assert!((9..=12).contains(&polls), "{way}: {polls}");
            assert_eq!(DEEDS.with_borrow(|deeds| deeds.dropped), 2, "{way}");
            platform.sleep(ms(20)).await;
            assert_eq!(DEEDS.with_borrow(|deeds| deeds.polls), polls, "{way}");
        })
        .unwrap();
    }
}

#[test]
fn a_world_that_is_dropped_drops_its_processes() {
    DEEDS.take();
    let world = VirtualTime::new();
    let platform = world.platform();
    let process = platform.start(&TWO_TASKS);
    let held = platform.start(&TWO_TASKS);
    drop(platform.spawn(async move { process.exited().await }));
    world.run_until(ms(10));
    assert_eq!(DEEDS.with_borrow(|deeds| deeds.dropped), 0);
    drop(world);
    assert_eq!(DEEDS.with_borrow(|deeds| deeds.dropped), 4);
    let lost = platform.start(&TWO_TASKS);
    assert_eq!(lost.id(), 0);
    for process in [held, lost] {
        process.send("anything");
        let exit = process.exited().now_or_never();
        assert!(!matches!(exit, Some(Exit::Finished | Exit::Killed)));
    }
}

#[test]
fn a_panic_that_is_no_crash_passes_through() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let process = platform.start(&OBEDIENT);
    process.send("panic");
    let result = catch_unwind(AssertUnwindSafe(|| world.run_until(ms(20))));
    let message = *result.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "by itself");
}

#[test]
fn a_process_that_waits_for_ever_is_a_deadlock() {
    let never = simulate(async |platform| platform.start(&OBEDIENT).exited().await);
    assert_eq!(never, None);
}

#[test]
#[should_panic(expected = "this world has processes")]
fn a_process_starts_no_others() {
    static PARENT: Program = Program {
        name: "parent",
        run: |context| Box::pin(async move { drop(context.platform().start(&OBEDIENT)) }),
    };
    simulate(async |platform| platform.start(&PARENT).exited().await);
}

#[test]
fn a_world_can_be_stepped_and_run_up_to_a_time() {
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
