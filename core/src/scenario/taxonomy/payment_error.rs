//! What can go wrong with a payment.

use crate::{
    error::{BreakerOpen, Classification, Classify, ErrorKind},
    scenario::railway::SECRET,
};
use std::{fmt, time::Duration};

/// The service's own errors. Their texts are for the operator: they say more
/// than a client should know.
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
    #[error("the bank is left alone ({SECRET})")]
    LeftAlone(BreakerOpen),
    #[error("index {index} of {length} digits of the receipt ({SECRET})")]
    OutOfRange { index: usize, length: usize },
}

/// No more than the name: how long a breaker rests would bring the whole of how
/// durations are written into what the page downloads.
impl fmt::Debug for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PaymentError {
    /// Its name in the trace.
    pub(super) fn name(&self) -> &'static str {
        match self {
            PaymentError::Invalid(_) => "invalid input",
            PaymentError::NotFound(_) => "no such payment",
            PaymentError::Conflict(_) => "paid already",
            PaymentError::RateLimited(_) => "too many requests",
            PaymentError::BankTimedOut => "the bank timed out",
            PaymentError::BankDown => "the bank is down",
            PaymentError::LeftAlone(_) => "the bank is left alone",
            PaymentError::OutOfRange { .. } => "a bug in the receipt",
        }
    }
}

/// Each is sorted once, here. ErrorResponse, retry and log follow from that.
impl Classify for PaymentError {
    fn classify(&self) -> Classification {
        match self {
            PaymentError::Invalid(_) => Classification::new(ErrorKind::InvalidInput)
                .with_public("The payment is not valid.")
                .with_field("amount", "has to be greater than 0"),
            PaymentError::NotFound(_) => {
                Classification::new(ErrorKind::NotFound).with_public("There is no such payment.")
            }
            PaymentError::Conflict(_) => {
                Classification::new(ErrorKind::Conflict).with_public("This was paid already.")
            }
            PaymentError::RateLimited(_) => {
                Classification::new(ErrorKind::RateLimited).with_retry_after(Duration::from_secs(1))
            }
            PaymentError::BankTimedOut => ErrorKind::Timeout.into(),
            PaymentError::BankDown => ErrorKind::Unavailable.into(),
            PaymentError::LeftAlone(open) => open.classify(),
            PaymentError::OutOfRange { .. } => ErrorKind::Bug.into(),
        }
    }
}
