//! The application's error type.

use super::{Chain, Class, Classification, Classify, ErrorKind, FieldError, text};
use crate::{
    panics::panic_text,
    sync::{AtomicBool, Ordering},
};
use std::{any::Any, borrow::Cow, error::Error, fmt, panic::Location, time::Duration};

/// An error with everything needed to respond to it, log it and act on it.
///
/// It separates what the client sees from what the operator sees:
///
/// | | for the client | for the operator |
/// |---|---|---|
/// | text | [`public_message`](Self::public_message), `{}` | [`detail`](Self::detail), [`chain`](Self::chain), `{:#}` |
/// | values | [`fields`](Self::fields), [`retry_after`](Self::retry_after) | [`context`](Self::context), [`location`](Self::location) |
///
/// Accidentally printing an error with `{}` therefore leaks nothing. Log `{error:#}`,
/// which includes the sources. Wrappers such as `anyhow` print their causes with `{}`,
/// so an `AppError` inside one shows only its public message.
///
/// An `AppError` is one pointer wide, so returning it in a `Result` is cheap. Any
/// type that implements [`Classify`](super::Classify) converts to it with `?`.
///
/// ```
/// use highwater::error::AppError;
/// use std::io;
///
/// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
/// let error = AppError::unavailable("stripe")
///     .with_context("order", 42)
///     .with_source(refused);
///
/// assert_eq!((error.code(), error.status()), ("unavailable", 503));
/// assert!(error.is_operational() && error.is_transient());
/// assert_eq!(error.to_string(), "A required service is unavailable.");
/// assert_eq!(format!("{error:#}"), "stripe is unavailable: connection refused");
/// assert_eq!(error.context().next(), Some(("order", "42")));
/// ```
#[must_use = "an error should be returned or handled"]
pub struct AppError(Box<ErrorData>);

struct ErrorData {
    classification: Classification,
    detail: Option<Cow<'static, str>>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
    location: &'static Location<'static>,
    /// Set by the handler, so that it logs and counts the error once.
    is_handled: AtomicBool,
}

impl AppError {
    /// Creates an error from a kind or a [`Classification`]. Common kinds have their
    /// own constructors.
    ///
    /// ```
    /// use highwater::error::{AppError, Classification, ErrorKind};
    ///
    /// let error = AppError::new(ErrorKind::Conflict);
    /// assert_eq!((error.code(), error.status()), ("conflict", 409));
    /// let error = AppError::new(Classification::new(ErrorKind::NotFound).with_status(410));
    /// assert_eq!(error.status(), 410);
    /// ```
    #[track_caller]
    pub fn new(classification: impl Into<Classification>) -> Self {
        AppError(Box::new(ErrorData {
            classification: classification.into(),
            detail: None,
            context: Vec::new(),
            source: None,
            location: Location::caller(),
            is_handled: AtomicBool::new(false),
        }))
    }

