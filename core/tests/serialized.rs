//! Statistics as values that `serde` writes.
#![cfg(feature = "serde")]

use futures::StreamExt as _;
use highwater::{
    LatencyHistogram, Overflow,
    error::{AppError, BreakerState, Handler, IdGenerator, Incident},
    events::{Bus, Emitter, Metrics},
    scale::{Pool, PoolOptions, Work},
    stream::{Bound, Pipeline, channel},
};
use serde_json::{Value, to_value};
use std::{sync::Arc, time::Duration};

#[test]
fn every_snapshot_of_statistics_is_serialized() {
    let bus = Bus::new();
    let metrics = Metrics::new(&bus, Arc::new(|| Duration::ZERO));
    bus.on("sum", |_: &u64| ()).detach();
    bus.emit(&7_u64).unwrap();
    bus.emit(&7_i32).unwrap();
    let report = to_value(metrics.report()).unwrap();
    assert_eq!(report[0]["event"], "u64");
    assert_eq!(report[1]["unhandled"], 1);
    let listener = &report[0]["listeners"][0];
    assert_eq!(listener["name"], "sum");
    assert_eq!(listener["took_histogram"]["count"], 1);
    assert!(
        listener["location"]
            .as_str()
            .unwrap()
            .contains("serialized.rs")
    );

    let inbox = Emitter::<u8>::new()
        .inbox("reader", 2, Overflow::Fail)
        .unwrap();
    let stats = to_value(inbox.stats()).unwrap();
    assert_eq!(
        (&stats["queued"], &stats["rejected"]),
        (&0.into(), &0.into())
    );

    let (sender, _receiver) = channel(Bound::<u8>::items(2).unwrap(), Overflow::Wait);
    sender.try_send(1).unwrap();
    let stats = to_value(sender.stats()).unwrap();
    assert_eq!(
        (&stats["sent"]["items"], &stats["rejected"]["items"]),
        (&1.into(), &0.into())
    );
    let pipeline = Pipeline::from_stream("source", futures::stream::iter([vec![1_u8]]).boxed());
    let run = pipeline.into_writer("sink", futures::io::sink());
    let report = to_value(run.monitor().report()).unwrap();
    assert_eq!(report["stages"][0]["name"], "source");

    let pool = Pool::new(PoolOptions::new(1), Work::run);
    drop(pool.try_run(|_| ()));
    assert_eq!(to_value(pool.stats()).unwrap()["done"], 1);
    assert_eq!(
        to_value(pool.latencies()).unwrap()["ran"]["count"],
        0,
        "no clock"
    );

    let handler = Handler::new();
    let incident = Incident::new(IdGenerator::new(7).generate(), "GET /");
    let _decision = handler.handle(&AppError::timeout("it"), &incident);
    assert_eq!(to_value(handler.stats()).unwrap()["codes"][0][0], "timeout");
    assert_eq!(to_value(BreakerState::HalfOpen).unwrap(), "HalfOpen");

    let mut times = LatencyHistogram::new();
    times.record(Duration::from_nanos(7));
    let times = to_value(times).unwrap();
    assert_eq!(
        (&times["max_ns"], &times["buckets_ns"][0][1]),
        (&Value::from(7), &Value::from(1))
    );
}
