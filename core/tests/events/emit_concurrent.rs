//! Emits that await several listeners at a time.

use crate::gated;
use crate::gated::{Gates, notices};
use crate::logged::Log;
use futures::FutureExt;
use highwater::events::{AsyncEmitter, EmitError, Emitter, FailurePolicy, Options, Removal};
use std::{future::Future, pin::Pin, sync::Arc};

type Emit = Pin<Box<dyn Future<Output = Result<usize, EmitError>> + Send>>;

struct Test {
    emitter: AsyncEmitter<u8>,
    gates: Gates,
    log: Log,
}

fn test(options: Options) -> Test {
    let gates = Gates::default();
    Test {
        emitter: Emitter::new_async_with_options(options),
        log: gates.log.clone(),
        gates,
    }
}

impl Test {
    fn gate(&self, name: &'static str) -> gated::Gate {
        self.gates.listen(&self.emitter, name)
    }

    /// Starts an emit that has to wait.
    fn begin(&self, limit: usize) -> Emit {
        let mut emit: Emit = Box::pin(self.emitter.emit_concurrent(0, limit));
        self.assert_pending(&mut emit);
        emit
    }

    fn assert_pending(&self, emit: &mut Emit) {
        assert!(emit.now_or_never().is_none(), "{:?}", self.log.take());
    }
}

#[test]
fn limit_bounds_the_running_listeners() {
    let test = test(Options::new());
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| test.gate(name));
    let mut emit = test.begin(2);
    assert_eq!(test.log.take(), ["a starts", "b starts"]);
    b.send(Ok(())).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), ["b ends", "c starts"]);
    d.send(Ok(())).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), [""; 0], "d has not started");
    c.send(Ok(())).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), ["c ends", "d starts", "d ends"]);
    a.send(Ok(())).unwrap();
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 4);
    assert_eq!(test.log.take(), ["a ends"]);
}

#[test]
fn limits_of_zero_and_one() {
    let all = test(Options::new());
    let gates = ["a", "b", "c"].map(|name| all.gate(name));
    let emit = all.begin(0);
    assert_eq!(all.log.take(), ["a starts", "b starts", "c starts"]);
    for gate in gates {
        gate.send(Ok(())).unwrap();
    }
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 3);

    let one = test(Options::new());
    let gates = ["a", "b"].map(|name| one.gate(name));
    let emit = one.begin(1);
    assert_eq!(one.log.take(), ["a starts"]);
    for gate in gates {
        gate.send(Ok(())).unwrap();
    }
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 2);
    assert_eq!(one.log.take(), ["a ends", "b starts", "b ends"]);
}

#[test]
fn plain_listener_runs_in_its_turn() {
    let test = test(Options::new());
    let a = test.gate("a");
    test.emitter.on("b", test.log.listener("b")).detach();
    let c = test.gate("c");
    test.emitter.once("d", test.log.listener("d")).detach();
    let mut emit = test.begin(2);
    assert_eq!(test.log.take(), ["a starts", "b", "c starts"]);
    a.send(Ok(())).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), ["a ends", "d"]);
    c.send(Ok(())).unwrap();
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 4);
}

#[test]
fn failures_are_in_listener_order() {
    let test = test(Options::new());
    let [a, b, c] = ["a", "b", "c"].map(|name| test.gate(name));
    test.emitter.on("d", test.log.failing("d")).detach();
    let mut emit = test.begin(0);
    c.send(Err("third")).unwrap();
    test.assert_pending(&mut emit);
    b.send(Ok(())).unwrap();
    a.send(Err("first")).unwrap();
    let failed = emit.now_or_never().unwrap().unwrap_err();
    let message = "3 of 4 listeners failed: a: first; c: third; d: d is out";
    assert_eq!(failed.to_string(), message);
}

#[test]
fn failures_are_observed_immediately() {
    let test = test(Options::new());
    let own = test.log.clone();
    let observer = move |failure: &_| own.add(format!("observed {failure}"));
    test.emitter.errors().on("observer", observer).detach();
    let [a, b] = ["a", "b"].map(|name| test.gate(name));
    let mut emit = test.begin(0);
    test.log.take();
    b.send(Err("early")).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), ["b ends", "observed b: early"]);
    a.send(Err("late")).unwrap();
    assert_eq!(emit.now_or_never().unwrap().unwrap(), 2);
    assert_eq!(test.log.take(), ["a ends", "observed a: late"]);
}

