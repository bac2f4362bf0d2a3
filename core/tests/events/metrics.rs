//! Metrics of a bus.

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
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn pass(&self, time_ms: u64) {
        self.0.fetch_add(time_ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Order(u64);

fn measured() -> (Bus, Hand, Metrics) {
    let (bus, hand) = (Bus::new(), Hand::default());
    let metrics = Metrics::new(&bus, Arc::new(hand.clone()));
    (bus, hand, metrics)
}

fn measured_async() -> (AsyncBus, Hand, Metrics) {
    let (bus, hand) = (Bus::new_async(), Hand::default());
    let metrics = Metrics::new(&bus, Arc::new(hand.clone()));
    (bus, hand, metrics)
}

/// Asserts equality within the documented 1 %.
fn assert_about(actual: Duration, expected_ms: u64) {
    let expected = Duration::from_millis(expected_ms);
    let error = actual.abs_diff(expected);
    assert!(error <= expected / 100, "{actual:?} is not {expected:?}");
}

#[test]
fn each_listener_has_its_own_metrics() {
    let (bus, hand, metrics) = measured();
    let slow = hand.clone();
    let _slow = bus.on("slow", move |order: &Order| slow.pass(order.0));
    let quick = hand.clone();
    let _quick = bus.on("quick", move |order: &Order| {
        quick.pass(1);
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
    let (bus, hand, metrics) = measured_async();
    let (inner, passing) = (bus.clone(), hand.clone());
    let _outer = bus.on_async("outer", move |_: Arc<Order>| {
        let (inner, passing) = (inner.clone(), passing.clone());
        async move {
            passing.pass(5);
            inner.emit_serial("inner").await.unwrap();
        }
    });
    let passing = hand.clone();
    let _inner = bus.on("inner", move |_: &&str| passing.pass(7));
    let passing = hand.clone();
    let _awaited = bus.on_async("awaited", move |_: Arc<Order>| {
        let passing = passing.clone();
        async move { passing.pass(11) }
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
    let (bus, hand, metrics) = measured_async();
    let _never = bus.on_async("never", |_: Arc<Order>| std::future::pending::<()>());
    let mut emit = Box::pin(bus.emit_serial(Order(1)));
    assert!(emit.as_mut().now_or_never().is_none());
    hand.pass(3);
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
    let again = Metrics::new(&bus, Arc::new(Hand::default()));
    assert!(again.report().is_empty(), "it counts from when it was made");
    drop(metrics);
    bus.emit(&Order(0)).unwrap();
    assert_eq!(again.report()[0].emitted, 1);
}
