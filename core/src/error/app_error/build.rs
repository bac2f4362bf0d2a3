//! What an error is given as it is made.

use super::AppError;
use crate::error::{Classification, text};
use std::{borrow::Cow, error::Error, fmt, time::Duration};

impl AppError {
    /// What the operator is told: the log has it, no response ever.
    ///
    /// ```
    /// # use highwater::error::{AppError, Kind};
    /// let error = AppError::new(Kind::Failure).with_detail("the disk is full");
    /// assert_eq!(error.detail(), Some("the disk is full"));
    /// assert_eq!(error.to_string(), "The request could not be completed.");
    /// ```
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// What caused it. The log has it, no response ever.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::failure("cannot read the rates").with_source("no such file");
    /// assert_eq!(format!("{error:#}"), "cannot read the rates: no such file");
    /// assert_eq!(error.to_string(), "The request could not be completed.");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds a value for the log, such as the number of an order. No response
    /// ever has it.
    ///
    /// No more than a kilobyte of its text is kept. If the text cannot be made
    /// because that panics, a note is kept instead.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::not_found("There is no such file.")
    ///     .with_context("user", 7)
    ///     // For bytes that need not be text; a path has its `display()`.
    ///     .with_context("name", b"caf\xe9".escape_ascii());
    /// let context: Vec<_> = error.context().collect();
    /// assert_eq!(context, [("user", "7"), ("name", "caf\\xe9")]);
    /// ```
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, text::kept(&value)));
        self
    }

    /// What the client is told. It must not say how the inside looks. Of a bug
    /// nothing else is told than that it was one.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::unavailable("stripe").with_public("Cards cannot be charged now.");
    /// assert_eq!(error.public_message(), "Cards cannot be charged now.");
    /// let bug = AppError::bug("no cart").with_public("There is no cart.");
    /// assert_eq!(bug.public_message(), "Something went wrong on our side.");
    /// ```
    #[must_use]
    pub fn with_public(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.change(|classification| classification.with_public(message));
        self
    }

    /// A code of its own instead of its kind's, in `snake_case`. Programs rely on
    /// it: once given, it stays.
    ///
    /// ```
    /// use highwater::error::AppError;
    ///
    /// let error = AppError::conflict("There is none left.").with_code("sold_out");
    /// assert_eq!((error.code(), error.status()), ("sold_out", 409));
    /// ```
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.change(|classification| classification.with_code(code));
        self
    }

    /// Adds what is wrong with one field. The client is told, unless the status
    /// says that it is not its fault.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// let error = AppError::invalid_input("The order is not valid.")
    ///     .with_field("quantity", "has to be at least 1")
    ///     .with_field("street", "is missing");
    /// assert_eq!(error.fields().len(), 2);
    /// ```
    #[must_use]
    pub fn with_field(
        mut self,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.change(|classification| classification.with_field(field, detail));
        self
    }

    /// Not worth trying again before this has passed.
    ///
    /// ```
    /// # use highwater::error::AppError;
    /// # use std::time::Duration;
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    /// ```
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.change(|classification| classification.with_retry_after(after));
        self
    }

    fn change(&mut self, change: impl FnOnce(Classification) -> Classification) {
        let old = Classification::new(self.kind());
        let old = std::mem::replace(&mut self.0.classification, old);
        self.0.classification = change(old);
    }
}