#[test]
fn fail_fast_awaits_running_listeners() {
    let test = test(Options::new().policy(FailurePolicy::FailFast));
    let [a, b, c] = ["a", "b", "c"].map(|name| test.gate(name));
    let mut emit = test.begin(2);
    b.send(Err("second")).unwrap();
    test.assert_pending(&mut emit);
    assert_eq!(test.log.take(), ["a starts", "b starts", "b ends"]);
    c.send(Ok(())).unwrap();
    a.send(Err("first")).unwrap();
    let failed = emit.now_or_never().unwrap().unwrap_err();
    let message = "2 of 2 listeners failed: a: first; b: second";
    assert_eq!(failed.to_string(), message);
    assert_eq!(test.log.take(), ["a ends"]);
}

#[test]
fn plain_failure_fails_fast() {
    let test = test(Options::new().policy(FailurePolicy::FailFast));
    let a = test.gate("a");
    test.emitter.on("b", test.log.failing("b")).detach();
    let _c = test.gate("c");
    let emit = test.begin(0);
    assert_eq!(test.log.take(), ["a starts", "b"]);
    a.send(Ok(())).unwrap();
    let failed = emit.now_or_never().unwrap().unwrap_err();
    assert_eq!(failed.to_string(), "1 of 2 listeners failed: b: b is out");
}

#[test]
fn dropped_emit_stops_running_listeners() {
    let test = test(Options::new());
    let _monitor = test.emitter.monitor(notices(&test.log));
    let _gates = ["a", "b", "c"].map(|name| test.gate(name));
    let emit = test.begin(2);
    let started = ["emitting to 3", "to a", "a starts", "to b", "b starts"];
    assert_eq!(test.log.take(), started);
    drop(emit);
    let mut lines = test.log.take();
    assert_eq!(lines.pop().unwrap(), "emitted: 2 ran, 0 failed");
    lines.sort();
    assert_eq!(lines, ["a is stopped", "b is stopped"]);
}

#[test]
fn snapshot_is_taken_at_the_first_poll() {
    for (removal, expected) in [(Removal::Snapshot, 3), (Removal::Live, 2)] {
        let test = test(Options::new().removal(removal));
        let early = test.emitter.on("early", test.log.listener("early"));
        let mut emit: Emit = Box::pin(test.emitter.emit_concurrent(0, 1));
        early.cancel();
        let a = test.gate("a");
        let removed = test.emitter.on("removed", test.log.listener("removed"));
        test.emitter.on("b", test.log.listener("b")).detach();
        assert_eq!(test.log.take(), [""; 0], "lazy");
        test.assert_pending(&mut emit);
        removed.cancel();
        test.emitter.on("late", test.log.listener("late")).detach();
        a.send(Ok(())).unwrap();
        let delivered = emit.now_or_never().unwrap().unwrap();
        assert_eq!(delivered, expected, "{removal:?}");
        let lines = test.log.take();
        assert_eq!(lines.last().unwrap(), "b");
        assert_eq!(lines.len(), delivered + 1);
    }
}

#[test]
fn listeners_share_one_event() {
    let emitter = AsyncEmitter::<u8>::new_async();
    let event = Arc::new(7);
    let (own, all) = (Arc::clone(&event), [(); 3]);
    for () in all {
        let own = Arc::clone(&own);
        let listener = move |event| {
            assert!(Arc::ptr_eq(&event, &own), "it is not copied");
            async {}
        };
        emitter.on_async("a", listener).detach();
    }
    let result = emitter.emit_concurrent(Arc::clone(&event), 2);
    assert_eq!(result.now_or_never().unwrap().unwrap(), 3);
    let result = emitter.emit_serial(Arc::clone(&event));
    assert_eq!(result.now_or_never().unwrap().unwrap(), 3);
}
