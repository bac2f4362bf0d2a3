//! The log line of an error.

use crate::error::{
    AppError, ErrorReport,
    causes::{Links, write_chain},
    listeners,
    text::ELLIPSIS,
};
use std::fmt::{self, Write};

/// The maximum size of a line, in bytes. With a prefix it stays below the 4,096 bytes
/// that Linux writes to a pipe atomically.
const MAX_LINE_BYTES: usize = 3 * 1024;
/// The maximum size of a value, so that client input cannot crowd out the rest.
const MAX_VALUE_BYTES: usize = 1024;
const MAX_OPERATION_BYTES: usize = 256;

/// The built-in keys of a log line.
const BUILT_IN_KEYS: [&str; 15] = [
    "id",
    "trace_id",
    "class",
    "code",
    "status",
    "decision",
    "gave_up",
    "operation",
    "attempt",
    "at",
    "error",
    "field",
    "problem",
    "context",
    "value",
];

/// Formats an error report as one line without control characters.
pub(super) fn format(report: &ErrorReport<'_>) -> String {
    let ErrorReport {
        error, incident, ..
    } = report;
    let mut line = LogLine(String::with_capacity(512));
    line.unquoted("id", incident.id.as_str());
    if let Some(trace_id) = incident.trace_id {
        line.unquoted("trace_id", &trace_id.to_string());
    }
    line.unquoted("class", error.class().as_str());
    line.text("code", error.code());
    line.number("status", error.status().into());
    line.unquoted("decision", report.decision.as_str());
    if let Some(reason) = report.gave_up {
        line.quoted("gave_up", |value| write!(value, "{reason}"));
    }
    line.client_text("operation", incident.operation);
    line.number("attempt", incident.attempt);
    line.quoted("at", |value| write!(value, "{}", error.location()));
    line.quoted("error", |value| write_chain(error, value));
    line.error_values(error);
    for link in Links::of(error) {
        if let Some(cause) = link.downcast_ref() {
            line.error_values(cause);
        }
        listeners::app_errors(link).for_each(|error| line.error_values(error));
    }
    line.0
}

struct LogLine(String);

impl LogLine {
    fn error_values(&mut self, error: &AppError) {
        for field in error.fields() {
            self.text("field", &field.field);
            self.text("problem", &field.detail);
        }
        for (key, value) in error.context() {
            if needs_no_quotes(key) && !BUILT_IN_KEYS.contains(&key) {
                self.text(key, value);
            } else {
                self.text("context", key);
                self.text("value", value);
            }
        }
    }

    /// Adds a value that needs no quotes.
    fn unquoted(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(value);
    }

    fn number(&mut self, key: &str, value: u32) {
        self.unquoted(key, "");
        // Writing to a string cannot fail.
        let _infallible = write!(self.0, "{value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        let max_bytes = value.len().min(MAX_VALUE_BYTES);
        if self.0.len() + key.len() + max_bytes > MAX_LINE_BYTES {
            return self.truncate();
        }
        if value.len() == max_bytes && needs_no_quotes(value) {
            self.unquoted(key, value);
        } else {
            self.quoted(key, |quoted| quoted.write_str(value));
        }
    }

    /// Adds client input of arbitrary length.
    fn client_text(&mut self, key: &str, value: &str) {
        if value.len() <= MAX_OPERATION_BYTES && needs_no_quotes(value) {
            return self.unquoted(key, value);
        }
        self.quoted_within(MAX_OPERATION_BYTES, key, |quoted| quoted.write_str(value));
    }

    fn quoted(&mut self, key: &str, write: impl FnOnce(&mut EscapedValue<'_>) -> fmt::Result) {
        self.quoted_within(MAX_VALUE_BYTES, key, write);
    }

    fn quoted_within(
        &mut self,
        max_bytes: usize,
        key: &str,
        write: impl FnOnce(&mut EscapedValue<'_>) -> fmt::Result,
    ) {
        self.unquoted(key, "\"");
        let end = MAX_LINE_BYTES.min(self.0.len() + max_bytes);
        let mut escaped = EscapedValue {
            text: &mut self.0,
            end,
        };
        // `EscapedValue` marks omitted text itself.
        let _truncated = write(&mut escaped);
        self.0.push('"');
    }

    fn truncate(&mut self) {
        if !self.0.ends_with(ELLIPSIS) {
            self.0.push(' ');
            self.0.push_str(ELLIPSIS);
        }
    }
}

/// Writes arbitrary text. Escapes characters that would end the value or the line, or
/// mislead the reader. Ignores everything beyond `end`.
struct EscapedValue<'a> {
    text: &'a mut String,
    end: usize,
}

impl Write for EscapedValue<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.text.len() >= self.end {
                return self.truncate();
            }
            if is_safe(c) {
                self.text.push(c);
            } else {
                self.text.extend(c.escape_debug());
            }
        }
        Ok(())
    }
}

impl EscapedValue<'_> {
    fn truncate(&mut self) -> fmt::Result {
        if self.end > 0 {
            self.text.push_str(ELLIPSIS);
        }
        self.end = 0;
        Err(fmt::Error)
    }
}

fn needs_no_quotes(text: &str) -> bool {
    let needs_no_escape = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\=".contains(byte);
    !text.is_empty() && text.as_bytes().iter().all(needs_no_escape)
}

fn is_safe(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}
