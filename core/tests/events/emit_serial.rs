//! Asynchronous listeners, awaited one after the other.

use crate::gated::{Gates, notices};
use futures::FutureExt;
use highwater::events::{AsyncEmitter, Bus, FailurePolicy, Options, Removal};
use std::{pin::pin, sync::Arc};

#[test]
fn listeners_are_awaited_one_after_the_other() {
    let (emitter, gates) = (AsyncEmitter::<u8>::new_async(), Gates::default());
    let log = gates.log.clone();
    let a = gates.listen(&emitter, "a");
    emitter.on("b", log.listener("b")).detach();
    let c = gates.listen(&emitter, "c");
    emitter.on("d", log.listener("d")).detach();
    let mut emit = pin!(emitter.emit_serial(0));
    assert!(emit.as_mut().now_or_never().is_none());
    assert!(emit.as_mut().now_or_never().is_none());
    assert_eq!(log.take(), ["a starts"]);
    c.send(Ok(())).unwrap();
    assert!(emit.as_mut().now_or_never().is_none());
    assert_eq!(log.take(), [""; 0], "c is ready, but not yet its turn");
    a.send(Ok(())).unwrap();
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 4);
    assert_eq!(log.take(), ["a ends", "b", "c starts", "c ends", "d"]);
}

#[test]
fn emit_is_lazy_until_the_first_poll() {
    for (removal, expected) in [(Removal::Snapshot, 4), (Removal::Live, 3)] {
        let emitter = AsyncEmitter::<u8>::new_async_with_options(Options::new().removal(removal));
        let gates = Gates::default();
        let log = gates.log.clone();
        let early = emitter.on("early", log.listener("removed before the poll"));
        let mut emit = pin!(emitter.emit_serial(0));
        early.cancel();
        emitter.on("plain", log.listener("plain")).detach();
        let gate = gates.listen(&emitter, "gated");
        let removed = emitter.on("removed", log.listener("removed"));
        let _last = emitter.once("last", log.listener("last"));
        assert_eq!(log.take(), [""; 0]);
        assert!(emit.as_mut().now_or_never().is_none());
        assert_eq!(log.take(), ["plain", "gated starts"]);
        removed.cancel();
        emitter.on("late", log.listener("late")).detach();
        gate.send(Ok(())).unwrap();
        assert_eq!(emit.now_or_never().unwrap().unwrap(), expected);
        let mut lines = vec!["gated ends", "removed", "last"];
        lines.retain(|line| *line != "removed" || removal == Removal::Snapshot);
        assert_eq!(log.take(), lines, "{removal:?}");
    }
}

#[test]
fn unpolled_emit_has_no_effect() {
    let (emitter, gates) = (AsyncEmitter::<Arc<()>>::new_async(), Gates::default());
    let _monitor = emitter.monitor(notices(&gates.log));
    let _gate = gates.listen(&emitter, "a");
    let _once = emitter.once("b", gates.log.listener("b"));
    let event = Arc::new(());
    drop(emitter.emit_serial(Arc::clone(&event)));
    drop(emitter.emit_concurrent(Arc::clone(&event), 0));
    assert_eq!(gates.log.take(), [""; 0]);
    assert_eq!(emitter.listener_count(), 2);
    assert_eq!(Arc::strong_count(&event), 1);
}

#[test]
fn dropped_emit_stops_the_running_listener() {
    for is_monitored in [false, true] {
        let (emitter, gates) = (AsyncEmitter::<Arc<()>>::new_async(), Gates::default());
        let log = gates.log.clone();
        let monitor = emitter.monitor(notices(&log));
        if !is_monitored {
            monitor.cancel();
        }
        emitter.on("fails", log.failing("fails")).detach();
        let _gate = gates.listen(&emitter, "a");
        emitter.on("b", log.listener("b")).detach();
        let event = Arc::new(());
        let mut emit = Box::pin(emitter.emit_serial(Arc::clone(&event)));
        assert!(emit.as_mut().now_or_never().is_none());
        log.take();
        drop(emit);
        // Notified last, when everything has ended.
        let end = ["a is stopped", "emitted: 2 ran, 1 failed"];
        assert_eq!(log.take(), end[..if is_monitored { 2 } else { 1 }]);
        assert_eq!(Arc::strong_count(&event), 1);
    }
}