    /// Returns the classification.
    ///
    /// ```
    /// use highwater::error::{AppError, Classification, ErrorKind};
    ///
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.classification(), &Classification::new(ErrorKind::Timeout));
    /// ```
    pub fn classification(&self) -> &Classification {
        &self.0.classification
    }

    /// Returns the kind.
    ///
    /// ```
    /// use highwater::error::{AppError, ErrorKind};
    ///
    /// assert_eq!(AppError::timeout("reading the stock").kind(), ErrorKind::Timeout);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.classification.kind()
    }

    /// Returns the class: operational or a bug.
    ///
    /// ```
    /// use highwater::error::{AppError, Class};
    ///
    /// assert_eq!(AppError::timeout("reading the stock").class(), Class::Operational);
    /// assert_eq!(AppError::bug("the stock is negative").class(), Class::Bug);
    /// ```
    pub fn class(&self) -> Class {
        self.0.classification.class()
    }

    /// Returns whether the error is operational: a correct program has to expect it.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// assert!(AppError::timeout("reading the stock").is_operational());
    /// assert!(!AppError::bug("the stock is negative").is_operational());
    /// ```
    pub fn is_operational(&self) -> bool {
        !self.is_bug()
    }

    /// Returns whether the error is a bug.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// assert!(AppError::bug("the stock is negative").is_bug());
    /// assert!(!AppError::failure("the disk is full").is_bug());
    /// ```
    pub fn is_bug(&self) -> bool {
        self.0.classification.is_bug()
    }

    /// Returns whether a retry may succeed. Never true for a bug.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// assert!(AppError::timeout("reading the stock").is_transient());
    /// assert!(!AppError::conflict("There is none left.").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        self.0.classification.is_transient()
    }

    /// Returns the stable machine-readable code, in `snake_case`.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// assert_eq!(AppError::timeout("reading the stock").code(), "timeout");
    /// ```
    pub fn code(&self) -> &'static str {
        self.0.classification.code()
    }

    /// Returns the HTTP status, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// assert_eq!(AppError::timeout("reading the stock").status(), 504);
    /// ```
    pub fn status(&self) -> u16 {
        self.0.classification.status()
    }

    /// Returns the message for the client.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.public_message(), "The request timed out.");
    /// ```
    pub fn public_message(&self) -> &str {
        self.0.classification.public_message()
    }

    /// Returns the invalid fields, in the order in which they were added.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::invalid_input("The order is not valid.").with_field("street", "is missing");
    /// assert_eq!(error.fields()[0].field, "street");
    /// assert!(AppError::timeout("reading the stock").fields().is_empty());
    /// ```
    pub fn fields(&self) -> &[FieldError] {
        self.0.classification.fields()
    }

    /// Returns how long to wait before a retry, if known.
    ///
    /// ```
    /// use highwater::error::AppError;
    /// use std::time::Duration;
    ///
    /// let error = AppError::rate_limited(Duration::from_secs(3));
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    /// assert_eq!(AppError::timeout("reading the stock").retry_after(), None);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.classification.retry_after()
    }

    /// Returns the message for the operator, if one was set.
    ///
    /// ```
    /// use highwater::error::{AppError, ErrorKind};
    ///
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.detail(), Some("reading the stock timed out"));
    /// assert_eq!(AppError::new(ErrorKind::Timeout).detail(), None);
    /// ```
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Returns the values for the log, in the order in which they were added.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::timeout("the stock").with_context("order", 42).with_context("try", 3);
    /// assert_eq!(error.context().len(), 2);
    /// assert_eq!(error.context().last(), Some(("try", "3")));
    /// ```
    pub fn context(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        let context = self.0.context.iter();
        context.map(|(key, value)| (*key, value.as_str()))
    }

    /// Returns where the error was created: the caller of the constructor, or the `?`
    /// that converted it.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::bug("the stock is negative");
    /// assert_eq!((error.location().file(), error.location().line()), (file!(), line!() - 1));
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// Returns the sources, from the direct cause to the root cause. A cyclic chain
    /// is cut off.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let inner = AppError::timeout("reading the rates").with_source("reset by peer");
    /// let error = AppError::unavailable("the bank").with_source(inner);
    /// assert_eq!(error.chain().count(), 2);
    /// assert_eq!(error.chain().last().unwrap().to_string(), "reset by peer");
    /// ```
    pub fn chain(&self) -> Chain<'_> {
        Chain::new(self.source())
    }

    /// Sets the message for the operator. It is logged and never sent to the client.
    ///
    /// ```
    /// use highwater::error::{AppError, ErrorKind};
    ///
    /// let error = AppError::new(ErrorKind::Failure).with_detail("the disk is full");
    /// assert_eq!(error.detail(), Some("the disk is full"));
    /// assert_eq!(error.to_string(), "The request could not be completed.");
    /// ```
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the cause. It is logged and never sent to the client.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::failure("cannot read the rates").with_source("no such file");
    /// assert_eq!(format!("{error:#}"), "cannot read the rates: no such file");
    /// assert_eq!(error.to_string(), "The request could not be completed.");
    /// ```
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds a value for the log, such as an order number. It is never sent to the
    /// client.
    ///
    /// Text beyond one kilobyte is cut off. If its `Display` panics, a placeholder is
    /// stored.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::not_found("There is no such file.")
    ///     .with_context("user", 7)
    ///     // For bytes that may not be UTF-8. For a path, use `display()`.
    ///     .with_context("name", b"caf\xe9".escape_ascii());
    /// let context: Vec<_> = error.context().collect();
    /// assert_eq!(context, [("user", "7"), ("name", "caf\\xe9")]);
    /// ```
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, text::capped_text(&value)));
        self
    }

    /// Sets the message for the client. It must not reveal internal details. Has no
    /// effect on a bug, which always has the same message.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::unavailable("stripe").with_public_message("Cards cannot be charged now.");
    /// assert_eq!(error.public_message(), "Cards cannot be charged now.");
    /// let bug = AppError::bug("no cart").with_public_message("There is no cart.");
    /// assert_eq!(bug.public_message(), "Something went wrong on our side.");
    /// ```
    pub fn with_public_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.update_classification(|classification| classification.with_public_message(message));
        self
    }

    /// Replaces the code of the kind, in `snake_case`. Programs rely on codes, so
    /// keep them stable.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::conflict("There is none left.").with_code("sold_out");
    /// assert_eq!((error.code(), error.status()), ("sold_out", 409));
    /// ```
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.update_classification(|classification| classification.with_code(code));
        self
    }

    /// Adds an invalid field. It is sent to the client unless the status is a server
    /// error.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::invalid_input("The order is not valid.")
    ///     .with_field("quantity", "must be at least 1")
    ///     .with_field("street", "is missing");
    /// assert_eq!(error.fields().len(), 2);
    /// ```
    pub fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.update_classification(|classification| classification.with_field(field, detail));
        self
    }

    /// Sets how long to wait before a retry.
    ///
    /// ```
    /// use highwater::error::AppError;
    /// use std::time::Duration;
    ///
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    /// ```
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.update_classification(|classification| classification.with_retry_after(after));
        self
    }

    fn update_classification(&mut self, update: impl FnOnce(Classification) -> Classification) {
        let placeholder = Classification::new(self.kind());
        let old = std::mem::replace(&mut self.0.classification, placeholder);
        self.0.classification = update(old);
    }

    pub(super) fn with_location(mut self, location: &'static Location<'static>) -> Self {
        self.0.location = location;
        self
    }

    /// Marks an error whose breaker is now open.
    pub(super) fn with_open_breaker(mut self) -> Self {
        self.update_classification(|classification| classification.with_open_breaker(true));
        self
    }

    /// Returns whether the error was handled.
    #[cfg(feature = "tower")]
    pub(super) fn is_handled(&self) -> bool {
        self.0.is_handled.load(Ordering::Relaxed)
    }

    /// Marks the error as handled. Returns whether this is the first time.
    pub(super) fn mark_handled(&self) -> bool {
        !self.0.is_handled.swap(true, Ordering::Relaxed)
    }

    /// Returns the text for the operator without its sources, or `None` if only the
    /// source has a text.
    pub(super) fn own_text(&self) -> Option<&str> {
        match self.detail() {
            // The source is the error that was classified; it has the text.
            None if self.0.source.is_some() => None,
            None => Some(self.public_message()),
            detail => detail,
        }
    }
}

