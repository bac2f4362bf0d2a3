//! Formatting of untrusted values, whose text may be endless, contain line breaks, or
//! panic.

use std::{
    any::Any,
    fmt::{self, Display, Write},
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The maximum size of a text, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// Replaces omitted text.
pub(super) const ELLIPSIS: &str = "…";

/// Replaces a text whose `Display` panicked.
const PANIC_PLACEHOLDER: &str = "(formatting panicked)";

/// Runs untrusted code and catches its panics. Any state it leaves inconsistent is
/// its own and is not used again.
pub(super) fn catch_panic<R>(run: impl FnOnce() -> R) -> Result<R, CaughtPanic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| CaughtPanic(Some(payload)))
}

/// A panic payload. Its destructor may panic.
pub(super) struct CaughtPanic(Option<Box<dyn Any + Send>>);

impl Deref for CaughtPanic {
    type Target = dyn Any + Send;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&())
    }
}

impl Drop for CaughtPanic {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(second_payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // The destructor of this payload may panic too. Forget it, because
            // dropping in a loop might never end.
            std::mem::forget(second_payload);
        }
    }
}

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
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        if self.end > 0 {
            self.text.push_str(ELLIPSIS);
        }
        self.end = 0;
        Err(fmt::Error)
    }
}
