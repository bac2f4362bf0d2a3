//! The errors of the payment service.

use crate::{
    error::{BreakerOpen, Classification, Classify, ErrorKind},
    scenario::railway::SECRET,
};
use std::{fmt, time::Duration};

/// The service's errors. Their messages are for the operator and contain more than a
/// client should see.
#[derive(Clone, Copy, thiserror::Error)]
pub(super) enum PaymentError {
    #[error("the amount -{0} is negative ({SECRET})")]
    Invalid(u64),
    #[error("no row in table payments for {0} ({SECRET})")]
    NotFound(u64),
    #[error("unique index payments_pkey has {0} already ({SECRET})")]
    Conflict(u64),
    #[error("bucket of client {0} is empty ({SECRET})")]
    RateLimited(u64),
    #[error("POST https://bank.internal/charge?{SECRET} timed out")]
    BankTimedOut,
    #[error("connect https://bank.internal?{SECRET}: refused")]
    BankDown,
    #[error("the breaker is open ({SECRET})")]
    BreakerOpen(BreakerOpen),
    #[error("index {index} of {length} digits of the receipt ({SECRET})")]
    OutOfRange { index: usize, length: usize },
}

/// Prints only the name. Printing the breaker's duration would add all of duration
/// formatting to the page download.
impl fmt::Debug for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PaymentError {
    /// Returns the error's name in the trace.
    pub(super) fn name(&self) -> &'static str {
        match self {
            PaymentError::Invalid(_) => "invalid input",
            PaymentError::NotFound(_) => "no such payment",
            PaymentError::Conflict(_) => "already paid",
            PaymentError::RateLimited(_) => "too many requests",
            PaymentError::BankTimedOut => "the bank timed out",
            PaymentError::BankDown => "the bank is down",
            PaymentError::BreakerOpen(_) => "the breaker is open",
            PaymentError::OutOfRange { .. } => "a bug in the receipt",
        }
    }
}

/// Each error is classified once, here. Response, retry and log follow from the class.
impl Classify for PaymentError {
    fn classify(&self) -> Classification {
        match self {
            PaymentError::Invalid(_) => Classification::new(ErrorKind::InvalidInput)
                .with_public_message("The payment is not valid.")
                .with_field("amount", "must be greater than 0"),
            PaymentError::NotFound(_) => Classification::new(ErrorKind::NotFound)
                .with_public_message("There is no such payment."),
            PaymentError::Conflict(_) => Classification::new(ErrorKind::Conflict)
                .with_public_message("This was already paid."),
            PaymentError::RateLimited(_) => {
                Classification::new(ErrorKind::RateLimited).with_retry_after(Duration::from_secs(1))
            }
            PaymentError::BankTimedOut => ErrorKind::Timeout.into(),
            PaymentError::BankDown => ErrorKind::Unavailable.into(),
            PaymentError::BreakerOpen(open) => open.classify(),
            PaymentError::OutOfRange { .. } => ErrorKind::Bug.into(),
        }
    }
}
