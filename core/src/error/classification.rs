//! What an error says about itself.

use super::{AppError, Class, ErrorKind};
use std::{borrow::Cow, error::Error, time::Duration};

/// All that is decided by an error: made from a [`ErrorKind`], with what is special
/// about this one.
///
/// Of a bug the code is for the log; neither its public message, its status nor
/// its fields can be set, as nothing of a bug is for the public.
///
/// ```
/// use highwater::error::{Classification, ErrorKind};
///
/// let declined = Classification::new(ErrorKind::InvalidInput)
///     .with_code("card_declined")
///     .with_status(402)
///     .with_public("The card was declined.");
/// assert_eq!(declined.code(), "card_declined");
/// assert_eq!(declined.status(), 402);
/// assert!(!declined.is_transient());
///
/// let usual = Classification::from(ErrorKind::Timeout);
/// assert_eq!(usual.public_message(), "The request took too long.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing by itself"]
pub struct Classification {
    kind: ErrorKind,
    code: &'static str,
    status: u16,
    public: Option<Cow<'static, str>>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// Whether it comes from a breaker that is open, however it was wrapped.
    is_breaker_open: bool,
}

/// What is wrong with one field of the input, for the client to read.
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::invalid_input("The order is not valid.")
///     .with_field("quantity", "has to be at least 1");
/// assert_eq!(error.fields()[0].field, "quantity");
/// assert_eq!(error.fields()[0].detail, "has to be at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The field: a name, or a path to it.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub detail: Cow<'static, str>,
}

impl Classification {
    /// As is usual for the kind.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// const USUAL: Classification = Classification::new(ErrorKind::Conflict);
    /// assert_eq!((USUAL.code(), USUAL.status()), ("conflict", 409));
    /// ```
    pub const fn new(kind: ErrorKind) -> Self {
        Classification {
            kind,
            code: kind.code(),
            status: kind.status(),
            public: None,
            fields: Vec::new(),
            retry_after: None,
            is_breaker_open: false,
        }
    }

    /// A code of its own, in `snake_case`. Programs rely on it: once given, it
    /// stays.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let sold_out = Classification::new(ErrorKind::Conflict).with_code("sold_out");
    /// assert_eq!((sold_out.code(), sold_out.status()), ("sold_out", 409));
    /// ```
    pub const fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Another status than its kind's.
    ///
    /// A bug answers 500 whatever is set, and so does what is set to no status
    /// of an error, which are those from 400 to 599.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::NotFound).with_status(410).status(), 410);
    /// assert_eq!(Classification::new(ErrorKind::NotFound).with_status(200).status(), 500);
    /// assert_eq!(Classification::new(ErrorKind::Bug).with_status(410).status(), 500);
    /// ```
    pub const fn with_status(mut self, status: u16) -> Self {
        let is_error = matches!(status, 400..=599);
        self.status = match self.kind.class() {
            Class::Operational if is_error => status,
            _ => 500,
        };
        self
    }

    /// What the client is told. It must not say how the inside looks.
    ///
    /// Of a bug nothing else is told than that it was one.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let gone = Classification::new(ErrorKind::NotFound).with_public("The order was deleted.");
    /// assert_eq!(gone.public_message(), "The order was deleted.");
    /// let bug = Classification::new(ErrorKind::Bug).with_public("The order was deleted.");
    /// assert_eq!(bug.public_message(), "Something went wrong on our side.");
    /// ```
    pub fn with_public(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        if !self.is_bug() {
            self.public = Some(message.into());
        }
        self
    }