/// Client errors. Their messages are **public**.
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::invalid_input("The order is not valid.")
///     .with_field("quantity", "must be at least 1");
/// assert_eq!(error.status(), 400);
/// assert_eq!(error.public_message(), "The order is not valid.");
///
/// assert_eq!(AppError::too_large(65_536).to_string(), "The limit is 65536 bytes.");
/// ```
impl AppError {
    /// Creates a 400 error: the request is malformed or violates a rule.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::invalid_input("The quantity is not a number.");
    /// assert_eq!((error.status(), error.public_message()), (400, "The quantity is not a number."));
    /// ```
    #[track_caller]
    pub fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput).with_public_message(message)
    }

    /// Creates a 401 error: the client is not authenticated. The response needs a
    /// `WWW-Authenticate` header that names the scheme.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::unauthorized("Log in first.");
    /// assert_eq!((error.status(), error.public_message()), (401, "Log in first."));
    /// ```
    #[track_caller]
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unauthorized).with_public_message(message)
    }

    /// Creates a 403 error: the client lacks permission.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::forbidden("This order belongs to another user.");
    /// assert_eq!((error.status(), error.code()), (403, "forbidden"));
    /// ```
    #[track_caller]
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Forbidden).with_public_message(message)
    }

    /// Creates a 404 error: the resource does not exist.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::not_found("There is no such order.");
    /// assert_eq!((error.status(), error.code()), (404, "not_found"));
    /// ```
    #[track_caller]
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound).with_public_message(message)
    }

    /// Creates a 405 error: the resource does not support the method. The response
    /// needs an `Allow` header that lists the supported ones.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::method_not_allowed();
    /// assert_eq!((error.status(), error.public_message()), (405, "Method not allowed."));
    /// ```
    #[track_caller]
    pub fn method_not_allowed() -> Self {
        Self::new(ErrorKind::MethodNotAllowed)
    }

    /// Creates a 409 error: the request conflicts with the current state of the
    /// resource.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::conflict("The order was sent already.");
    /// assert_eq!((error.status(), error.code()), (409, "conflict"));
    /// ```
    #[track_caller]
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict).with_public_message(message)
    }

    /// Creates a 413 error: the request body exceeds the limit.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::too_large(1_024);
    /// assert_eq!((error.status(), error.public_message()), (413, "The limit is 1024 bytes."));
    /// ```
    #[track_caller]
    pub fn too_large(limit_bytes: u64) -> Self {
        let message = format!("The limit is {limit_bytes} bytes.");
        Self::new(ErrorKind::TooLarge).with_public_message(message)
    }

    /// Creates a 415 error: the server does not accept the media type of the request
    /// body.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::unsupported_media_type("Only JSON is read here.");
    /// assert_eq!((error.status(), error.public_message()), (415, "Only JSON is read here."));
    /// ```
    #[track_caller]
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::UnsupportedMediaType).with_public_message(message)
    }

    /// Creates a 429 error: the client sent too many requests and can retry after
    /// `retry_after`.
    ///
    /// If a dependency returns a 429 to this server, the client is not at fault. Use
    /// [`unavailable`](Self::unavailable) with
    /// [`with_retry_after`](Self::with_retry_after).
    ///
    /// ```
    /// use highwater::error::AppError;
    /// use std::time::Duration;
    ///
    /// let error = AppError::rate_limited(Duration::from_secs(3));
    /// assert_eq!((error.status(), error.retry_after()), (429, Some(Duration::from_secs(3))));
    /// assert!(!error.is_transient(), "the client has to wait, not the server");
    /// ```
    #[track_caller]
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::new(ErrorKind::RateLimited).with_retry_after(retry_after)
    }
}

