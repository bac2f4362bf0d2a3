//! Texts that others wrote: they may be endless, break the line, or panic while
//! they are made.

use super::{AppError, Chain};
use std::{
    any::Any,
    error::Error,
    fmt::{self, Display, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many bytes of one text are kept.
pub(super) const LONGEST_TEXT: usize = 1024;

/// Stands for what is left out.
const CUT: &str = "…";

/// Stands for what could not be made.
const PANICKED: &str = "(its text cannot be made: that panics)";

/// Runs what others wrote. It is told by its panic that it has a bug; whatever
/// it may have left half-changed is its own, and not looked at again.
pub(super) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(run))
}

/// The text of a value, as long as is kept.
pub(super) fn kept(value: &dyn Display) -> String {
    let mut text = String::new();
    write_guarded(value, &mut Capped::new(&mut text));
    text
}

/// A text as long as is kept.
pub(super) fn shortened(text: &str) -> Option<String> {
    (text.len() > LONGEST_TEXT).then(|| kept(&text))
}

/// An error and its sources, each after what it caused.
pub(super) fn write_chain(error: &AppError, to: &mut dyn Write) -> fmt::Result {
    let mut separator = "";
    if let Some(text) = error.own_text() {
        to.write_str(text)?;
        separator = ": ";
    }
    let mut next = error.source();
    for _ in 0..Chain::DEEPEST {
        let Some(link) = next else { return Ok(()) };
        // To tell its source may panic as well.
        next = guarded(|| link.source()).unwrap_or(None);
        let own = link.downcast_ref::<AppError>();
        match own.map(AppError::own_text) {
            Some(None) => continue,
            Some(Some(text)) => write!(to, "{separator}{text}")?,
            None => {
                to.write_str(separator)?;
                write_guarded(link, to);
            }
        }
        separator = ": ";
    }
    match next {
        Some(_) => write!(to, "{separator}{CUT}"),
        None => Ok(()),
    }
}

/// Writes what can be made of a value. It may refuse, or panic half-way.
fn write_guarded(value: &(impl Display + ?Sized), to: &mut (impl Write + ?Sized)) {
    if guarded(|| write!(to, "{value}")).is_err() {
        // As little comes of it as of the value.
        let _full = to.write_str(PANICKED);
    }
}

/// Takes as much of a text as is kept, then refuses: a text without end comes to
/// one.
struct Capped<'a> {
    text: &'a mut String,
    end: usize,
}

impl<'a> Capped<'a> {
    fn new(text: &'a mut String) -> Self {
        let end = text.len() + LONGEST_TEXT;
        Capped { text, end }
    }
}

impl Write for Capped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.end.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        if self.end > 0 {
            self.text.push_str(CUT);
        }
        self.end = 0;
        Err(fmt::Error)
    }
}
