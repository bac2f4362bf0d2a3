//! The simulated world: order, time, deadlock, repeatability.

use futures::future::{LocalBoxFuture, join_all};
use highwater::platform::{Platform, Seed, Step, VirtualTime};
use proptest::prelude::*;
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
    time::Duration,
};

/// Task names with times in milliseconds.
type Log = Rc<RefCell<Vec<(usize, u128)>>>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Starts a task that sleeps and then logs `name`.
fn sleeper(platform: &Platform, log: &Log, name: usize, sleep_ms: u64) {
    let (own, log) = (platform.clone(), Rc::clone(log));
    drop(platform.spawn(async move {
        own.sleep(ms(sleep_ms)).await;
        log.borrow_mut().push((name, own.now().as_millis()));
    }));
}

#[test]
fn timers_fire_by_deadline_then_insertion() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    for (name, sleep_ms) in [30, 10, 20, 10, 30].into_iter().enumerate() {
        sleeper(&platform, &log, name, sleep_ms);
    }
    world.run_until(ms(1000));
    assert_eq!(*log.borrow(), [(1, 10), (3, 10), (2, 20), (0, 30), (4, 30)]);
    assert_eq!(world.now(), ms(1000));
}

#[test]
fn sleep_starts_at_the_call() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let woke = world.run_to_end(async move {
        let sleep = platform.sleep(ms(10));
        platform.sleep(ms(4)).await;
        sleep.await;
        platform.now()
    });
    assert_eq!(woke, Some(ms(10)));
}

#[test]
fn run_until_stops_at_its_deadline() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    for (name, sleep_ms) in [10, 20, 30].into_iter().enumerate() {
        sleeper(&platform, &log, name, sleep_ms);
    }
    world.run_until(ms(20));
    assert_eq!(*log.borrow(), [(0, 10), (1, 20)], "up to and including");
    assert_eq!(world.now(), ms(20));
    world.run_until(ms(5));
    assert_eq!(world.now(), ms(20), "time never goes back");
    world.run_until(ms(30));
    assert_eq!(log.borrow().len(), 3);
}

#[test]
fn task_woken_as_it_ends_is_not_run_again() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    let waker = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&waker);
    drop(platform.spawn(std::future::poll_fn(move |context| {
        context.waker().wake_by_ref();
        *kept.borrow_mut() = Some(context.waker().clone());
        Poll::Ready(())
    })));
    sleeper(&platform, &log, 0, 100);
    assert_eq!((world.step(), world.step()), (Step::Ran, Step::Ran));
    waker.take().unwrap().wake();
    assert_eq!(world.step(), Step::Advanced(ms(100)));
    assert_eq!((world.step(), world.step()), (Step::Ran, Step::Idle));
    assert_eq!(*log.borrow(), [(0, 100)]);
}

#[test]
fn late_wake_up_reaches_no_other_task() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let waker = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&waker);
    drop(platform.spawn(std::future::poll_fn(move |context| {
        *kept.borrow_mut() = Some(context.waker().clone());
        Poll::Ready(())
    })));
    assert_eq!((world.step(), world.step()), (Step::Ran, Step::Idle));
    // The next task may reuse the slot of the ended one.
    let polls = Rc::new(RefCell::new(0));
    let own_polls = Rc::clone(&polls);
    drop(platform.spawn(std::future::poll_fn(move |_| {
        *own_polls.borrow_mut() += 1;
        Poll::<()>::Pending
    })));
    assert_eq!((world.step(), world.step()), (Step::Ran, Step::Idle));
    waker.take().unwrap().wake();
    assert_eq!(world.step(), Step::Idle);
    assert_eq!(*polls.borrow(), 1);
}

#[test]
fn block_delays_timers_due_during_it() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    for (name, sleep_ms) in [10, 20, 90].into_iter().enumerate() {
        sleeper(&platform, &log, name, sleep_ms);
    }
    let timer = world.timer();
    drop(platform.spawn(async move { timer.block(ms(50)) }));
    world.run_until(ms(30));
    assert_eq!(*log.borrow(), [(0, 50), (1, 50)], "late, and in order");
    assert_eq!(world.now(), ms(50), "a task blocked beyond the end");
    world.run_until(ms(100));
    assert_eq!(log.borrow()[2], (2, 90), "later ones are on time");
}

