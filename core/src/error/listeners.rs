//! Errors of listeners: what the rest of `error` has to know of `events`.
//!
//! A chapter of the page without events has no such errors, and does not download
//! this: it is 1 KB.

use super::{AppError, Classification, Classify};
use crate::events::{EmitError, Failure};
use std::error::Error;

/// Whether there can be errors of listeners.
const CAN_BE: bool = cfg!(any(not(feature = "scenarios"), feature = "chapter-events"));

fn emit_error<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a EmitError> {
    link.downcast_ref().filter(|_| CAN_BE)
}

fn failure<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    link.downcast_ref().filter(|_| CAN_BE)
}

/// Returns the class of an emit that failed, or of a listener's failure.
pub(super) fn classify(link: &(dyn Error + 'static)) -> Option<Classification> {
    emit_error(link)
        .map(Classify::classify)
        .or_else(|| failure(link).map(Classify::classify))
}

/// Returns what the link says without the error that it carries.
pub(super) fn own_text(link: &(dyn Error + 'static)) -> Option<String> {
    if let Some(failure) = failure(link) {
        return Some(failure.name().to_string());
    }
    let emit = emit_error(link)?;
    match emit.failures() {
        [only] => Some(format!("{}: {}", emit.summary(), only.name())),
        _ => None,
    }
}

/// Returns the error that a link carries in its own text, not as its source.
pub(super) fn carried<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(failure) = failure(link) {
        return Some(&*failure.error);
    }
    match emit_error(link)?.failures() {
        [only] => Some(&*only.error),
        _ => None,
    }
}

/// Returns the errors of an emit of which several listeners failed.
pub(super) fn app_errors<'a>(
    link: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a AppError> {
    let failures = emit_error(link).map_or(&[][..], EmitError::failures);
    // A single one is a link of the chain itself.
    let failures = if failures.len() > 1 { failures } else { &[] };
    failures
        .iter()
        .filter_map(|failure| failure.error.downcast_ref())
}
