//! A constructor for each of the usual kinds.
//!
//! What is the client's fault takes what the *client* is told; what is not takes
//! what the *operator* is told.

use super::{AppError, Kind};
use std::{any::Any, borrow::Cow, fmt, time::Duration};

/// Errors of the client's. What they are given is **public**.
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::invalid_input("The order is not valid.")
///     .with_field("quantity", "has to be at least 1");
/// assert_eq!(error.status(), 400);
/// assert_eq!(error.public_message(), "The order is not valid.");
///
/// assert_eq!(AppError::too_large(65_536).to_string(), "No more than 65536 bytes are taken.");
/// ```
impl AppError {
    /// 400: what was asked cannot be understood, or breaks a rule.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::invalid_input("The quantity is no number.");
    /// assert_eq!((error.status(), error.public_message()), (400, "The quantity is no number."));
    /// ```
    #[track_caller]
    pub fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidInput).with_public(message)
    }

    /// 401: nobody knows who asks. The response has to say in its
    /// `WWW-Authenticate` header how to tell.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::unauthorized("Log in first.");
    /// assert_eq!((error.status(), error.public_message()), (401, "Log in first."));
    /// ```
    #[track_caller]
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthorized).with_public(message)
    }

    /// 403: who asks may not.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::forbidden("This is somebody else's order.");
    /// assert_eq!((error.status(), error.code()), (403, "forbidden"));
    /// ```
    #[track_caller]
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden).with_public(message)
    }

    /// 404: what was asked for is not there.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::not_found("There is no such order.");
    /// assert_eq!((error.status(), error.code()), (404, "not_found"));
    /// ```
    #[track_caller]
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound).with_public(message)
    }

    /// 405: it is there, but cannot be done to it. The response has to name in
    /// its `Allow` header what can.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::method_not_allowed();
    /// assert_eq!((error.status(), error.public_message()), (405, "This method is not allowed here."));
    /// ```
    #[track_caller]
    pub fn method_not_allowed() -> Self {
        Self::new(Kind::MethodNotAllowed)
    }

    /// 409: what is there does not allow it now.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::conflict("The order was sent already.");
    /// assert_eq!((error.status(), error.code()), (409, "conflict"));
    /// ```
    #[track_caller]
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict).with_public(message)
    }

    /// 413: more was sent than is taken.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::too_large(1_024);
    /// assert_eq!((error.status(), error.public_message()), (413, "No more than 1024 bytes are taken."));
    /// ```
    #[track_caller]
    pub fn too_large(limit_bytes: u64) -> Self {
        let message = format!("No more than {limit_bytes} bytes are taken.");
        Self::new(Kind::TooLarge).with_public(message)
    }

    /// 415: what was sent is in a format that is not read here.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::unsupported_media_type("Only JSON is read here.");
    /// assert_eq!((error.status(), error.public_message()), (415, "Only JSON is read here."));
    /// ```
    #[track_caller]
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::UnsupportedMediaType).with_public(message)
    }

    /// 429: who asks has asked too often, and may again after this has passed.
    ///
    /// Where a dependency says this to us, our client is not to blame: that is
    /// [`unavailable`](Self::unavailable), with the same
    /// [`with_retry_after`](Self::with_retry_after).
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// # use std::time::Duration;
    /// let error = AppError::rate_limited(Duration::from_secs(3));
    /// assert_eq!((error.status(), error.retry_after()), (429, Some(Duration::from_secs(3))));
    /// assert!(!error.is_transient(), "it is the client's to wait");
    /// ```
    #[track_caller]
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(Kind::RateLimited).with_retry_after(retry_after)
    }
}

/// Errors that are not the client's. What they are given is **internal**: the
/// client is told the kind's own message, unless it is given
/// [another](AppError::with_public).
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::timeout("charging the card");
/// assert_eq!(error.detail(), Some("charging the card timed out"));
/// assert_eq!(error.public_message(), "The request took too long.");
///
/// let bug = AppError::bug("the cart's sum is negative").with_public("Never shown.");
/// assert_eq!(bug.public_message(), "Something went wrong on our side.");
/// ```
impl AppError {
    /// 503: a dependency is down, or refuses for now.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::unavailable("stripe");
    /// assert_eq!((error.status(), error.detail()), (503, Some("stripe is unavailable")));
    /// assert!(error.is_transient());
    /// ```
    #[track_caller]
    pub fn unavailable(dependency: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable).with_detail(format!("{dependency} is unavailable"))
    }

    /// 504: an answer did not come in time.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!((error.status(), error.detail()), (504, Some("reading the stock timed out")));
    /// assert!(error.is_transient());
    /// ```
    #[track_caller]
    pub fn timeout(operation: impl fmt::Display) -> Self {
        Self::new(Kind::Timeout).with_detail(format!("{operation} timed out"))
    }

    /// 503: it was given up half-way because somebody wanted that.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::cancelled("the export");
    /// assert_eq!((error.status(), error.detail()), (503, Some("the export was cancelled")));
    /// assert!(!error.is_transient());
    /// ```
    #[track_caller]
    pub fn cancelled(operation: impl fmt::Display) -> Self {
        Self::new(Kind::Cancelled).with_detail(format!("{operation} was cancelled"))
    }

    /// 499: the client closed the connection before the request was done.
    ///
    /// A server puts it where reading a request or writing its answer fails for
    /// that reason. A [`Handler`](super::Handler) finds it as the source of other
    /// errors, too.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::client_gone().with_source("reset by peer");
    /// assert_eq!((error.status(), error.code()), (499, "client_gone"));
    /// assert!(error.is_operational() && !error.is_transient());
    /// ```
    #[track_caller]
    pub fn client_gone() -> Self {
        Self::new(Kind::ClientGone)
    }

    /// 500, and no bug: something outside the program failed, and is not likely
    /// to pass.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::failure("the disk is full");
    /// assert_eq!((error.status(), error.detail()), (500, Some("the disk is full")));
    /// assert!(error.is_operational());
    /// ```
    #[track_caller]
    pub fn failure(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Failure).with_detail(detail)
    }

    /// 500: the program is wrong.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::bug("the stock is negative");
    /// assert_eq!((error.status(), error.code()), (500, "internal_error"));
    /// assert!(error.is_bug());
    /// ```
    #[track_caller]
    pub fn bug(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Bug).with_detail(detail)
    }

    /// What a panic left behind, as [`catch_unwind`](std::panic::catch_unwind)
    /// gives it: a bug. Its location is where it was caught; the panic's own is
    /// known to the panic hook only.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let payload = std::panic::catch_unwind(|| [1, 2, 3][3..][0]).unwrap_err();
    /// let error = AppError::from_panic(&*payload);
    /// assert!(error.is_bug());
    /// assert!(error.detail().unwrap().starts_with("panicked: index out of bounds"));
    /// ```
    #[track_caller]
    pub fn from_panic(payload: &(dyn Any + Send)) -> Self {
        // `&payload` of a box is taken for the payload itself by the compiler.
        let boxed = payload.downcast_ref::<Box<dyn Any + Send>>();
        let payload = boxed.map_or(payload, |inner| &**inner);
        let text = payload.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::bug(match text {
            Some(text) => Cow::Owned(format!("panicked: {text}")),
            None => Cow::Borrowed("panicked, with something that is no text"),
        })
    }
}
