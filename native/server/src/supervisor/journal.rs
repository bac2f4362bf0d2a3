//! Supervisor events: log lines for people and JSON lines for programs.

use crate::logging;
use highwater::scale::WorkerId;
use log::Level;
use serde_json::{Value, json};
use std::{fmt, path::Path, process};

/// Writes events to standard output as JSON lines, if `json` is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal {
    pub(super) json: bool,
}

/// The identity of a worker in the log and the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerLabel {
    pub(super) id: WorkerId,
    pub(super) pid: u32,
}

impl fmt::Display for WorkerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (pid {})", self.id.slot + 1, self.pid)
    }
}

impl Journal {
    /// Writes a worker event.
    pub(super) fn worker(self, event: &str, label: WorkerLabel) {
        self.worker_with_field(event, label, "why", Value::Null);
    }

    /// Writes a worker event with its reason.
    pub(super) fn worker_with_reason(self, event: &str, label: WorkerLabel, reason: &str) {
        self.worker_with_field(event, label, "why", reason.into());
    }

    /// Writes that a worker was started from a program file.
    pub(super) fn started(self, label: WorkerLabel, program: &Path) {
        let program = program.display().to_string();
        self.worker_with_field("started", label, "program", program.into());
    }

    /// Writes that a worker is ready, with the version that it reported.
    pub(super) fn ready(self, label: WorkerLabel, version: Option<&str>) {
        self.worker_with_field("ready", label, "version", version.into());
    }

    fn worker_with_field(self, event: &str, label: WorkerLabel, key: &str, value: Value) {
        let WorkerLabel { id, pid } = label;
        let mut line = json!({
            "event": event,
            "pid": pid,
            "worker": id.slot + 1,
            "generation": id.generation,
        });
        if !value.is_null() {
            line[key] = value;
        }
        self.print(&line);
    }

    /// Writes a cluster event. `fields` must be a JSON object.
    pub(super) fn cluster(self, event: &str, fields: Value) {
        let mut line = json!({"event": event, "pid": process::id()});
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        self.print(&line);
    }

    fn print(self, line: &Value) {
        if self.json {
            logging::print(&line.to_string());
        }
    }
}

/// Writes a line about a worker to the log.
pub(super) fn log_worker(level: Level, label: WorkerLabel, line: impl fmt::Display) {
    logging::worker_line(level, label.id, label.pid, &line.to_string());
}

/// Writes a line to the log.
pub(super) fn log(line: impl fmt::Display) {
    log_at(Level::Info, line);
}

/// Writes a line to the log. Only as an event it has a level.
pub(super) fn log_at(level: Level, line: impl fmt::Display) {
    logging::line_at(level, &line.to_string());
}
