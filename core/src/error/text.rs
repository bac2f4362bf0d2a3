//! Formatting of untrusted values, whose text may be endless, contain line breaks, or
//! panic.

use crate::panics::catch_panic;
use std::fmt::{self, Display, Write};

/// The maximum size of a text, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// Replaces omitted text.
pub(super) const ELLIPSIS: &str = "…";

/// Replaces a text whose `Display` panicked.
const PANIC_PLACEHOLDER: &str = "(formatting panicked)";

/// Formats a value, cut at the maximum size.
pub(super) fn capped_text(value: &dyn Display) -> String {
    let mut text = String::new();
    write_catching_panics(value, &mut CappedWriter::new(&mut text));
    text
}

/// Returns the text cut at the maximum size, or `None` if it fits.
pub(super) fn truncated(text: &str) -> Option<String> {
    (text.len() > MAX_TEXT_BYTES).then(|| capped_text(&text))
}

/// Writes a value whose `Display` may fail or panic.
pub(super) fn write_catching_panics(
    value: &(impl Display + ?Sized),
    to: &mut (impl Write + ?Sized),
) {
    if catch_panic(|| write!(to, "{value}")).is_err() {
        // This may also fail for lack of space.
        let _ignored = to.write_str(PANIC_PLACEHOLDER);
    }
}

/// Collects text up to the maximum size and then returns an error, which stops an
/// endless `Display`.
struct CappedWriter<'a> {
    text: &'a mut String,
    end: usize,
}

impl<'a> CappedWriter<'a> {
    fn new(text: &'a mut String) -> Self {
        let end = text.len() + MAX_TEXT_BYTES;
        CappedWriter { text, end }
    }
}

impl Write for CappedWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.end.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        let fitting = text.get(..text.floor_char_boundary(room));
        self.text.push_str(fitting.unwrap_or_default());
        if self.end > 0 {
            self.text.push_str(ELLIPSIS);
        }
        self.end = 0;
        Err(fmt::Error)
    }
}
