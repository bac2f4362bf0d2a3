//! A ledger whose accounts must balance, with a bug.

use crate::{
    error::{Classification, Classify, ErrorKind},
    scenario::railway::SECRET,
};

/// The total of all accounts and fees, which never changes.
pub(super) const TOTAL: i64 = 1_000;

/// The fee for each transfer amount.
const FEES: [i64; 13] = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];

/// The amount that is missing from the fee table, which triggers the bug.
pub(super) const BUG_AMOUNT: usize = FEES.len();

/// The number of accounts.
pub(super) const ACCOUNTS: usize = 2;

/// Accounts between which money moves. A transfer never changes the total.
pub(super) struct Ledger {
    accounts: [i64; ACCOUNTS],
    fees: i64,
}

/// The errors of a transfer. Their messages are for the operator.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum LedgerError {
    #[error("an amount of 0 ({SECRET})")]
    Invalid,
    #[error("no row in table accounts for {0} ({SECRET})")]
    NotFound(usize),
    #[error("POST https://bank.internal/confirm?{SECRET} timed out")]
    TimedOut,
    #[error("index {0} of 13 fees ({SECRET})")]
    OutOfRange(usize),
}

/// The name of the bug in the trace.
pub(super) const BUG: &str = "a bug in the fees";

impl LedgerError {
    /// Returns the error's name in the trace.
    pub(super) fn name(self) -> &'static str {
        match self {
            LedgerError::Invalid => "invalid amount",
            LedgerError::NotFound(_) => "no such account",
            LedgerError::TimedOut => "the bank timed out",
            LedgerError::OutOfRange(_) => BUG,
        }
    }
}

impl Classify for LedgerError {
    fn classify(&self) -> Classification {
        match self {
            LedgerError::Invalid => Classification::new(ErrorKind::InvalidInput)
                .with_public_message("The transfer is not valid.")
                .with_field("amount", "must be greater than 0"),
            LedgerError::NotFound(_) => Classification::new(ErrorKind::NotFound)
                .with_public_message("There is no such account."),
            LedgerError::TimedOut => ErrorKind::Timeout.into(),
            LedgerError::OutOfRange(_) => ErrorKind::Bug.into(),
        }
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Ledger {
            accounts: [TOTAL / 2; ACCOUNTS],
            fees: 0,
        }
    }

    /// Transfers an amount from one account to the other. Returns the total of accounts
    /// and fees.
    pub(super) fn transfer(&mut self, amount: usize, from: usize) -> Result<i64, LedgerError> {
        if amount == 0 {
            return Err(LedgerError::Invalid);
        }
        let [first, second] = &mut self.accounts;
        let (source, target) = match from {
            0 => (first, second),
            1 => (second, first),
            _ => return Err(LedgerError::NotFound(from)),
        };
        let signed_amount = i64::try_from(amount).map_err(|_| LedgerError::Invalid)?;
        *source -= signed_amount;
        // The bug: the source account is already debited when the fee turns out to be
        // missing. With an index instead of `get`, this line would panic.
        let fee = FEES.get(amount).ok_or(LedgerError::OutOfRange(amount))?;
        *target += signed_amount - fee;
        self.fees += fee;
        Ok(self.accounts.iter().sum::<i64>() + self.fees)
    }
}
