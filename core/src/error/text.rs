//! Formatting of untrusted values, whose text may be endless, contain line breaks, or
//! panic.

use super::{AppError, Chain, listeners};
use std::{
    any::Any,
    error::Error,
    fmt::{self, Display, Write},
    io,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The maximum size of a text, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// Replaces omitted text.
const ELLIPSIS: &str = "…";

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

/// Writes an error and its causes, each once.
// A `dyn Error` parameter would link the derived `Debug` and add 4 KB to every
// download.
pub(super) fn write_chain(error: &AppError, to: &mut dyn Write) -> fmt::Result {
    let mut separator = "";
    if let Some(text) = error.own_text() {
        to.write_str(text)?;
        separator = ": ";
    }
    write_links(Links::of(error), separator, to)
}

/// Writes an error of any type and its causes, each once.
pub(crate) fn write_with_causes(
    error: &(dyn Error + 'static),
    to: &mut (impl Write + ?Sized),
) -> fmt::Result {
    write_links(Links::from(error), "", to)
}

fn write_links(
    mut links: Links<'_>,
    mut separator: &str,
    to: &mut (impl Write + ?Sized),
) -> fmt::Result {
    for link in &mut links {
        if has_no_own_text(link) {
            continue;
        }
        to.write_str(separator)?;
        write_link(link, to)?;
        separator = ": ";
    }
    match links.next {
        Some(_) => write!(to, "{separator}{ELLIPSIS}"),
        None => Ok(()),
    }
}

/// Writes the error's own text without its causes.
pub(crate) fn write_own_text(
    error: &(dyn Error + 'static),
    to: &mut (impl Write + ?Sized),
) -> fmt::Result {
    match error.downcast_ref::<AppError>().map(AppError::own_text) {
        Some(text) => to.write_str(text.unwrap_or_default()),
        None => write!(to, "{error}"),
    }
}

/// Returns the error, or the first of its causes that has a text of its own.
pub(crate) fn first_cause_with_text<'a>(
    error: &'a (dyn Error + 'static),
) -> &'a (dyn Error + 'static) {
    let mut error_with_text = error;
    for _ in 0..Chain::MAX_DEPTH {
        match error_with_text.source() {
            Some(source) if has_no_own_text(error_with_text) => error_with_text = source,
            _ => break,
        }
    }
    error_with_text
}

/// Returns whether the error has no text besides its source's.
fn has_no_own_text(error: &(dyn Error + 'static)) -> bool {
    let app_error = error.downcast_ref::<AppError>();
    app_error.is_some_and(|app_error| app_error.own_text().is_none())
}

/// Writes one link of [`Links`].
fn write_link(link: &(dyn Error + 'static), to: &mut (impl Write + ?Sized)) -> fmt::Result {
    if let Some(text) = link.downcast_ref::<AppError>().and_then(AppError::own_text) {
        return to.write_str(text);
    }
    if let Some(text) = listeners::own_text(link) {
        return to.write_str(&text);
    }
    write_catching_panics(link, to);
    Ok(())
}

/// An iterator over an error and its causes for display. Unlike [`Chain`], it
/// includes the error inside an [`io::Error`] or a listener's `Failure`, and
/// tolerates a `source` that panics.
pub(super) struct Links<'a> {
    next: Option<&'a (dyn Error + 'static)>,
    remaining: usize,
}

impl<'a> Links<'a> {
    /// Iterates over the causes of an error.
    pub(super) fn of(error: &'a AppError) -> Self {
        Links {
            next: error.source(),
            remaining: Chain::MAX_DEPTH,
        }
    }

    /// Iterates over an error and its causes.
    fn from(error: &'a (dyn Error + 'static)) -> Self {
        Links {
            next: Some(error),
            remaining: Chain::MAX_DEPTH + 1,
        }
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.remaining = self.remaining.checked_sub(1)?;
            let link = self.next?;
            let io = link.downcast_ref::<io::Error>();
            if let Some(inner) = io.and_then(io::Error::get_ref) {
                self.next = Some(inner);
                continue;
            }
            self.next = listeners::contained_error(link)
                .or_else(|| catch_panic(|| link.source()).unwrap_or(None));
            return Some(link);
        }
    }
}

/// Writes a value whose `Display` may fail or panic.
fn write_catching_panics(value: &(impl Display + ?Sized), to: &mut (impl Write + ?Sized)) {
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
