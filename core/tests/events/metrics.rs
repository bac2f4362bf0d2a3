//! Bus metrics.

use futures::{FutureExt, executor::block_on};
use highwater::{
    Clock,
    events::{AsyncBus, Bus, ListenerMetrics, Metrics},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A clock that is advanced by hand.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn advance(&self, time_ms: u64) {
        self.0.fetch_add(time_ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Order(u64);

fn measured() -> (Bus, TestClock, Metrics) {
    let (bus, clock) = (Bus::new(), TestClock::default());
    let metrics = Metrics::new(&bus, Arc::new(clock.clone()));
    (bus, clock, metrics)
}

fn measured_async() -> (AsyncBus, TestClock, Metrics) {
    let (bus, clock) = (Bus::new_async(), TestClock::default());
    let metrics = Metrics::new(&bus, Arc::new(clock.clone()));
    (bus, clock, metrics)
}

/// Asserts equality within the documented 1 %.
fn assert_about(actual: Duration, expected_ms: u64) {
    let expected = Duration::from_millis(expected_ms);
    let error = actual.abs_diff(expected);
    assert!(error <= expected / 100, "{actual:?} is not {expected:?}");
}

#[test]
fn each_listener_has_its_own_metrics() {
    let (bus, clock, metrics) = measured();
    let slow = clock.clone();
    let _slow = bus.on("slow", move |order: &Order| slow.advance(order.0));
    let quick = clock.clone();
    let _quick = bus.on("quick", move |order: &Order| {
        quick.advance(1);
        if order.0 == 300 {
            Err("too big")
        } else {
            Ok(())
        }
    });
    for time_ms in [100, 100, 300] {
        let _one_fails = bus.emit(&Order(time_ms));
    }

    let [event] = &metrics.report()[..] else {
        panic!("one type of event");
    };
    assert!(event.event.ends_with("Order"));
    assert_eq!((event.emitted, event.delivered, event.failed), (3, 6, 1));
    assert_about(event.took.p50, 101);
    assert_about(event.took.max, 301);

    let [slow, quick]: &[ListenerMetrics; 2] = event.listeners[..].try_into().unwrap();
    assert_eq!((&*slow.name, slow.delivered, slow.failed), ("slow", 3, 0));
    assert_about(slow.took.p50, 100);
    assert_about(slow.took.p99, 300);
    assert_about(slow.lag.max, 0);
    assert_eq!(
        (&*quick.name, quick.delivered, quick.failed),
        ("quick", 3, 1)
    );
    assert_about(quick.took.max, 1);
    assert_about(quick.lag.p50, 100);
    assert_about(quick.lag.max, 300);
    assert_eq!(quick.location.file(), file!());
}

#[test]
fn listeners_per_request_are_counted_as_one() {
    let (bus, _, metrics) = measured();
    for _request in 0..50 {
        let _passing = bus.on("passing", |_: &Order| ());
        bus.emit(&Order(0)).unwrap();
    }
    let report = metrics.report();
    assert_eq!(report[0].listeners.len(), 1);
    assert_eq!(report[0].listeners[0].delivered, 50);
}

#[test]
fn nested_and_awaited_emits_are_distinguished() {
    let (bus, clock, metrics) = measured_async();
    let (inner, outer_clock) = (bus.clone(), clock.clone());
    let _outer = bus.on_async("outer", move |_: Arc<Order>| {
        let (inner, outer_clock) = (inner.clone(), outer_clock.clone());
        async move {
            outer_clock.advance(5);
            inner.emit_serial("inner").await.unwrap();
        }
    });
    let inner_clock = clock.clone();
    let _inner = bus.on("inner", move |_: &&str| inner_clock.advance(7));
    let awaited_clock = clock.clone();
    let _awaited = bus.on_async("awaited", move |_: Arc<Order>| {
        let awaited_clock = awaited_clock.clone();
        async move { awaited_clock.advance(11) }
    });
    assert_eq!(block_on(bus.emit_serial(Order(1))).unwrap(), 2);

    let report = metrics.report();
    let (order, text) = (&report[0], &report[1]);
    assert_about(order.took.max, 23);
    assert_about(text.took.max, 7);
    assert_about(order.listeners[0].took.max, 12);
    assert_about(order.listeners[1].took.max, 11);
    assert_about(order.listeners[1].lag.max, 12);
}

#[test]
fn dropped_emit_is_counted_once() {
    let (bus, clock, metrics) = measured_async();
    let _never = bus.on_async("never", |_: Arc<Order>| std::future::pending::<()>());
    let mut emit = Box::pin(bus.emit_serial(Order(1)));
    assert!(emit.as_mut().now_or_never().is_none());
    clock.advance(3);
    drop(emit);
    let report = metrics.report();
    assert_eq!((report[0].emitted, report[0].delivered), (1, 1));
    assert_about(report[0].took.max, 3);
    assert_about(report[0].listeners[0].took.max, 0);
}

#[test]
fn dropping_metrics_ends_the_measurement() {
    let (bus, _, metrics) = measured();
    bus.emit(&Order(0)).unwrap();
    assert_eq!(metrics.report()[0].emitted, 1, "also without a listener");
    let again = Metrics::new(&bus, Arc::new(TestClock::default()));
    assert!(again.report().is_empty(), "it counts from its creation");
    drop(metrics);
    bus.emit(&Order(0)).unwrap();
    assert_eq!(again.report()[0].emitted, 1);
}
