//! The classification of errors.

use super::{Class, ErrorKind};
use std::{borrow::Cow, error::Error, time::Duration};

/// Determines how an error is handled: an [`ErrorKind`] plus overrides of its
/// defaults.
///
/// For a bug, only the code can be set, since it is internal. The public message,
/// status and fields of a bug are fixed.
///
/// ```
/// use highwater::error::{Classification, ErrorKind};
///
/// let declined = Classification::new(ErrorKind::InvalidInput)
///     .with_code("card_declined")
///     .with_status(402)
///     .with_public_message("The card was declined.");
/// assert_eq!(declined.code(), "card_declined");
/// assert_eq!(declined.status(), 402);
/// assert!(!declined.is_transient());
///
/// let usual = Classification::from(ErrorKind::Timeout);
/// assert_eq!(usual.public_message(), "The request timed out.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "does nothing unless used"]
pub struct Classification {
    kind: ErrorKind,
    code: &'static str,
    status: u16,
    custom_message: Option<Cow<'static, str>>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// True if a breaker rejected the call or opened because of its failure.
    has_open_breaker: bool,
}

/// An invalid input field, reported to the client.
///
/// ```
/// use highwater::error::AppError;
///
/// let error = AppError::invalid_input("The order is not valid.")
///     .with_field("quantity", "must be at least 1");
/// assert_eq!(error.fields()[0].field, "quantity");
/// assert_eq!(error.fields()[0].detail, "must be at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FieldError {
    /// The name of the field, or a path to it.
    pub field: Cow<'static, str>,
    /// The problem with the field.
    pub detail: Cow<'static, str>,
}

impl Classification {
    /// Creates a classification with the defaults of a kind.
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
            custom_message: None,
            fields: Vec::new(),
            retry_after: None,
            has_open_breaker: false,
        }
    }

    /// Sets the code, in `snake_case`. Programs rely on codes, so keep them stable.
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

    /// Sets the HTTP status.
    ///
    /// A bug always has status 500. A status outside 400 to 599 also becomes 500.
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

    /// Sets the message for the client. It must not reveal internal details.
    ///
    /// Has no effect on a bug, which always has the same message.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let gone = Classification::new(ErrorKind::NotFound).with_public_message("The order was deleted.");
    /// assert_eq!(gone.public_message(), "The order was deleted.");
    /// let bug = Classification::new(ErrorKind::Bug).with_public_message("The order was deleted.");
    /// assert_eq!(bug.public_message(), "Something went wrong on our side.");
    /// ```
    pub fn with_public_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        if !self.is_bug() {
            self.custom_message = Some(message.into());
        }
        self
    }

    /// Adds an invalid field. It is sent to the client unless the status is a server
    /// error. Has no effect on a bug.
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

    /// Sets how long to wait before a retry.
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

    /// Returns the kind.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Conflict).with_code("sold_out").kind(), ErrorKind::Conflict);
    /// ```
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the class: operational or a bug.
    ///
    /// ```
    /// use highwater::error::{Class, Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Conflict).class(), Class::Operational);
    /// assert_eq!(Classification::new(ErrorKind::Bug).class(), Class::Bug);
    /// ```
    pub const fn class(&self) -> Class {
        self.kind.class()
    }

    /// Returns whether the error is a bug.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert!(Classification::new(ErrorKind::Bug).is_bug());
    /// assert!(!Classification::new(ErrorKind::Failure).is_bug());
    /// ```
    pub const fn is_bug(&self) -> bool {
        matches!(self.class(), Class::Bug)
    }

    /// Returns whether a retry may succeed.
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

    /// Returns the stable machine-readable code.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::TooLarge).code(), "too_large");
    /// ```
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the HTTP status, from 400 to 599.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::TooLarge).status(), 413);
    /// ```
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the message for the client.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// let usual = Classification::new(ErrorKind::TooLarge);
    /// assert_eq!(usual.public_message(), "The request is too large.");
    /// ```
    pub fn public_message(&self) -> &str {
        self.custom_message
            .as_deref()
            .unwrap_or(self.kind.public_message())
    }

    /// Returns the invalid fields.
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

    /// Returns how long to wait before a retry, if known.
    ///
    /// ```
    /// use highwater::error::{Classification, ErrorKind};
    ///
    /// assert_eq!(Classification::new(ErrorKind::Unavailable).retry_after(), None);
    /// ```
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) const fn with_open_breaker(mut self, has_open_breaker: bool) -> Self {
        self.has_open_breaker = has_open_breaker;
        self
    }

    pub(crate) const fn has_open_breaker(&self) -> bool {
        self.has_open_breaker
    }

    /// Returns the message for the client without copying a static one.
    pub(super) fn to_public_message(&self) -> Cow<'static, str> {
        let default_message = self.kind.public_message();
        self.custom_message
            .clone()
            .unwrap_or(Cow::Borrowed(default_message))
    }
}

impl From<ErrorKind> for Classification {
    fn from(kind: ErrorKind) -> Self {
        Classification::new(kind)
    }
}

/// An error type that provides its own [`Classification`], so that `?` converts it to
/// an [`AppError`](super::AppError).
///
/// Implement it for your own error enums, usually with a single `match`. An error
/// without it does not convert with `?`; [classify it](super::ResultExt::classified)
/// where it occurs.
///
/// The error's own text is only logged. The client gets the public message of the
/// classification.
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
///                 .with_public_message("The card was declined."),
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
/// assert_eq!(error.location().file(), file!(), "the line of the question mark");
/// ```
pub trait Classify: Error {
    /// Returns the classification.
    fn classify(&self) -> Classification;
}
