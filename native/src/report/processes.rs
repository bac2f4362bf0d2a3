//! Which processes served, one after the other.

use super::table::render;
use highwater::{scenario::Station, trace::Trace};
use serde_json::{Value, json};

/// A row for each place, with its process ids before and after each end; nothing
/// where there were none.
pub(super) fn table(stations: &[Station], trace: &Trace) -> String {
    if stations.is_empty() {
        return String::new();
    }
    let header = ["PLACE", "STATE", "GENERATION", "PROCESSES"];
    let mut rows = vec![header.map(str::to_owned)];
    for station in stations {
        rows.push([
            trace.name(station.worker).to_owned(),
            station.state.as_str().to_owned(),
            station.generation().to_string(),
            station.history(trace),
        ]);
    }
    format!("\n{}", render(&rows))
}

/// The same for programs.
pub(super) fn json(stations: &[Station], trace: &Trace) -> Value {
    let generations = |station: &Station| {
        let generations = station.generations.iter().map(|generation| {
            let cause = generation.cause.map(|cause| trace.name(cause));
            json!({ "process": generation.process, "ended_by": cause })
        });
        Value::Array(generations.collect())
    };
    let places = stations.iter().map(|station| {
        json!({
            "name": trace.name(station.worker),
            "state": station.state.as_str(),
            "generations": generations(station),
        })
    });
    Value::Array(places.collect())
}
