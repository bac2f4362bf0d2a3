//! Classification of errors from other crates.

use super::{AppError, BreakerOpen, Chain, Classification, Classify, ErrorKind, listeners};
use crate::panics::catch_panic;
use std::{error::Error, io};

impl Classification {
    /// Classifies an error of any type, if it or one of its sources is an
    /// [`AppError`], a [`BreakerOpen`] or an [`io::Error`], or with the feature `tokio` a
    /// timeout or join error of tokio. Returns `None` otherwise.
    ///
    /// With the feature `axum`, a closed connection in an axum body is
    /// [`ClientGone`](ErrorKind::ClientGone), because handlers usually read request
    /// bodies. A handler that reads an axum body from elsewhere has to
    /// [classify](super::ResultExt::classified) the error itself.
    ///
    /// Intended for boxed errors of unknown type. Your own error enums are not
    /// recognised in a box; convert them to `AppError` before boxing.
    ///
    /// ```
    /// use highwater::error::{AppError, Classification, ErrorKind};
    /// use std::io;
    ///
    /// let inner = AppError::invalid_input("The file is not valid.");
    /// let outer = io::Error::other(inner);
    /// let found = Classification::of(&outer).unwrap();
    /// assert_eq!(found.kind(), ErrorKind::InvalidInput, "not that of the io::Error");
    ///
    /// assert_eq!(Classification::of(&std::fmt::Error), None);
    /// ```
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if is_closed_by_client(error) {
            return Some(ErrorKind::ClientGone.into());
        }
        Self::of_source(error)
    }

    /// Classifies an error without attributing a closed connection to the client.
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
            #[cfg(feature = "tokio")]
            if let Some(classification) = super::tokio_errors::classify(link) {
                return Some(classification);
            }
            let io = link.downcast_ref::<io::Error>();
            outer_kind = outer_kind.or_else(|| io.map(io::Error::kind));
        }
        outer_kind.map(|kind| from_io(kind).into())
    }
}

/// Iterates over an error and its sources, at most [`Chain::MAX_DEPTH`] in total. The
/// error inside an [`io::Error`] follows it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |link: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        let link = *link;
        let io = link.downcast_ref::<io::Error>();
        // `source` skips the error inside an `io::Error`.
        match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => catch_panic(|| link.source()).unwrap_or(None),
        }
    };
    std::iter::successors(Some(error), next).take(Chain::MAX_DEPTH)
}

/// Returns whether the types in the chain show that the client closed the connection
/// while its request body was read.
#[cfg(feature = "axum")]
fn is_closed_by_client(error: &(dyn Error + 'static)) -> bool {
    let is_closed_connection = |io: &io::Error| {
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
        .any(|link| link.downcast_ref().is_some_and(is_closed_connection))
}

/// Without axum, no error type indicates this.
#[cfg(not(feature = "axum"))]
fn is_closed_by_client(_error: &(dyn Error + 'static)) -> bool {
    false
}

impl AppError {
    /// Converts a boxed error, [classifying](Classification::of) it if possible. An
    /// unknown error becomes a [`Failure`](ErrorKind::Failure), not a bug, because a
    /// returned error is an anticipated one. An `AppError` is unboxed.
    ///
    /// Use this only if the type is unknown. Otherwise implement [`Classify`], or
    /// [classify](super::ResultExt::classified) the error explicitly.
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

    /// Classifies an error of a response body. An error that an inner layer has
    /// handled stays handled, even inside a wrapper.
    #[cfg(feature = "tower")]
    #[track_caller]
    pub(super) fn from_body(error: Box<dyn Error + Send + Sync>) -> Self {
        // Each layer may add an `axum_core::Error`, which is only a wrapper.
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
                    error.mark_handled();
                }
                error
            }
        }
    }

    /// Returns whether this error is, or was caused by, a disconnected client.
    ///
    /// An error that was classified as a server error stays one, unless a source is
    /// explicitly [`ClientGone`](ErrorKind::ClientGone).
    pub(super) fn is_hang_up(&self) -> bool {
        if self.kind() == ErrorKind::ClientGone {
            return true;
        }
        let Some(source) = self.source().filter(|_| !self.is_bug()) else {
            return false;
        };
        let has_client_gone_source = causes(source).any(|link| {
            let own = link.downcast_ref::<AppError>();
            own.is_some_and(|own| own.kind() == ErrorKind::ClientGone)
        });
        has_client_gone_source || (self.status() < 500 && is_closed_by_client(source))
    }
}

/// A system error is never classified as a bug or a client error: a missing file is
/// usually the server's fault. If it is the client's,
/// [classify](super::ResultExt::classified) the error explicitly.
///
/// | error | kind |
/// |---|---|
/// | timed out, or would block | [`Timeout`](ErrorKind::Timeout) |
/// | connection refused, reset or closed early; network or host unreachable; busy or interrupted | [`Unavailable`](ErrorKind::Unavailable) |
/// | anything else: not found, no permission, no space, invalid data | [`Failure`](ErrorKind::Failure) |
///
/// An `io::Error` that contains an [`AppError`] has the classification of that error.
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
        // A socket with a timeout returns `WouldBlock`.
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