#[test]
fn zero_sleep_yields() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    let (own, own_log) = (platform.clone(), Rc::clone(&log));
    drop(platform.spawn(async move {
        own_log.borrow_mut().push((0, 0));
        own.sleep(Duration::ZERO).await;
        own_log.borrow_mut().push((1, 0));
    }));
    let own_log = Rc::clone(&log);
    drop(platform.spawn(async move { own_log.borrow_mut().push((2, 0)) }));
    world.run_until(Duration::ZERO);
    assert_eq!(*log.borrow(), [(0, 0), (2, 0), (1, 0)]);
}

#[test]
fn dropped_sleep_removes_its_timer() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let ended = world.run_to_end(async move {
        let mut long = platform.sleep(ms(500));
        let first = futures::future::select(&mut long, platform.sleep(ms(1))).await;
        assert!(matches!(first, futures::future::Either::Right(_)));
        drop(long);
        platform.now()
    });
    assert_eq!(ended, Some(ms(1)));
    assert_eq!(world.step(), Step::Idle, "no timer is left");
    assert_eq!(world.now(), ms(1));
}

#[test]
fn sleep_of_max_duration_does_not_overflow() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    world.run_until(ms(5));
    let (own, own_log) = (platform.clone(), Rc::clone(&log));
    drop(platform.spawn(async move {
        own.sleep(Duration::MAX).await;
        own_log.borrow_mut().push((9, 0));
    }));
    world.run_until(Duration::from_hours(24 * 365));
    assert!(log.borrow().is_empty());
}

#[test]
fn tasks_start_later_in_spawn_order() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    let own_log = Rc::clone(&log);
    world.run_to_end(async move {
        let tasks = (0..3).map(|name| {
            let log = Rc::clone(&own_log);
            platform.spawn(async move {
                log.borrow_mut().push((name, 0));
                name * 10
            })
        });
        let tasks: Vec<_> = tasks.collect();
        assert!(own_log.borrow().is_empty(), "not before this task yields");
        assert_eq!(join_all(tasks).await, [0, 10, 20]);
    });
    assert_eq!(*log.borrow(), [(0, 0), (1, 0), (2, 0)]);
}

#[test]
fn debug_writer_may_use_the_world() {
    struct Writer(Platform);

    impl fmt::Write for Writer {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            drop(self.0.spawn(async {}));
            Ok(())
        }
    }

    let world = VirtualTime::new();
    write!(Writer(world.platform()), "{world:?}").unwrap();
    assert_eq!(world.run_to_end(async {}), Some(()));
}

#[test]
fn deadlock_returns_none() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let ended = world.run_to_end(async move {
        platform.sleep(ms(3)).await;
        std::future::pending::<()>().await;
    });
    assert_eq!(ended, None);
    assert_eq!(world.now(), ms(3));
    assert_eq!(
        world.run_to_end(async { 7 }),
        Some(7),
        "the world stays usable"
    );
}

#[test]
fn panic_passes_through_and_world_stays_usable() {
    let (world, log) = (VirtualTime::new(), Log::default());
    let platform = world.platform();
    drop(platform.spawn(async { panic!("a bug") }));
    sleeper(&platform, &log, 1, 10);
    let result = catch_unwind(AssertUnwindSafe(|| world.run_until(ms(20))));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "a bug");
    world.run_until(ms(20));
    assert_eq!(*log.borrow(), [(1, 10)]);
}

#[test]
fn dropping_the_world_drops_its_tasks() {
    let world = VirtualTime::new();
    let platform = world.platform();
    let held = Rc::new(());
    let (own, own_held) = (platform.clone(), Rc::clone(&held));
    drop(platform.spawn(async move {
        own.sleep(ms(10)).await;
        drop(own_held);
    }));
    world.run_until(ms(1));
    drop(world);
    assert_eq!(Rc::strong_count(&held), 1);
    let late = Rc::clone(&held);
    drop(platform.spawn(async move { drop(late) }));
    assert_eq!(Rc::strong_count(&held), 1, "no task runs after the drop");
}