/// Server errors. Their details are **internal**: the client gets the message of the
/// kind, unless [another](AppError::with_public_message) is set.
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::timeout("charging the card");
/// assert_eq!(error.detail(), Some("charging the card timed out"));
/// assert_eq!(error.public_message(), "The request timed out.");
/// ```
impl AppError {
    /// Creates a 503 error: a dependency is down or temporarily rejects requests.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::unavailable("stripe");
    /// assert_eq!((error.status(), error.detail()), (503, Some("stripe is unavailable")));
    /// assert!(error.is_transient());
    /// ```
    #[track_caller]
    pub fn unavailable(dependency: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unavailable).with_detail(format!("{dependency} is unavailable"))
    }

    /// Creates a 504 error: an operation timed out.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!((error.status(), error.detail()), (504, Some("reading the stock timed out")));
    /// assert!(error.is_transient());
    /// ```
    #[track_caller]
    pub fn timeout(operation: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Timeout).with_detail(format!("{operation} timed out"))
    }

    /// Creates a 503 error: an operation was cancelled before it finished.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::cancelled("the export");
    /// assert_eq!((error.status(), error.detail()), (503, Some("the export was cancelled")));
    /// assert!(!error.is_transient());
    /// ```
    #[track_caller]
    pub fn cancelled(operation: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Cancelled).with_detail(format!("{operation} was cancelled"))
    }

    /// Creates a 499 error: the client closed the connection before the request was
    /// complete.
    ///
    /// Servers use it when reading a request or writing a response fails for that
    /// reason. A [`Handler`](super::Handler) also recognises it as the source of
    /// other errors.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::client_gone().with_source("reset by peer");
    /// assert_eq!((error.status(), error.code()), (499, "client_gone"));
    /// assert!(error.is_operational() && !error.is_transient());
    /// ```
    #[track_caller]
    pub fn client_gone() -> Self {
        Self::new(ErrorKind::ClientGone)
    }

    /// Creates a 500 error that is not a bug: something outside the program failed
    /// and is not likely to recover soon.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::failure("the disk is full");
    /// assert_eq!((error.status(), error.detail()), (500, Some("the disk is full")));
    /// assert!(error.is_operational());
    /// ```
    #[track_caller]
    pub fn failure(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Failure).with_detail(detail)
    }

    /// Creates a 500 error for a bug.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::bug("the stock is negative");
    /// assert_eq!((error.status(), error.code()), (500, "internal_error"));
    /// assert!(error.is_bug());
    /// ```
    #[track_caller]
    pub fn bug(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Bug).with_detail(detail)
    }

    /// Converts a panic payload from [`catch_unwind`](std::panic::catch_unwind) to a
    /// bug. The location is that of the caller; only a panic hook can see the
    /// location of the panic.
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
        // `&payload` of a box coerces to the box itself, not to its content.
        let boxed = payload.downcast_ref::<Box<dyn Any + Send>>();
        let payload = boxed.map_or(payload, |inner| &**inner);
        Self::bug(match panic_text(payload) {
            Some(text) => Cow::Owned(format!("panicked: {text}")),
            None => Cow::Borrowed("panicked with a non-string payload"),
        })
    }
}

/// The error becomes the source. The location is that of the `?`.
impl<E: Classify + Send + Sync + 'static> From<E> for AppError {
    #[track_caller]
    fn from(error: E) -> Self {
        AppError::new(error.classify()).with_source(error)
    }
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppError")
            .field("classification", &self.0.classification)
            .field("detail", &self.0.detail)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .field("location", &format_args!("{}", self.0.location))
            .finish()
    }
}

/// Drops nested errors in a loop. Recursion would overflow the stack for a deep
/// chain.
impl Drop for ErrorData {
    fn drop(&mut self) {
        let mut next = self.source.take();
        while let Some(source) = next {
            let own = source.downcast::<AppError>();
            next = own.ok().and_then(|mut own| own.0.source.take());
        }
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.0.source.as_deref();
        source.map(|source| source as _)
    }
}
