//! What a worker does: books that have to balance.

use crate::{
    error::{Classification, Classify, ErrorKind},
    scenario::railway::SECRET,
};

/// What all accounts hold together, at any time.
pub(super) const TOTAL: i64 = 1_000;

/// What a transfer costs, by its amount.
const FEES: [i64; 13] = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];

/// The amount whose fee the table lacks: the bug.
pub(super) const UNLUCKY: usize = FEES.len();

/// How many accounts there are.
pub(super) const ACCOUNTS: usize = 2;

/// Money is moved between the accounts, never made.
pub(super) struct Ledger {
    accounts: [i64; ACCOUNTS],
    fees: i64,
}

/// What can go wrong. The texts are for the operator.
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
    /// Its name in the trace.
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
                .with_public("The transfer is not valid.")
                .with_field("amount", "has to be greater than 0"),
            LedgerError::NotFound(_) => {
                Classification::new(ErrorKind::NotFound).with_public("There is no such account.")
            }
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

    /// Moves an amount from one account to the other, and answers what they hold
    /// together.
    pub(super) fn transfer(&mut self, amount: usize, from: usize) -> Result<i64, LedgerError> {
        if amount == 0 {
            return Err(LedgerError::Invalid);
        }
        let [first, second] = &mut self.accounts;
        let (giver, taker) = match from {
            0 => (first, second),
            1 => (second, first),
            _ => return Err(LedgerError::NotFound(from)),
        };
        let money = i64::try_from(amount).map_err(|_| LedgerError::Invalid)?;
        *giver -= money;
        // The bug: who gives has given already when the table turns out to be too
        // short. In a program without `get` this is where it would panic.
        let fee = FEES.get(amount).ok_or(LedgerError::OutOfRange(amount))?;
        *taker += money - fee;
        self.fees += fee;
        Ok(self.accounts.iter().sum::<i64>() + self.fees)
    }
}
