//! Figures for runs of the errors chapter: requests, and the processes that served them.

use super::{processes, table::render};
use highwater::{
    scenario::{self, Tally},
    trace::Trace,
};
use serde_json::{Value, json};

/// The number of figures per row.
const COLUMNS: usize = 6;

/// Returns the figures of a run, or `None` for other chapters.
fn tally(trace: &Trace) -> Option<Tally> {
    let scenario = scenario::find(&trace.scenario).ok()?;
    (scenario.chapter == "errors").then(|| Tally::of(trace))
}

/// Returns the figures in columns, and one row per worker slot with its process ids.
/// Empty for other chapters.
pub(super) fn table(trace: &Trace) -> String {
    let Some(tally) = tally(trace) else {
        return String::new();
    };
    let mut text = String::new();
    for figures in tally.figures().chunks(COLUMNS) {
        let row = |cell: fn(&(&str, String)) -> String| {
            let mut row = [const { String::new() }; COLUMNS + 1];
            for (column, figure) in figures.iter().enumerate() {
                row[column] = cell(figure);
            }
            row
        };
        let header = row(|(name, _)| name.to_uppercase());
        text.push('\n');
        text += &render(&[header, row(|(_, value)| value.clone())]);
    }
    text += &processes::table(tally.worker_slots(), trace);
    text
}

/// Returns the figures as JSON, or null for other chapters.
pub(super) fn json(trace: &Trace) -> Value {
    let Some(tally) = tally(trace) else {
        return Value::Null;
    };
    json!({
        "requests": tally.requests,
        "available_permille": tally.availability(),
        "answered_2xx": tally.succeeded,
        "answered_4xx": tally.client_errors,
        "answered_5xx": tally.server_errors,
        "wrong": tally.wrong,
        "exposed": tally.exposed,
        "lost": tally.lost,
        "in_flight": tally.in_flight(),
        "attempts": tally.attempts,
        "attempts_of_100_requests": tally.amplification(),
        "retries": tally.retries,
        "refused": tally.rejected,
        "errors": tally.errors,
        "logged": tally.logged,
        "crashes": tally.crashes,
        "restarts": tally.restarts,
        "has_given_up": tally.has_given_up,
        "longest_restart_ns": tally.longest_restart.as_nanos(),
        "places": processes::json(tally.worker_slots(), trace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulated(name: &str, set: &[(&str, &str)]) -> Trace {
        let mut experiment = scenario::find(name).unwrap().experiment();
        for (key, value) in set {
            experiment.set(key, value).unwrap();
        }
        experiment.simulate()
    }

    #[test]
    fn table_shows_a_crash_between_process_ids() {
        let text = table(&simulated(
            "handler",
            &[("bug_every", "50"), ("workers", "1")],
        ));
        assert!(text.contains("1 ✗ a bug → 2"), "{text}");
        assert!(
            text.contains("AVAILABLE") && text.contains("LONGEST RESTART"),
            "{text}"
        );
    }

    #[test]
    fn process_table_is_omitted_without_processes() {
        let text = table(&simulated("taxonomy", &[]));
        assert!(text.contains("ATTEMPTS PER REQUEST"), "{text}");
        assert!(!text.contains("GENERATION"), "{text}");
        assert_eq!(table(&simulated("decoupling", &[])), "");
    }

    #[test]
    fn json_has_process_ids_and_causes() {
        let report = json(&simulated(
            "handler",
            &[("bug_every", "50"), ("workers", "1")],
        ));
        let generations = &report["places"][0]["generations"];
        assert_eq!(generations[0]["ended_by"], "a bug");
        assert_ne!(generations[0]["process"], generations[1]["process"]);
        assert_eq!(
            (&report["crashes"], &report["restarts"]),
            (&json!(1), &json!(1))
        );
        assert!(json(&simulated("pipeline", &[])).is_null());
    }
}
