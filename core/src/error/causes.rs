//! Text of errors with their causes.

use super::{
    AppError, Chain, listeners,
    text::{ELLIPSIS, write_catching_panics},
};
use crate::panics::catch_panic;
use std::{
    error::Error,
    fmt::{self, Write},
    io,
};

/// `{}` writes the client's message. `{:#}` writes the operator's message with all
/// sources.
impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write_chain(self, f)
        } else {
            f.write_str(self.public_message())
        }
    }
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