#[test]
fn failures_follow_the_policy() {
    let fails = |options: Options| {
        let (emitter, gates) = (
            AsyncEmitter::<u8>::new_async_with_options(options),
            Gates::default(),
        );
        let log = gates.log.clone();
        emitter.on("a", log.failing("a")).detach();
        gates.listen(&emitter, "b").send(Err("late")).unwrap();
        gates.listen(&emitter, "c").send(Ok(())).unwrap();
        emitter.on("d", log.failing("d")).detach();
        (emitter, log)
    };
    let (emitter, log) = fails(Options::new());
    let error = emitter.emit_serial(0).now_or_never().unwrap().unwrap_err();
    let text = "3 of 4 listeners failed: a: a is out; b: late; d: d is out";
    assert_eq!(error.to_string(), text);
    let lines = ["a", "b starts", "b ends", "c starts", "c ends", "d"];
    assert_eq!(log.take(), lines);

    let (emitter, log) = fails(Options::new());
    let own = log.clone();
    let observer = move |failure: &_| own.add(format!("observed {failure}"));
    emitter.errors().on("observer", observer).detach();
    assert_eq!(emitter.emit_serial(0).now_or_never().unwrap().unwrap(), 4);
    let lines = log.take();
    assert_eq!(lines[1], "observed a: a is out", "as it happens");
    assert_eq!(lines[4], "observed b: late");

    let (emitter, log) = fails(Options::new().policy(FailurePolicy::FailFast));
    let error = emitter.emit_serial(0).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "1 of 1 listeners failed: a: a is out");
    assert!(emitter.off(emitter.listeners()[0].id));
    log.take();
    let error = emitter.emit_serial(0).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "1 of 1 listeners failed: b: late");
    assert_eq!(log.take(), ["b starts", "b ends"]);
}

#[test]
fn monitor_sees_an_awaited_emit_in_order() {
    let (emitter, gates) = (AsyncEmitter::<u8>::new_async(), Gates::default());
    let log = gates.log.clone();
    let _monitor = emitter.monitor(notices(&log));
    gates.listen(&emitter, "a").send(Err("late")).unwrap();
    emitter.once("b", log.listener("b")).detach();
    let result = emitter.emit_serial(0).now_or_never().unwrap();
    assert!(result.is_err());
    let expected = [
        "emitting to 2",
        "to a",
        "a starts",
        "a ends",
        "a failed: late",
        "to b",
        "b",
        "b is done",
        "emitted: 2 ran, 1 failed",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn future_keeps_its_emitter_alive() {
    let (emitter, gates) = (AsyncEmitter::<u8>::new_async(), Gates::default());
    let gate = gates.listen(&emitter, "a");
    let weak = emitter.downgrade();
    let mut emit = Box::pin(emitter.emit_serial(0));
    assert!(emit.as_mut().now_or_never().is_none());
    drop(emitter);
    gate.send(Ok(())).unwrap();
    assert_eq!(emit.as_mut().now_or_never().unwrap().unwrap(), 1);
    drop(emit);
    assert!(weak.upgrade().is_none());
}

#[test]
fn unsized_events_and_buses_can_be_awaited() {
    let emitter = AsyncEmitter::<str>::new_async();
    let listener = async |text: Arc<str>| match &*text {
        "good" => Ok(()),
        _ => Err("bad"),
    };
    emitter.on_async("a", listener).detach();
    assert_eq!(
        emitter.emit_serial("good").now_or_never().unwrap().unwrap(),
        1
    );
    let owned = "bad".to_owned();
    assert!(emitter.emit_serial(owned).now_or_never().unwrap().is_err());
    let shared: Arc<str> = "good".into();
    let result = emitter.emit_concurrent(shared, 1).now_or_never();
    assert_eq!(result.unwrap().unwrap(), 1);

    let bus = Bus::new_async();
    bus.on_async("a", async |_: Arc<u8>| ()).detach();
    bus.on("b", |_: &u8| ()).detach();
    let result = bus.emit_serial(1_u8).now_or_never().unwrap();
    assert_eq!(result.unwrap(), 2);
    let result = bus.emit_concurrent(1_u8, 1).now_or_never().unwrap();
    assert_eq!(result.unwrap(), 2);
    assert_eq!(bus.emit_serial('x').now_or_never().unwrap().unwrap(), 0);
}
