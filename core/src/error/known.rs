//! What is known of errors that others made.

use super::{
    AppError, BreakerOpen, Chain, Classification, Classify, ErrorKind, listeners, text::guarded,
};
use std::{error::Error, io};

impl Classification {
    /// What is known of any error: it, or one of its sources, is an [`AppError`], a
    /// [`BreakerOpen`] or an [`io::Error`]. `None` if none is.
    ///
    /// With the feature `axum`, an error of a body of axum whose connection was
    /// closed is [`ClientGone`](ErrorKind::ClientGone): what a handler reads is the body
    /// of its request. Where it reads one of axum's bodies that comes from
    /// elsewhere, it has to [say what that is](super::ResultExt::classified).
    ///
    /// It is for an error in a box, of which no more can be told than this. An
    /// enum of your own is not found in there: make it an `AppError` before it
    /// goes in.
    ///
    /// ```
    /// use highwater::error::{AppError, Classification, ErrorKind};
    /// use std::io;
    ///
    /// let inner = AppError::invalid_input("The file is not valid.");
    /// let outer = io::Error::other(inner);
    /// let found = Classification::of(&outer).unwrap();
    /// assert_eq!(found.kind(), ErrorKind::InvalidInput, "the io::Error only carries it");
    ///
    /// assert_eq!(Classification::of(&std::fmt::Error), None);
    /// ```
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if is_closed_by_client(error) {
            return Some(ErrorKind::ClientGone.into());
        }
        Self::of_source(error)
    }

    /// Classifies an error without taking a closed connection for the client's.
    fn of_source(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut outer_kind = None;
        for link in causes(error) {
            if let Some(known) = link.downcast_ref::<AppError>() {
                return Some(known.classification().clone());
            }
            if let Some(open) = link.downcast_ref::<BreakerOpen>() {
                return Some(open.classify());
            }
            if let Some(classification) = listeners::classify(link) {
                return Some(classification);
            }
            let io = link.downcast_ref::<io::Error>();
            outer_kind = outer_kind.or_else(|| io.map(io::Error::kind));
        }
        outer_kind.map(|kind| from_io(kind).into())
    }
}

/// An error and its sources, [`Chain::DEEPEST`] of them at most. The error that an
/// [`io::Error`] carries comes after it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |link: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        let link = *link;
        let io = link.downcast_ref::<io::Error>();
        // What it carries is not its source.
        match io.and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => guarded(|| link.source()).unwrap_or(None),
        }
    };
    std::iter::successors(Some(error), next).take(Chain::DEEPEST)
}

/// Returns whether the types in an error's chain say that a client closed the
/// connection while the body of its request was read.
#[cfg(feature = "axum")]
fn is_closed_by_client(error: &(dyn Error + 'static)) -> bool {
    let is_closed = |io: &io::Error| {
        matches!(
            io.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    };
    causes(error)
        .skip_while(|link| !link.is::<axum_core::Error>())
        .any(|link| link.downcast_ref().is_some_and(is_closed))
}

/// Without axum no error says so.
#[cfg(not(feature = "axum"))]
fn is_closed_by_client(_error: &(dyn Error + 'static)) -> bool {
    false
}

impl AppError {
    /// Any error, as far as it is [known](Classification::of); a
    /// [`Failure`](ErrorKind::Failure) if it is not: who returned it expected it, so it
    /// is no bug. An `AppError` in the box comes out of it.
    ///
    /// It is for where all that is left is a box. Where the type is still known,
    /// [`Classify`] it, or say [what it is](super::ResultExt::classified).
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// fn job(fails: bool) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    ///     if fails {
    ///         return Err(AppError::timeout("the job").into());
    ///     }
    ///     Err("it is Monday".into())
    /// }
    ///
    /// assert_eq!(AppError::from_boxed(job(true).unwrap_err()).code(), "timeout");
    /// let unknown = AppError::from_boxed(job(false).unwrap_err());
    /// assert_eq!((unknown.code(), unknown.is_bug()), ("failure", false));
    /// assert_eq!(format!("{unknown:#}"), "it is Monday");
    /// ```
    #[track_caller]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<AppError>() {
            Ok(own) => *own,
            Err(error) => {
                let known = Classification::of(&*error);
                AppError::new(known.unwrap_or(ErrorKind::Failure.into())).with_source(error)
            }
        }
    }

    /// Classifies an error of a response's body. An error that an inner layer has
    /// handled counts as handled, also inside a wrapper.
    #[cfg(feature = "tower")]
    #[track_caller]
    pub(super) fn from_body(error: Box<dyn Error + Send + Sync>) -> Self {
        // Axum's error is a box, and says nothing itself; layers may add one each.
        #[cfg(feature = "axum")]
        let error = {
            let mut error = error;
            loop {
                match error.downcast::<axum_core::Error>() {
                    Ok(outer) => error = outer.into_inner(),
                    Err(inner) => break inner,
                }
            }
        };
        match error.downcast::<AppError>() {
            Ok(own) => *own,
            Err(error) => {
                let known = Classification::of_source(&*error);
                let is_handled = causes(&*error).any(|link| {
                    let own = link.downcast_ref::<AppError>();
                    own.is_some_and(AppError::is_handled)
                });
                let error =
                    AppError::new(known.unwrap_or(ErrorKind::Failure.into())).with_source(error);
                if is_handled {
                    error.is_first_handled();
                }
                error
            }
        }
    }

    /// Returns whether the error is about a client that hung up, or was caused by one.
    ///
    /// An error that was classified as the server's stays that, unless a source is
    /// explicitly [`ClientGone`](ErrorKind::ClientGone).
    pub(super) fn is_hang_up(&self) -> bool {
        if self.kind() == ErrorKind::ClientGone {
            return true;
        }
        let Some(source) = self.source().filter(|_| !self.is_bug()) else {
            return false;
        };
        let is_marked = causes(source).any(|link| {
            let own = link.downcast_ref::<AppError>();
            own.is_some_and(|own| own.kind() == ErrorKind::ClientGone)
        });
        is_marked || (self.status() < 500 && is_closed_by_client(source))
    }
}

/// An error of the system is never taken for a bug, and never for the client's
/// fault: whose file it is that cannot be found is not for it to know. Where it is
/// the client's, [say so](super::ResultExt::classified).
///
/// | error | kind |
/// |---|---|
/// | no answer in time, or none yet | [`Timeout`](ErrorKind::Timeout) |
/// | a connection that is refused, broken or cut short; a network or host that cannot be reached; what is busy or was interrupted | [`Unavailable`](ErrorKind::Unavailable) |
/// | all others: no such file, no permission, no space, data that makes no sense | [`Failure`](ErrorKind::Failure) |
///
/// One that carries an [`AppError`] is what that is.
///
/// ```
/// use highwater::error::{AppError, ErrorKind};
/// use std::io;
///
/// let kind = |error: io::ErrorKind| AppError::from(io::Error::from(error)).kind();
/// assert_eq!(kind(io::ErrorKind::ConnectionReset), ErrorKind::Unavailable);
/// assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::Failure);
/// ```
impl Classify for io::Error {
    fn classify(&self) -> Classification {
        Classification::of(self).unwrap_or(from_io(self.kind()).into())
    }
}

fn from_io(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        // That it would block is what a socket with a timeout answers.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ErrorKind::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::StaleNetworkFileHandle
        | io::ErrorKind::ResourceBusy
        | io::ErrorKind::ExecutableFileBusy
        | io::ErrorKind::Deadlock
        | io::ErrorKind::Interrupted => ErrorKind::Unavailable,
        _ => ErrorKind::Failure,
    }
}
