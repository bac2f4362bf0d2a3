//! Error kinds and their defaults.

use super::Class;
use std::fmt;

/// The kind of an error, which determines its class, its status and whether a retry
/// may help. A [`Classification`](super::Classification) adds further details.
///
/// | kind | code | status | class | transient |
/// |---|---|---|---|---|
/// | [`InvalidInput`](Self::InvalidInput) | `invalid_input` | 400 | operational | |
/// | [`Unauthorized`](Self::Unauthorized) | `unauthorized` | 401 | operational | |
/// | [`Forbidden`](Self::Forbidden) | `forbidden` | 403 | operational | |
/// | [`NotFound`](Self::NotFound) | `not_found` | 404 | operational | |
/// | [`MethodNotAllowed`](Self::MethodNotAllowed) | `method_not_allowed` | 405 | operational | |
/// | [`Conflict`](Self::Conflict) | `conflict` | 409 | operational | |
/// | [`TooLarge`](Self::TooLarge) | `too_large` | 413 | operational | |
/// | [`UnsupportedMediaType`](Self::UnsupportedMediaType) | `unsupported_media_type` | 415 | operational | |
/// | [`RateLimited`](Self::RateLimited) | `rate_limited` | 429 | operational | |
/// | [`ClientGone`](Self::ClientGone) | `client_gone` | 499 | operational | |
/// | [`Failure`](Self::Failure) | `failure` | 500 | operational | |
/// | [`Cancelled`](Self::Cancelled) | `cancelled` | 503 | operational | |
/// | [`Unavailable`](Self::Unavailable) | `unavailable` | 503 | operational | yes |
/// | [`Timeout`](Self::Timeout) | `timeout` | 504 | operational | yes |
/// | [`Bug`](Self::Bug) | `internal_error` | 500 | bug | |
///
/// ```
/// use highwater::error::{Class, ErrorKind};
///
/// assert_eq!(ErrorKind::Timeout.status(), 504);
/// assert_eq!(ErrorKind::Timeout.class(), Class::Operational);
/// assert!(ErrorKind::Timeout.is_transient());
/// assert!(!ErrorKind::Bug.is_transient(), "a retry would hit the same bug");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is malformed or violates a rule.
    InvalidInput,
    /// The client is not authenticated.
    Unauthorized,
    /// The client lacks permission.
    Forbidden,
    /// The resource does not exist.
    NotFound,
    /// The resource does not support the method.
    MethodNotAllowed,
    /// The request conflicts with the current state: the resource exists already, or
    /// has changed.
    Conflict,
    /// The request body exceeds the limit.
    TooLarge,
    /// The server does not accept the media type of the request body.
    UnsupportedMediaType,
    /// The client sent too many requests and should wait. If a *dependency* reports
    /// this, use [`Unavailable`](Self::Unavailable).
    RateLimited,
    /// The client closed the connection before it had sent the whole request or
    /// received the whole response. A [`Handler`](super::Handler) logs this at debug
    /// level and counts it separately. If a *dependency* closes a connection, use
    /// [`Unavailable`](Self::Unavailable).
    ClientGone,
    /// Something outside the program failed, is not likely to recover soon, and is
    /// not the client's fault: a full disk, an unreadable file, an unclassified
    /// error.
    Failure,
    /// The operation was cancelled before it finished.
    Cancelled,
    /// A dependency is down or temporarily rejects requests.
    Unavailable,
    /// An operation timed out.
    Timeout,
    /// The program has a bug.
    Bug,
}

impl ErrorKind {
    /// All kinds, in the order of the table.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// let bugs: Vec<_> = ErrorKind::ALL.iter().filter(|kind| kind.code() == "internal_error").collect();
    /// assert_eq!(bugs, [&ErrorKind::Bug]);
    /// ```
    pub const ALL: &[ErrorKind] = &[
        ErrorKind::InvalidInput,
        ErrorKind::Unauthorized,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::MethodNotAllowed,
        ErrorKind::Conflict,
        ErrorKind::TooLarge,
        ErrorKind::UnsupportedMediaType,
        ErrorKind::RateLimited,
        ErrorKind::ClientGone,
        ErrorKind::Failure,
        ErrorKind::Cancelled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Bug,
    ];

    /// Returns the class: operational, except for [`Bug`](Self::Bug).
    ///
    /// ```
    /// use highwater::error::{Class, ErrorKind};
    ///
    /// assert_eq!(ErrorKind::Failure.class(), Class::Operational);
    /// assert_eq!(ErrorKind::Bug.class(), Class::Bug);
    /// ```
    pub const fn class(self) -> Class {
        match self {
            ErrorKind::Bug => Class::Bug,
            _ => Class::Operational,
        }
    }

    /// Returns the stable machine-readable code, in `snake_case`.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::Bug.code(), "internal_error");
    /// ```
    pub const fn code(self) -> &'static str {
        self.defaults().0
    }

    /// Returns the HTTP status, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::TooLarge.status(), 413);
    /// ```
    pub const fn status(self) -> u16 {
        self.defaults().1
    }

    /// Returns the default message for the client.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::NotFound.public_message(), "Resource not found.");
    /// ```
    pub const fn public_message(self) -> &'static str {
        self.defaults().2
    }

    /// Returns whether a retry may succeed: true for
    /// [`Unavailable`](Self::Unavailable) and [`Timeout`](Self::Timeout).
    ///
    /// Client errors are not transient, because the server would reject the same
    /// request again.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert!(ErrorKind::Unavailable.is_transient());
    /// assert!(!ErrorKind::RateLimited.is_transient());
    /// ```
    pub const fn is_transient(self) -> bool {
        matches!(self, ErrorKind::Unavailable | ErrorKind::Timeout)
    }

    const fn defaults(self) -> (&'static str, u16, &'static str) {
        match self {
            ErrorKind::InvalidInput => ("invalid_input", 400, "The request is not valid."),
            ErrorKind::Unauthorized => ("unauthorized", 401, "Authentication is required."),
            ErrorKind::Forbidden => ("forbidden", 403, "Access denied."),
            ErrorKind::NotFound => ("not_found", 404, "Resource not found."),
            ErrorKind::MethodNotAllowed => ("method_not_allowed", 405, "Method not allowed."),
            ErrorKind::Conflict => (
                "conflict",
                409,
                "The request conflicts with the current state.",
            ),
            ErrorKind::TooLarge => ("too_large", 413, "The request is too large."),
            ErrorKind::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                "The media type of the request is not supported.",
            ),
            ErrorKind::RateLimited => ("rate_limited", 429, "Too many requests."),
            // A non-standard status that proxies use.
            ErrorKind::ClientGone => (
                "client_gone",
                499,
                "The client closed the connection before the request was complete.",
            ),
            ErrorKind::Failure => ("failure", 500, "The request could not be completed."),
            ErrorKind::Cancelled => ("cancelled", 503, "The request was cancelled."),
            ErrorKind::Unavailable => ("unavailable", 503, "A required service is unavailable."),
            ErrorKind::Timeout => ("timeout", 504, "The request timed out."),
            ErrorKind::Bug => ("internal_error", 500, "Something went wrong on our side."),
        }
    }
}

/// Writes the [code](ErrorKind::code).
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
