//! The report as JSON.

use super::{errors, run_duration, scaling, theory};
use highwater::{analysis::digest, scenario::Verdict, trace::Trace};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the report as one JSON object. Durations are whole nanoseconds.
pub(crate) fn json(trace: &Trace, verdicts: &[Verdict]) -> Value {
    let summary = trace.summary();
    let sources: Vec<Value> = summary
        .sources()
        .map(|source| {
            let counters = summary.counters(source);
            json!({
                "name": trace.name(source),
                "started": counters.started,
                "succeeded": counters.succeeded,
                "failed": counters.failed,
                "in_flight": counters.in_flight(),
                "sent": counters.sent,
                "p50_ns": summary.percentile(source, 50).map(|it| it.as_nanos()),
                "p99_ns": summary.percentile(source, 99).map(|it| it.as_nanos()),
                "is_sample": summary.is_sample(source),
            })
        })
        .collect();
    let edges: Vec<Value> = summary
        .edges()
        .map(|(source, target, count)| {
            json!({
                "source": trace.name(source),
                "target": trace.name(target),
                "count": count,
            })
        })
        .collect();
    let queues: Vec<Value> = summary
        .queues()
        .map(|(id, queue)| {
            json!({
                "name": trace.name(id),
                "mark_bytes": queue.mark,
                "peak_bytes": queue.peak,
                "level_bytes": queue.level,
                "stalled_ns": queue.stalled.map(|it| it.as_nanos()),
                "dropped": queue.dropped,
                "refused": queue.rejected,
            })
        })
        .collect();
    let params: BTreeMap<_, _> = trace.params.iter().cloned().collect();
    json!({
        "scenario": trace.scenario,
        "world": trace.world,
        "seed": trace.seed,
        "params": params,
        "duration_ns": run_duration(trace).as_nanos(),
        "digest": digest(trace),
        "records": trace.events.len(),
        "dropped": trace.dropped,
        "died": trace.died,
        "sources": sources,
        "edges": edges,
        "queues": queues,
        "errors": errors::json(trace),
        "scaling": scaling::json(trace),
        "theory": theory::json(trace),
        "verdicts": verdicts,
    })
}
