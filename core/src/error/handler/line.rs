//! One line of the log for one error.

use crate::error::{
    AppError, Report,
    text::{self, Links},
};
use std::fmt::{self, Write};

/// How many bytes of a line there are at most; of its chain, a quarter.
const LONGEST_LINE: usize = 16 * 1024;
const LONGEST_CHAIN: usize = LONGEST_LINE / 4;

/// Stands for what is left out.
const CUT: &str = "…";

/// All there is to say about an error, with no line break and no control
/// character in it, whatever its texts have.
pub(super) fn line(report: &Report<'_>) -> String {
    let Report {
        error, incident, ..
    } = report;
    let mut line = Line(String::with_capacity(512));
    line.plain("id", incident.id.as_str());
    line.plain("class", error.class().as_str());
    line.text("code", error.code());
    line.number("status", error.status().into());
    line.plain("decision", report.decision.as_str());
    if let Some(why) = report.gave_up {
        line.quoted("gave_up", |value| write!(value, "{why}"));
    }
    line.text("operation", incident.operation);
    line.number("attempt", incident.attempt);
    line.quoted("at", |value| write!(value, "{}", error.location()));
    line.quoted("error", |value| text::write_chain(error, value));
    line.values(error);
    let causes = Links::of(error).filter_map(|link| link.downcast_ref());
    causes.for_each(|cause| line.values(cause));
    line.0
}

struct Line(String);

impl Line {
    fn values(&mut self, error: &AppError) {
        for field in error.fields() {
            self.text("field", &field.field);
            self.text("problem", &field.detail);
        }
        for (key, value) in error.context() {
            self.text(key, value);
        }
    }

    /// A value that is known to need no quotes.
    fn plain(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(value);
    }

    fn number(&mut self, key: &str, value: u32) {
        self.plain(key, "");
        // A string takes everything.
        let _always = write!(self.0, "{value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\=".contains(byte);
        let needs_none = |text: &str| !text.is_empty() && text.as_bytes().iter().all(is_plain);
        if !needs_none(key) {
            return self.text("context", key);
        }
        if self.0.len() + key.len() + value.len() > LONGEST_LINE {
            return self.cut();
        }
        if needs_none(value) {
            self.plain(key, value);
        } else {
            self.quoted(key, |quoted| quoted.write_str(value));
        }
    }

    fn quoted(&mut self, key: &str, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        self.plain(key, "\"");
        let end = self.0.len() + LONGEST_CHAIN;
        let mut escaped = Escaped {
            text: &mut self.0,
            end,
        };
        // What is left out is marked where it would be.
        let _cut = write(&mut escaped);
        self.0.push('"');
    }

    fn cut(&mut self) {
        if !self.0.ends_with(CUT) {
            self.0.push(' ');
            self.0.push_str(CUT);
        }
    }
}

/// Writes what may be anything: what would end the value, the line or the
/// reader's trust is spelled out. From its end on it takes nothing more.
struct Escaped<'a> {
    text: &'a mut String,
    end: usize,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        loop {
            let safe = rest.bytes().take_while(|byte| is_safe(*byte)).count();
            let (as_it_is, other) = rest.split_at(safe);
            let room = self.end.saturating_sub(self.text.len());
            if as_it_is.len() > room {
                self.text.push_str(&as_it_is[..room]);
                return self.cut();
            }
            self.text.push_str(as_it_is);
            let Some(first) = other.chars().next() else {
                return Ok(());
            };
            if self.text.len() >= self.end {
                return self.cut();
            }
            self.text.extend(first.escape_debug());
            rest = &other[first.len_utf8()..];
        }
    }
}

impl Escaped<'_> {
    fn cut(&mut self) -> fmt::Result {
        if self.end > 0 {
            self.text.push_str(CUT);
        }
        self.end = 0;
        Err(fmt::Error)
    }
}

fn is_safe(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}
