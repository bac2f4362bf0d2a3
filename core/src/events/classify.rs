//! The classification of the errors of this module.

use super::{EmitError, Failure, InboxFull, ZeroCapacity};
use crate::error::{Classification, Classify, ErrorKind};
use std::{error::Error, time::Duration};

/// Classifies an emit by the failures of its listeners. None of them is the caller's
/// fault: `invalid_input` between two services is an error of the program.
///
/// The result is a [`Bug`](ErrorKind::Bug) if one of them is,
/// [`Unavailable`](ErrorKind::Unavailable) if all are transient, so that emitting
/// again may help, and otherwise a [`Failure`](ErrorKind::Failure). Listeners that
/// succeeded run again if the event is emitted again.
///
/// ```
/// use highwater::{error::{AppError, ErrorKind}, events::Emitter};
///
/// let emitter: Emitter<u8> = Emitter::new();
/// emitter.on("mail", |_| Err(AppError::unavailable("the mail server"))).detach();
/// let error: AppError = emitter.emit(&1).unwrap_err().into();
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
///
/// emitter.on("audit", |_| Err("the disk is full")).detach();
/// let error: AppError = emitter.emit(&1).unwrap_err().into();
/// assert_eq!(error.kind(), ErrorKind::Failure, "not transient for both");
/// ```
impl Classify for EmitError {
    fn classify(&self) -> Classification {
        let all = self.failures().iter().map(Classify::classify);
        all.reduce(worse).unwrap_or(ErrorKind::Failure.into())
    }
}

/// Classifies the error of the listener, as for [`EmitError`].
impl Classify for Failure {
    fn classify(&self) -> Classification {
        match known(&*self.error) {
            Some(known) if known.is_bug() => ErrorKind::Bug.into(),
            Some(known) if known.is_transient() => {
                waiting(ErrorKind::Unavailable, known.retry_after())
                    .with_open_breaker(known.has_open_breaker())
            }
            _ => ErrorKind::Failure.into(),
        }
    }
}

/// An overload, which is transient.
impl Classify for InboxFull {
    fn classify(&self) -> Classification {
        ErrorKind::Unavailable.into()
    }
}

/// A programming error. If the capacity is a setting, validate it and report the
/// setting instead.
impl Classify for ZeroCapacity {
    fn classify(&self) -> Classification {
        ErrorKind::Bug.into()
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Classification> {
    if let Some(full) = error.downcast_ref::<InboxFull>() {
        return Some(full.classify());
    }
    Classification::of(error)
}

fn worse(one: Classification, other: Classification) -> Classification {
    match (one.is_transient(), other.is_transient()) {
        _ if one.is_bug() => one,
        _ if other.is_bug() => other,
        (false, _) => one,
        (_, false) => other,
        (true, true) => waiting(one.kind(), one.retry_after().max(other.retry_after()))
            .with_open_breaker(one.has_open_breaker() || other.has_open_breaker()),
    }
}

fn waiting(kind: ErrorKind, retry_after: Option<Duration>) -> Classification {
    let classification = Classification::new(kind);
    match retry_after {
        Some(after) => classification.with_retry_after(after),
        None => classification,
    }
}
