//! Errors that know what they are.

use super::{AppError, Classification};
use std::error::Error;

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
/// use highwater::error::{AppError, Classification, Classify, Kind};
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
///             PaymentError::Declined { .. } => Classification::new(Kind::InvalidInput)
///                 .with_code("card_declined")
///                 .with_public("The card was declined."),
///             PaymentError::BankDown => Kind::Unavailable.into(),
///             PaymentError::OutOfBalance { .. } => Kind::Bug.into(),
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
