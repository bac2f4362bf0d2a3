//! Predictions of queueing theory beside the figures of a run.

use super::table::render;
use highwater::{
    analysis::{Theory, TheoryRow},
    trace::Trace,
};
use serde_json::{Map, Value, json};

/// Returns the formula, or the reason that there is none, and one row per figure. `note`
/// is appended to the header of the run.
pub(super) fn table(trace: &Trace, note: &str) -> String {
    let theory = Theory::of(trace);
    let header = [
        "FIGURE",
        "THEORY",
        &["THIS RUN", &note.to_uppercase()].concat(),
        "GAP",
        "",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    let is_shown =
        |row: &&TheoryRow| row.theory.is_some() || theory.model.is_some() && row.run.is_some();
    for row in theory.rows.iter().filter(is_shown) {
        let text = |value: Option<u64>| value.map_or("–".to_owned(), |it| row.unit.text(it));
        rows.push([
            row.label.to_owned(),
            text(row.theory),
            text(row.run),
            row.gap().unwrap_or_default(),
            String::new(),
        ]);
    }
    let figures = if rows.len() > 1 {
        render(&rows)
    } else {
        String::new()
    };
    let notes = theory.notes.iter().map(|note| format!("  {note}.\n"));
    let notes = notes.collect::<String>();
    format!("\n  theory  {}\n{figures}{notes}", theory.summary())
}

/// Returns the same as JSON. Durations are whole nanoseconds.
pub(super) fn json(trace: &Trace) -> Value {
    let theory = Theory::of(trace);
    let figure = |row: &TheoryRow| {
        let gap_percent = row.gap_permille().map(|gap| gap as f64 / 10.0);
        let entry = json!({
            "unit": row.unit,
            "theory": row.theory,
            "run": row.run,
            "gap_percent": gap_percent,
        });
        (row.key.to_owned(), entry)
    };
    let measured = theory.measured_service_time;
    json!({
        "summary": theory.summary(),
        "model": theory.steady_state().map(|state| state.model.clone()),
        "utilization": theory.model.map(|model| model.utilization()),
        "notes": theory.notes,
        "measured_service_time_ns": measured.map(|time| time.as_nanos()),
        "figures": theory.rows.iter().map(figure).collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    fn simulated(name: &str, set: &[(&str, &str)]) -> Trace {
        let mut experiment = scenario::find(name).unwrap().experiment();
        for (key, value) in set {
            experiment.set(key, value).unwrap();
        }
        experiment.simulate()
    }

    #[test]
    fn table_has_the_gap_to_each_formula() {
        let set = [("every", "0"), ("work", "25"), ("requests", "200")];
        let exponential = [("arrivals", "poisson"), ("times", "exponential")];
        let trace = simulated("blocking", &[&set[..], &exponential].concat());
        let text = anstream::adapter::strip_str(&table(&trace, " (simulated)")).to_string();
        assert!(
            text.starts_with("\n  theory  M/M/1 at a utilization of 0.83"),
            "{text}"
        );
        assert!(text.contains("THIS RUN (SIMULATED)"), "{text}");
        let wait = text
            .lines()
            .find(|line| line.contains("Mean wait"))
            .unwrap();
        assert!(wait.contains(" 125 ms ") && wait.ends_with(" %"), "{wait}");
        let report = json(&trace);
        assert_eq!(report["model"], "M/M/1");
        assert_eq!(report["figures"]["mean_wait"]["theory"], 125_000_000);
        assert_eq!(report["figures"]["loss"]["theory"], Value::Null);
    }

    #[test]
    fn other_runs_have_a_reason_and_littles_law() {
        let trace = simulated("taxonomy", &[]);
        let text = table(&trace, "");
        assert!(
            text.contains("theory  no formula: requests do not wait"),
            "{text}"
        );
        assert!(text.contains("  Little's law: "), "{text}");
        assert!(!text.contains("Mean wait"), "{text}");
        assert_eq!(json(&trace)["model"], Value::Null);
    }
}
