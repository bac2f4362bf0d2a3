//! Texts that others wrote: they may be endless, break the line, or panic while
//! they are made.

use super::{AppError, Chain};
use std::{
    any::Any,
    error::Error,
    fmt::{self, Display, Write},
    io,
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
    let mut links = Links::of(error);
    for link in &mut links {
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
    match links.next {
        Some(_) => write!(to, "{separator}{CUT}"),
        None => Ok(()),
    }
}

/// The sources of an error, as an operator wants to see them: no more than a
/// [`Chain`] has, in none of which anything panics. Of an [`io::Error`] that only
/// carries another, it is the other that has something to say.
pub(super) struct Links<'a> {
    next: Option<&'a (dyn Error + 'static)>,
    left: usize,
}

impl<'a> Links<'a> {
    pub(super) fn of(error: &'a AppError) -> Self {
        Links {
            next: error.source(),
            left: Chain::DEEPEST,
        }
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let link = self.next?;
            let io = link.downcast_ref::<io::Error>();
            if let Some(carried) = io.and_then(io::Error::get_ref) {
                self.next = Some(carried);
                continue;
            }
            self.next = guarded(|| link.source()).unwrap_or(None);
            return Some(link);
        }
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
