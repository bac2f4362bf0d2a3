//! What a supervisor tells of its workers: to people a line of the log, to
//! programs an object of JSON.

use crate::logging;
use serde_json::{Value, json};
use std::{fmt, path::Path, process};

/// Where it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal {
    /// Whether programs are told, on standard output.
    pub(super) json: bool,
}

/// A worker, as people and programs know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) slot: usize,
    pub(super) generation: u64,
    /// The number of its process.
    pub(super) pid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (pid {})", self.slot + 1, self.pid)
    }
}

impl Journal {
    /// Something happened to a worker.
    pub(super) fn of(self, event: &str, who: Who) {
        self.of_why(event, who, Value::Null);
    }

    /// A worker was started from this file.
    pub(super) fn started(self, who: Who, program: &Path) {
        let program = program.display().to_string();
        self.of_with("started", who, "program", program.into());
    }

    /// A worker serves, and says that it is of this version.
    pub(super) fn ready(self, who: Who, version: Option<&str>) {
        self.of_with("ready", who, "version", version.into());
    }

    /// The same, and why.
    pub(super) fn of_why(self, event: &str, who: Who, why: impl Into<Value>) {
        self.of_with(event, who, "why", why.into());
    }

    fn of_with(self, event: &str, who: Who, key: &str, value: Value) {
        let Who {
            slot,
            generation,
            pid,
        } = who;
        let mut told = json!({
            "event": event,
            "pid": pid,
            "worker": slot + 1,
            "generation": generation,
        });
        if !value.is_null() {
            told[key] = value;
        }
        self.print(&told);
    }

    /// Something happened to all of it.
    pub(super) fn of_all(self, event: &str, more: Value) {
        let mut told = json!({"event": event, "pid": process::id()});
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        self.print(&told);
    }

    fn print(self, told: &Value) {
        if self.json {
            logging::print(&told.to_string());
        }
    }
}

/// Writes a line to the log.
pub(super) fn log(line: impl fmt::Display) {
    logging::line(&line.to_string());
}
