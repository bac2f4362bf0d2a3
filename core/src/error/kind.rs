//! The usual kinds of errors, and what follows from each.

use super::Class;

/// What kind of error it is. The class, the status and whether a retry may help
/// follow from it; a [`Classification`](super::Classification) says the rest.
///
/// | kind | code | status | class | worth a retry |
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
/// | [`Bug`](Self::Bug) | `internal_error` | 500 | programmer | |
///
/// ```
/// use highwater::error::{Class, ErrorKind};
///
/// assert_eq!(ErrorKind::Timeout.status(), 504);
/// assert_eq!(ErrorKind::Timeout.class(), Class::Operational);
/// assert!(ErrorKind::Timeout.is_transient());
/// assert!(!ErrorKind::Bug.is_transient(), "a bug is still there the next time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked cannot be understood, or breaks a rule.
    InvalidInput,
    /// Nobody knows who asks.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// It is there, but cannot be done to it.
    MethodNotAllowed,
    /// What is there does not allow it now: it exists already, or has changed.
    Conflict,
    /// More was sent than is taken.
    TooLarge,
    /// What was sent is in a format that is not read here.
    UnsupportedMediaType,
    /// Who asks has asked too often. It is theirs to wait. Where a *dependency*
    /// says this to us, that is [`Unavailable`](Self::Unavailable).
    RateLimited,
    /// The client closed the connection before it had sent all of the request, or
    /// had all of the answer. A [`Handler`](super::Handler) logs it at debug and
    /// counts it apart: it is nobody's error. Where a *dependency* closes a
    /// connection, that is [`Unavailable`](Self::Unavailable).
    ClientGone,
    /// Something outside the program failed that is not the client's doing and
    /// is not likely to pass: a full disk, a file that may not be read, an
    /// error nobody classified.
    Failure,
    /// It was given up half-way because somebody wanted that.
    Cancelled,
    /// A dependency is down, or refuses for now.
    Unavailable,
    /// An answer did not come in time.
    Timeout,
    /// The program is wrong.
    Bug,
}

impl ErrorKind {
    /// Every kind, in the order of the table.
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

    /// Whose fault it is. Only a [`Bug`](Self::Bug) is the program's.
    ///
    /// ```
    /// use highwater::error::{Class, ErrorKind};
    ///
    /// assert_eq!(ErrorKind::Failure.class(), Class::Operational);
    /// assert_eq!(ErrorKind::Bug.class(), Class::Programmer);
    /// ```
    pub const fn class(self) -> Class {
        match self {
            ErrorKind::Bug => Class::Programmer,
            _ => Class::Operational,
        }
    }

    /// Its name for programs: stable, in `snake_case`.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::Bug.code(), "internal_error");
    /// ```
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// Its status of HTTP, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::TooLarge.status(), 413);
    /// ```
    pub const fn status(self) -> u16 {
        self.facts().1
    }

    /// What the client is told unless something better is known.
    ///
    /// ```
    /// use highwater::error::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::NotFound.public_message(), "There is no such resource.");
    /// ```
    pub const fn public_message(self) -> &'static str {
        self.facts().2
    }

    /// Whether the same may succeed a little later: an
    /// [`Unavailable`](Self::Unavailable) or a [`Timeout`](Self::Timeout).
    ///
    /// No error of the client's is: sending the same again for them changes
    /// nothing.
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

    const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            ErrorKind::InvalidInput => ("invalid_input", 400, "The request is not valid."),
            ErrorKind::Unauthorized => ("unauthorized", 401, "Authentication is needed."),
            ErrorKind::Forbidden => ("forbidden", 403, "This is not allowed."),
            ErrorKind::NotFound => ("not_found", 404, "There is no such resource."),
            ErrorKind::MethodNotAllowed => (
                "method_not_allowed",
                405,
                "This method is not allowed here.",
            ),
            ErrorKind::Conflict => (
                "conflict",
                409,
                "The request conflicts with the present state.",
            ),
            ErrorKind::TooLarge => ("too_large", 413, "The request is too large."),
            ErrorKind::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                "The request has a media type that is not supported.",
            ),
            ErrorKind::RateLimited => ("rate_limited", 429, "There were too many requests."),
            // The status that proxies use for it: no standard has one.
            ErrorKind::ClientGone => (
                "client_gone",
                499,
                "The client closed the connection before the request was done.",
            ),
            ErrorKind::Failure => ("failure", 500, "The request could not be completed."),
            ErrorKind::Cancelled => (
                "cancelled",
                503,
                "The request was cancelled before it was done.",
            ),
            ErrorKind::Unavailable => (
                "unavailable",
                503,
                "A service that is needed for this is unavailable.",
            ),
            ErrorKind::Timeout => ("timeout", 504, "The request took too long."),
            ErrorKind::Bug => ("internal_error", 500, "Something went wrong on our side."),
        }
    }
}
