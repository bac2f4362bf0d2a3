//! What an error says about itself.

use super::{Class, Kind};
use std::{borrow::Cow, time::Duration};

/// All that is decided by an error: made from a [`Kind`], with what is special
/// about this one.
///
/// Of a bug the code is for the log; neither its public message, its status nor
/// its fields can be set, as nothing of a bug is for the public.
///
/// ```
/// use highwater::error::{Classification, Kind};
///
/// let declined = Classification::new(Kind::InvalidInput)
///     .with_code("card_declined")
///     .with_status(402)
///     .with_public("The card was declined.");
/// assert_eq!(declined.code(), "card_declined");
/// assert_eq!(declined.status(), 402);
/// assert!(!declined.is_transient());
///
/// let usual = Classification::from(Kind::Timeout);
/// assert_eq!(usual.public_message(), "The request took too long.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing by itself"]
pub struct Classification {
    kind: Kind,
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
    /// # use highwater::error::{Classification, Kind};
    /// const USUAL: Classification = Classification::new(Kind::Conflict);
    /// assert_eq!((USUAL.code(), USUAL.status()), ("conflict", 409));
    /// ```
    pub const fn new(kind: Kind) -> Self {
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
    /// # use highwater::error::{Classification, Kind};
    /// let sold_out = Classification::new(Kind::Conflict).with_code("sold_out");
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
    /// # use highwater::error::{Classification, Kind};
    /// assert_eq!(Classification::new(Kind::NotFound).with_status(410).status(), 410);
    /// assert_eq!(Classification::new(Kind::NotFound).with_status(200).status(), 500);
    /// assert_eq!(Classification::new(Kind::Bug).with_status(410).status(), 500);
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
    /// # use highwater::error::{Classification, Kind};
    /// let gone = Classification::new(Kind::NotFound).with_public("The order was deleted.");
    /// assert_eq!(gone.public_message(), "The order was deleted.");
    /// let bug = Classification::new(Kind::Bug).with_public("The order was deleted.");
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
    /// # use highwater::error::{Classification, Kind};
    /// let invalid = Classification::new(Kind::InvalidInput).with_field("street", "is missing");
    /// assert_eq!(invalid.fields()[0].detail, "is missing");
    /// assert!(Classification::new(Kind::Bug).with_field("street", "is missing").fields().is_empty());
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
    /// # use highwater::error::{Classification, Kind};
    /// # use std::time::Duration;
    /// let busy = Classification::new(Kind::Unavailable).with_retry_after(Duration::from_secs(2));
    /// assert_eq!(busy.retry_after(), Some(Duration::from_secs(2)));
    /// ```
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its kind.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert_eq!(Classification::new(Kind::Conflict).with_code("sold_out").kind(), Kind::Conflict);
    /// ```
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose fault it is.
    ///
    /// ```
    /// # use highwater::error::{Class, Classification, Kind};
    /// assert_eq!(Classification::new(Kind::Conflict).class(), Class::Operational);
    /// assert_eq!(Classification::new(Kind::Bug).class(), Class::Programmer);
    /// ```
    pub const fn class(&self) -> Class {
        self.kind.class()
    }

    /// Whether the program is wrong.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert!(Classification::new(Kind::Bug).is_bug());
    /// assert!(!Classification::new(Kind::Failure).is_bug());
    /// ```
    pub const fn is_bug(&self) -> bool {
        matches!(self.class(), Class::Programmer)
    }

    /// Whether the same may succeed a little later.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert!(Classification::new(Kind::Timeout).is_transient());
    /// assert!(!Classification::new(Kind::Failure).is_transient());
    /// ```
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// Its name for programs.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert_eq!(Classification::new(Kind::TooLarge).code(), "too_large");
    /// ```
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Its status of HTTP, from 400 to 599.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert_eq!(Classification::new(Kind::TooLarge).status(), 413);
    /// ```
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// What the client is told.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// let usual = Classification::new(Kind::TooLarge);
    /// assert_eq!(usual.public_message(), "The request is too large.");
    /// ```
    pub fn public_message(&self) -> &str {
        self.public.as_deref().unwrap_or(self.kind.public_message())
    }

    /// What is wrong with which field.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// let invalid = Classification::new(Kind::InvalidInput).with_field("street", "is missing");
    /// assert_eq!(invalid.fields()[0].field, "street");
    /// ```
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }

    /// Before this has passed it is not worth trying again.
    ///
    /// ```
    /// # use highwater::error::{Classification, Kind};
    /// assert_eq!(Classification::new(Kind::Unavailable).retry_after(), None);
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

impl From<Kind> for Classification {
    fn from(kind: Kind) -> Self {
        Classification::new(kind)
    }
}
