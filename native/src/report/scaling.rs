//! Figures for runs of the scaling chapter: loop lag, thread speed-up and processes.

use super::{processes, table::render};
use highwater::{
    scenario::{WorkerSlots, scaling_figures},
    trace::Trace,
};
use serde_json::{Map, Value};

/// Returns one row per figure, and one per worker slot with its process ids. Empty for
/// other chapters.
pub(super) fn table(trace: &Trace) -> String {
    let figures = scaling_figures(trace);
    if figures.is_empty() {
        return String::new();
    }
    let header = ["THIS RUN", ""].map(str::to_owned);
    let rows = figures.into_iter().map(|(name, value)| [name, value]);
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let worker_slots = WorkerSlots::of(trace);
    let process_table = processes::table(worker_slots.as_slice(), trace);
    format!("\n{}{process_table}", render(&rows))
}

/// Returns the figures as JSON, or null for other chapters.
pub(super) fn json(trace: &Trace) -> Value {
    let figures = scaling_figures(trace);
    if figures.is_empty() {
        return Value::Null;
    }
    let entries = figures.into_iter();
    let mut entries: Map<_, _> = entries
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let worker_slots = WorkerSlots::of(trace);
    let slots = processes::json(worker_slots.as_slice(), trace);
    entries.insert("places".to_owned(), slots);
    Value::Object(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    fn simulated(name: &str) -> Trace {
        scenario::find(name).unwrap().experiment().simulate()
    }

    #[test]
    fn table_compares_threads_with_the_loop() {
        let text = table(&simulated("threads"));
        assert!(text.contains("4 threads    3.99 times as fast"), "{text}");
        let report = json(&simulated("threads"));
        assert!(report["On the loop"].as_str().unwrap().ends_with(" ms"));
    }

    #[test]
    fn table_has_the_loop_lag() {
        let text = table(&simulated("blocking"));
        assert!(text.contains("Loop lag p99"), "{text}");
    }

    #[test]
    fn table_shows_a_kill_between_process_ids() {
        let text = table(&simulated("cluster"));
        assert!(text.contains("3 ✗ killed from outside → 4"), "{text}");
        assert!(text.contains("Lost in flight"), "{text}");
        let report = json(&simulated("cluster"));
        let generations = &report["places"][2]["generations"];
        assert_eq!(generations[0]["ended_by"], "killed from outside");
        assert_ne!(generations[0]["process"], generations[1]["process"]);
        assert!(!table(&simulated("blocking")).contains("GENERATION"));
    }

    #[test]
    fn other_chapters_have_no_figures() {
        assert_eq!(table(&simulated("decoupling")), "");
        assert!(json(&simulated("decoupling")).is_null());
    }
}
