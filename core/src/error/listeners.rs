//! Support for listener errors.
//!
//! A page chapter without events cannot have such errors. Omitting this module saves
//! 1 KB of its download.

use super::{AppError, Classification, Classify};
use crate::events::{EmitError, Failure};
use std::error::Error;

/// True if this build includes events.
const INCLUDES_EVENTS: bool = cfg!(any(not(feature = "scenarios"), feature = "chapter-events"));

fn emit_error<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a EmitError> {
    link.downcast_ref().filter(|_| INCLUDES_EVENTS)
}

fn failure<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    link.downcast_ref().filter(|_| INCLUDES_EVENTS)
}

/// Classifies an error if it is an [`EmitError`] or a listener's [`Failure`].
pub(super) fn classify(link: &(dyn Error + 'static)) -> Option<Classification> {
    emit_error(link)
        .map(Classify::classify)
        .or_else(|| failure(link).map(Classify::classify))
}

/// Returns the link's own text, without the contained error's text.
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

/// Returns the contained error, which is not the link's `source`.
pub(super) fn contained_error<'a>(
    link: &'a (dyn Error + 'static),
) -> Option<&'a (dyn Error + 'static)> {
    if let Some(failure) = failure(link) {
        return Some(&*failure.error);
    }
    match emit_error(link)?.failures() {
        [only] => Some(&*only.error),
        _ => None,
    }
}

/// Returns the `AppError`s of an emit for which several listeners failed.
pub(super) fn app_errors<'a>(
    link: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a AppError> {
    let failures = emit_error(link).map_or(&[][..], EmitError::failures);
    // A single failure is part of the chain.
    let failures = if failures.len() > 1 { failures } else { &[] };
    failures
        .iter()
        .filter_map(|failure| failure.error.downcast_ref())
}
