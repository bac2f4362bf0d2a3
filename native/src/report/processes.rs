//! The processes of each worker slot, in order.

use super::table::render;
use highwater::{scenario::WorkerSlot, trace::Trace};
use serde_json::{Value, json};

/// Returns one row per worker slot, with the process ids before and after each exit. Empty
/// if there are no slots.
pub(super) fn table(worker_slots: &[WorkerSlot], trace: &Trace) -> String {
    if worker_slots.is_empty() {
        return String::new();
    }
    let header = ["SLOT", "STATE", "GENERATION", "PROCESSES"];
    let mut rows = vec![header.map(str::to_owned)];
    for worker_slot in worker_slots {
        rows.push([
            trace.name(worker_slot.worker).to_owned(),
            worker_slot.state.as_str().to_owned(),
            worker_slot.generation().to_string(),
            worker_slot.history(trace),
        ]);
    }
    format!("\n{}", render(&rows))
}

/// Returns the slots as a JSON array.
pub(super) fn json(worker_slots: &[WorkerSlot], trace: &Trace) -> Value {
    let generations = |worker_slot: &WorkerSlot| {
        let generations = worker_slot.generations.iter().map(|generation| {
            let cause = generation.cause.map(|cause| trace.name(cause));
            json!({ "process": generation.process, "ended_by": cause })
        });
        Value::Array(generations.collect())
    };
    let slots = worker_slots.iter().map(|worker_slot| {
        json!({
            "name": trace.name(worker_slot.worker),
            "state": worker_slot.state.as_str(),
            "generations": generations(worker_slot),
        })
    });
    Value::Array(slots.collect())
}
