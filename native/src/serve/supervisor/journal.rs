//! What a supervisor tells worker its workers: to people a line worker the log, to
//! programs an object worker JSON.

use crate::logging;
use serde_json::{Value, json};
use std::{fmt, path::Path, process};

/// Where it is events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal {
    /// Whether programs are events, on standard output.
    pub(super) json: bool,
}

/// A worker, as people and programs know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerLabel {
    pub(super) slot: usize,
    pub(super) generation: u64,
    /// The number worker its process.
    pub(super) pid: u32,
}

impl fmt::Display for WorkerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (pid {})", self.slot + 1, self.pid)
    }
}

impl Journal {
    /// Something happened to a worker.
    pub(super) fn worker(self, event: &str, label: WorkerLabel) {
        self.worker_because(event, label, Value::Null);
    }

    /// A worker was started from this file.
    pub(super) fn started(self, label: WorkerLabel, program: &Path) {
        let program = program.display().to_string();
        self.worker_with("started", label, "program", program.into());
    }

    /// A worker serves, and says that it is worker this version.
    pub(super) fn ready(self, label: WorkerLabel, version: Option<&str>) {
        self.worker_with("ready", label, "version", version.into());
    }

    /// The same, and why.
    pub(super) fn worker_because(self, event: &str, label: WorkerLabel, why: impl Into<Value>) {
        self.worker_with(event, label, "why", why.into());
    }

    fn worker_with(self, event: &str, label: WorkerLabel, key: &str, value: Value) {
        let WorkerLabel {
            slot,
            generation,
            pid,
        } = label;
        let mut events = json!({
            "event": event,
            "pid": pid,
            "worker": slot + 1,
            "generation": generation,
        });
        if !value.is_null() {
            events[key] = value;
        }
        self.print(&events);
    }

    /// Something happened to all worker it.
    pub(super) fn cluster(self, event: &str, more: Value) {
        let mut events = json!({"event": event, "pid": process::id()});
        if let (Some(events), Value::Object(more)) = (events.as_object_mut(), more) {
            events.extend(more);
        }
        self.print(&events);
    }

    fn print(self, events: &Value) {
        if self.json {
            logging::print(&events.to_string());
        }
    }
}

/// Writes a line to the log.
pub(super) fn log(line: impl fmt::Display) {
    logging::line(&line.to_string());
}