#[derive(Clone, Debug)]
enum Action {
    Sleep(u64),
    Block(u64),
    Spawn(Vec<Action>),
    SpawnAndWait(Vec<Action>),
}

fn program() -> impl Strategy<Value = Vec<Action>> {
    let leaf = prop_oneof![
        (0..20u64).prop_map(Action::Sleep),
        (0..8u64).prop_map(Action::Block),
    ];
    let action = leaf.prop_recursive(3, 40, 5, |inner| {
        let inner = prop::collection::vec(inner, 0..5);
        prop_oneof![
            inner.clone().prop_map(Action::Spawn),
            inner.prop_map(Action::SpawnAndWait),
        ]
    });
    prop::collection::vec(action, 0..8)
}

struct Interpreter {
    platform: Platform,
    log: Log,
    tasks: RefCell<usize>,
}

/// Runs a program as a task and logs the time after each action.
fn perform(interpreter: Rc<Interpreter>, program: Vec<Action>) -> LocalBoxFuture<'static, ()> {
    Box::pin(async move {
        let task = interpreter.tasks.replace_with(|tasks| *tasks + 1);
        for action in program {
            let before = interpreter.platform.now();
            match action {
                Action::Sleep(for_ms) => {
                    interpreter.platform.sleep(ms(for_ms)).await;
                    assert!(interpreter.platform.now() >= before + ms(for_ms));
                }
                Action::Block(for_ms) => {
                    interpreter.platform.timer().block(ms(for_ms));
                    assert_eq!(interpreter.platform.now(), before + ms(for_ms));
                }
                Action::Spawn(inner) => {
                    drop(
                        interpreter
                            .platform
                            .spawn(perform(Rc::clone(&interpreter), inner)),
                    );
                }
                Action::SpawnAndWait(inner) => {
                    let inner = perform(Rc::clone(&interpreter), inner);
                    interpreter.platform.spawn(inner).await;
                }
            }
            let entry = (task, interpreter.platform.now().as_millis());
            interpreter.log.borrow_mut().push(entry);
        }
    })
}

fn log_of(program: Vec<Action>) -> Vec<(usize, u128)> {
    let (world, log) = (VirtualTime::new(), Log::default());
    let interpreter = Interpreter {
        platform: world.platform(),
        log: Rc::clone(&log),
        tasks: RefCell::default(),
    };
    let ended = world.run_to_end(perform(Rc::new(interpreter), program));
    assert!(ended.is_some(), "every wait ends");
    world.run_until(Duration::from_hours(1));
    log.take()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_programs_run_equally(program in program()) {
        let log = log_of(program.clone());
        prop_assert!(log.is_sorted_by_key(|(_, at)| *at), "{log:?}");
        prop_assert_eq!(log, log_of(program));
    }
}

/// Runs are repeatable only if the random numbers stay the same in every world and
/// after every dependency update.
#[test]
fn random_numbers_are_stable() {
    let mut random = Seed(1).stream(0);
    let jitter: Vec<_> = (0..6)
        .map(|_| random.jitter(ms(100), 25).as_millis())
        .collect();
    assert_eq!(jitter, [125, 94, 90, 114, 113, 100]);
    let chances: String = (0..16)
        .map(|_| if random.chance(40) { '1' } else { '0' })
        .collect();
    assert_eq!(chances, "0001001001110011");
}

#[test]
fn streams_differ_by_number_and_by_seed() {
    let draws = |seed: u64, stream: u64| {
        let mut random = Seed(seed).stream(stream);
        (0..32)
            .map(|_| random.jitter(ms(100), 50))
            .collect::<Vec<_>>()
    };
    assert_eq!(draws(1, 1), draws(1, 1));
    assert_ne!(draws(1, 1), draws(1, 2));
    assert_ne!(draws(1, 1), draws(2, 1));
    let mut random = Seed(3).stream(0);
    assert!((0..100).all(|_| !random.chance(0)));
    assert!((0..100).all(|_| random.chance(100)));
    let spread: Vec<_> = (0..1000).map(|_| random.jitter(ms(100), 20)).collect();
    assert_eq!(spread.iter().min(), Some(&ms(80)));
    assert_eq!(spread.iter().max(), Some(&ms(120)));
}
