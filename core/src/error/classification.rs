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
    pub const fn new(kind: Kind) -> Self {
        Classification {
            kind,
            code: kind.code(),
            status: kind.status(),
            public: None,
            fields: Vec::new(),
            retry_after: None,
        }
    }

    /// A code of its own, in `snake_case`. Programs rely on it: once given, it
    /// stays.
    pub const fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Another status than its kind's.
    ///
    /// A bug answers 500 whatever is set, and so does what is set to no status
    /// of an error, which are those from 400 to 599.
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
    pub fn with_public(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        if !self.is_bug() {
            self.public = Some(message.into());
        }
        self
    }

    /// Adds what is wrong with one field. The client is told, unless the status
    /// says that it is not its fault.
    pub fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.fields.push(FieldError {
            field: field.into(),
            detail: detail.into(),
        });
        self
    }

    /// Not worth trying again before this has passed.
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose fault it is.
    pub const fn class(&self) -> Class {
        self.kind.class()
    }

    /// Whether the program is wrong.
    pub const fn is_bug(&self) -> bool {
        matches!(self.class(), Class::Programmer)
    }

    /// Whether the same may succeed a little later.
    pub const fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// Its name for programs.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Its status of HTTP, from 400 to 599.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// What the client is told.
    pub fn public_message(&self) -> &str {
        self.public.as_deref().unwrap_or(self.kind.public_message())
    }

    /// What is wrong with which field.
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }

    /// Before this has passed it is not worth trying again.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
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
