//! One error type for a whole application.

mod build;

use super::{Chain, Class, Classification, FieldError, Kind, text};
use crate::sync::{AtomicBool, Ordering};
use std::{borrow::Cow, error::Error, fmt, panic::Location, time::Duration};

/// An error with all that is needed to answer it, log it and act on it.
///
/// It keeps apart what the client is told and what the operator is:
///
/// | | for the client | for the operator |
/// |---|---|---|
/// | text | [`public_message`](Self::public_message), `{}` | [`detail`](Self::detail), [`chain`](Self::chain), `{:#}` |
/// | values | [`fields`](Self::fields), [`retry_after`](Self::retry_after) | [`context`](Self::context), [`location`](Self::location) |
///
/// What is printed by accident with `{}` therefore gives nothing away.
///
/// It is as wide as one pointer, so a `Result` with it costs little where all is
/// well. Whatever is [`Classify`](super::Classify) becomes one by `?`.
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
/// assert_eq!(error.to_string(), "A service that is needed for this is unavailable.");
/// assert_eq!(format!("{error:#}"), "stripe is unavailable: connection refused");
/// assert_eq!(error.context().next(), Some(("order", "42")));
/// ```
pub struct AppError(Box<Inner>);

struct Inner {
    classification: Classification,
    detail: Option<Cow<'static, str>>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn Error + Send + Sync>>,
    location: &'static Location<'static>,
    /// Set by the handler, which logs and counts an error once.
    is_handled: AtomicBool,
}

impl AppError {
    /// An error of a kind, or with a [`Classification`] of its own. The usual
    /// kinds have a constructor each.
    ///
    /// ```
    /// # use highwater::error::{AppError, Classification, Kind};
    /// let error = AppError::new(Kind::Conflict);
    /// assert_eq!((error.code(), error.status()), ("conflict", 409));
    /// let error = AppError::new(Classification::new(Kind::NotFound).with_status(410));
    /// assert_eq!(error.status(), 410);
    /// ```
    #[track_caller]
    pub fn new(classification: impl Into<Classification>) -> Self {
        AppError(Box::new(Inner {
            classification: classification.into(),
            detail: None,
            context: Vec::new(),
            source: None,
            location: Location::caller(),
            is_handled: AtomicBool::new(false),
        }))
    }

    /// What is decided by it.
    ///
    /// ```
    /// # use highwater::error::{AppError, Classification, Kind};
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.classification(), &Classification::new(Kind::Timeout));
    /// ```
    pub fn classification(&self) -> &Classification {
        &self.0.classification
    }

    /// What kind of error it is.
    ///
    /// ```
    /// # use highwater::error::{AppError, Kind};
    /// assert_eq!(AppError::timeout("reading the stock").kind(), Kind::Timeout);
    /// ```
    pub fn kind(&self) -> Kind {
        self.0.classification.kind()
    }

    /// Whose fault it is.
    ///
    /// ```
    /// # use highwater::error::{AppError, Class};
    /// assert_eq!(AppError::timeout("reading the stock").class(), Class::Operational);
    /// assert_eq!(AppError::bug("the stock is negative").class(), Class::Programmer);
    /// ```
    pub fn class(&self) -> Class {
        self.0.classification.class()
    }

    /// Whether the world is to blame.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// assert!(AppError::timeout("reading the stock").is_operational());
    /// assert!(!AppError::bug("the stock is negative").is_operational());
    /// ```
    pub fn is_operational(&self) -> bool {
        !self.is_bug()
    }

    /// Whether the program is to blame.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// assert!(AppError::bug("the stock is negative").is_bug());
    /// assert!(!AppError::failure("the disk is full").is_bug());
    /// ```
    pub fn is_bug(&self) -> bool {
        self.0.classification.is_bug()
    }

    /// Whether the same may succeed a little later. A bug never is.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// assert!(AppError::timeout("reading the stock").is_transient());
    /// assert!(!AppError::conflict("There is none left.").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        self.0.classification.is_transient()
    }

    /// Its name for programs: stable, in `snake_case`.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// assert_eq!(AppError::timeout("reading the stock").code(), "timeout");
    /// ```
    pub fn code(&self) -> &'static str {
        self.0.classification.code()
    }

    /// Its status of HTTP, from 400 to 599.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// assert_eq!(AppError::timeout("reading the stock").status(), 504);
    /// ```
    pub fn status(&self) -> u16 {
        self.0.classification.status()
    }

    /// What the client is told.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.public_message(), "The request took too long.");
    /// ```
    pub fn public_message(&self) -> &str {
        self.0.classification.public_message()
    }

    /// What is wrong with which field, in the order they were added.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::invalid_input("The order is not valid.").with_field("street", "is missing");
    /// assert_eq!(error.fields()[0].field, "street");
    /// assert!(AppError::timeout("reading the stock").fields().is_empty());
    /// ```
    pub fn fields(&self) -> &[FieldError] {
        self.0.classification.fields()
    }

    /// Before this has passed it is not worth trying again.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// # use std::time::Duration;
    /// let error = AppError::rate_limited(Duration::from_secs(3));
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    /// assert_eq!(AppError::timeout("reading the stock").retry_after(), None);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.classification.retry_after()
    }

    /// What the operator is told, if more than its sources say.
    ///
    /// ```
    /// # use highwater::error::{AppError, Kind};
    /// let error = AppError::timeout("reading the stock");
    /// assert_eq!(error.detail(), Some("reading the stock timed out"));
    /// assert_eq!(AppError::new(Kind::Timeout).detail(), None);
    /// ```
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Values for the log, in the order they were added.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::timeout("the stock").with_context("order", 42).with_context("try", 3);
    /// assert_eq!(error.context().len(), 2);
    /// assert_eq!(error.context().last(), Some(("try", "3")));
    /// ```
    pub fn context(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        let context = self.0.context.iter();
        context.map(|(key, value)| (*key, value.as_str()))
    }

    /// Where it was raised: the line that called the constructor, or of the `?`
    /// that converted it.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::bug("the stock is negative");
    /// assert_eq!((error.location().file(), error.location().line()), (file!(), line!() - 1));
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// What caused it, from the nearest to the root; cut where it is endless.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let inner = AppError::timeout("reading the rates").with_source("reset by peer");
    /// let error = AppError::unavailable("the bank").with_source(inner);
    /// assert_eq!(error.chain().count(), 2);
    /// assert_eq!(error.chain().last().unwrap().to_string(), "reset by peer");
    /// ```
    pub fn chain(&self) -> Chain<'_> {
        Chain::new(self.source())
    }

    /// Returns whether it was handled.
    #[cfg(feature = "tower")]
    pub(super) fn is_handled(&self) -> bool {
        self.0.is_handled.load(Ordering::Relaxed)
    }

    /// Says whether it was not handled before, and notes that it is now.
    pub(super) fn is_first_handled(&self) -> bool {
        !self.0.is_handled.swap(true, Ordering::Relaxed)
    }

    /// What is said of it in a chain for the operator.
    pub(super) fn own_text(&self) -> Option<&str> {
        match self.detail() {
            // What an error classified itself has to say is said by itself.
            None if self.0.source.is_some() => None,
            None => Some(self.public_message()),
            detail => detail,
        }
    }
}

/// `{}` is for the client, `{:#}` is for the operator, with all sources.
impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            text::write_chain(self, f)
        } else {
            f.write_str(self.public_message())
        }
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

/// One after the other: a chain as deep as it likes would overflow the stack.
impl Drop for Inner {
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