    /// Adds what is wrong with one field. The client is told, unless the status
    /// says that it is not its fault. A bug has none.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let invalid = Classification::new(ErrorKind::InvalidInput).with_field("street", "is missing");
    /// assert_eq!(invalid.fields()[0].detail, "is missing");
    /// assert!(Classification::new(ErrorKind::Bug).with_field("street", "is missing").fields().is_empty());
    /// ```
    pub fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        if !self.is_bug() {
            self.fields.push(FieldError {
                field: field.into(),
                detail: detail.into(),
            });
        }
        self
    }

    /// Not worth trying again before this has passed.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let busy = Classification::new(ErrorKind::Unavailable).with_retry_after(Duration::from_secs(2));
    /// assert_eq!(busy.retry_after(), Some(Duration::from_secs(2)));
    /// ```
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its kind.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Conflict).with_code("sold_out").kind(), ErrorKind::Conflict);
    /// ```
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whose fault it is.
    ///
    /// ```
    /// use highwater::error::{Class, Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Conflict).class(), Class::Operational);
    /// assert_eq!(Classification::new(ErrorKind::Bug).class(), Class::Programmer);
    /// ```
    pub const fn class(&self) -> Class {
        self.kind.class()
    }

    /// Whether the program is wrong.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert!(Classification::new(ErrorKind::Bug).is_bug());
    /// assert!(!Classification::new(ErrorKind::Failure).is_bug());
    /// ```
    pub const fn is_bug(&self) -> bool {
        matches!(self.class(), Class::Programmer)
    }

    /// Whether the same may succeed a little later.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert!(Classification::new(ErrorKind::Timeout).is_transient());
    /// assert!(!Classification::new(ErrorKind::Failure).is_transient());
    /// ```
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// Its name for programs.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::TooLarge).code(), "too_large");
    /// ```
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Its status of HTTP, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::TooLarge).status(), 413);
    /// ```
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// What the client is told.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let usual = Classification::new(ErrorKind::TooLarge);
    /// assert_eq!(usual.public_message(), "The request is too large.");
    /// ```
    pub fn public_message(&self) -> &str {
        self.public.as_deref().unwrap_or(self.kind.public_message())
    }

    /// What is wrong with which field.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let invalid = Classification::new(ErrorKind::InvalidInput).with_field("street", "is missing");
    /// assert_eq!(invalid.fields()[0].field, "street");
    /// ```
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }

    /// Before this has passed it is not worth trying again.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Unavailable).retry_after(), None);
    /// ```
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) const fn of_open_breaker(mut self, is_breaker_open: bool) -> Self {
        self.is_breaker_open = is_breaker_open;
        self
    }

    pub(crate) const fn is_breaker_open(&self) -> bool {
        self.is_breaker_open
    }

    /// The message, without a copy if it is a constant one.
    pub(super) fn public(&self) -> Cow<'static, str> {
        let usual = self.kind.public_message();
        self.public.clone().unwrap_or(Cow::Borrowed(usual))
    }
}

impl From<ErrorKind> for Classification {
    fn from(kind: ErrorKind) -> Self {
        Classification::new(kind)
    }
}

/// An error that says itself what follows from it, so that `?` turns it into an
/// [`AppError`].
///
/// It is for an enum of your own, and takes one `match`. An error that is *not*
/// classified does not become an `AppError` by `?`: somebody has to decide
/// first, if need be [where it comes up](super::ResultExt::classified).
///
/// The text of the error itself is for the log only. What the client is told is
/// the classification's.
///
/// ```
/// use highwater::error::{AppError, Classification, Classify, ErrorKind};
///
/// #[derive(Debug, thiserror::Error)]
/// enum PaymentError {
///     #[error("card {last_digits} was declined by the bank")]
///     Declined { last_digits: u16 },
///     #[error("the bank does not answer")]
///     BankDown,
///     #[error("booked {booked}, but charged {charged}")]
///     OutOfBalance { booked: i64, charged: i64 },
/// }
///
/// impl Classify for PaymentError {
///     fn classify(&self) -> Classification {
///         match self {
///             PaymentError::Declined { .. } => Classification::new(ErrorKind::InvalidInput)
///                 .with_code("card_declined")
///                 .with_public("The card was declined."),
///             PaymentError::BankDown => ErrorKind::Unavailable.into(),
///             PaymentError::OutOfBalance { .. } => ErrorKind::Bug.into(),
///         }
///     }
/// }
///
/// fn charge() -> Result<(), PaymentError> {
///     Err(PaymentError::Declined { last_digits: 4242 })
/// }
///
/// fn order() -> Result<(), AppError> {
///     charge()?;
///     Ok(())
/// }
///
/// let error = order().unwrap_err();
/// assert_eq!(error.code(), "card_declined");
/// assert_eq!(error.to_string(), "The card was declined.");
/// assert_eq!(format!("{error:#}"), "card 4242 was declined by the bank");
/// assert_eq!(error.location().file(), file!(), "where the question mark is");
/// ```
pub trait Classify: Error {
    /// What follows from it.
    fn classify(&self) -> Classification;
}

/// The error becomes the source; where it was raised is where `?` stands.
impl<E: Classify + Send + Sync + 'static> From<E> for AppError {
    #[track_caller]
    fn from(error: E) -> Self {
        AppError::new(error.classify()).with_source(error)
    }
}
