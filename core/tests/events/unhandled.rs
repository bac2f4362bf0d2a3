//! Events without listeners.

use futures::executor::block_on;
use highwater::events::{AsyncEmitter, Bus, Emitter, Metrics, Options};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

type Reports = Arc<Mutex<Vec<&'static str>>>;

fn reporting() -> (Options, Reports) {
    let reports = Reports::default();
    let list = Arc::clone(&reports);
    let options = Options::new().on_unhandled(move |event| list.lock().unwrap().push(event));
    (options, reports)
}

#[test]
fn mistaken_types_are_counted_and_reported() {
    let (options, reports) = reporting();
    let bus = Bus::with_options(options);
    let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
    let listener = bus.on("sum", |_: &u64| ());
    for _ in 0..3 {
        bus.emit(&7_i32).unwrap();
        bus.emit(&7_u64).unwrap();
    }
    assert_eq!(bus.unhandled(), [("i32", 3)]);
    assert_eq!(*reports.lock().unwrap(), ["i32"; 3]);
    let report = metrics.report();
    let counts = report.iter().map(|it| (it.event, it.emitted, it.unhandled));
    assert_eq!(counts.collect::<Vec<_>>(), [("i32", 3, 3), ("u64", 3, 0)]);

    drop(listener);
    bus.emit(&7_u64).unwrap();
    assert_eq!(bus.unhandled(), [("u64", 1), ("i32", 3)]);
}

#[test]
fn every_kind_of_emit_is_counted() {
    let (options, reports) = reporting();
    let emitter: Emitter<u8> = Emitter::with_options(options);
    emitter.emit(&1).unwrap();
    emitter.cached().emit(&1).unwrap();
    block_on(emitter.emit_serial(1)).unwrap();
    block_on(emitter.emit_concurrent(1, 2)).unwrap();
    assert_eq!(emitter.unhandled(), 4);
    emitter.on("work", |_| ()).detach();
    emitter.emit(&1).unwrap();
    emitter.cached().emit(&1).unwrap();
    block_on(emitter.emit_serial(1)).unwrap();
    assert_eq!(emitter.unhandled(), 4);
    emitter.remove_all();
    emitter.emit(&1).unwrap();
    assert_eq!((emitter.unhandled(), reports.lock().unwrap().len()), (5, 5));
    let awaited: AsyncEmitter<u8> = Emitter::new_async();
    block_on(awaited.emit_serial(1)).unwrap();
    assert_eq!(awaited.unhandled(), 1);
}

#[test]
fn monitors_and_failures_are_not_counted() {
    let (options, reports) = reporting();
    let emitter: Emitter<u8> = Emitter::with_options(options);
    let _monitor = emitter.monitor(|_, _| ());
    emitter.emit(&1).unwrap();
    assert_eq!(emitter.unhandled(), 1);
    emitter.on("disk", |_| Err("full")).detach();
    assert!(emitter.errors().listeners().is_empty());
    assert!(emitter.emit(&1).is_err(), "returned by emit");
    assert_eq!(emitter.errors().unhandled(), 0);
    assert_eq!(*reports.lock().unwrap(), ["u8"]);
}
