//! Decimal parameter values.

use serde::{Serialize, Serializer};
use std::fmt;

/// A decimal number with up to two decimal places, such as 0.25.
///
/// It is stored as an integer, because parsing and formatting `f64` would add as much
/// to the page's download as a scenario does. It is serialized as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal {
    hundredths: u64,
}

impl Decimal {
    /// Creates a number from its hundredths.
    #[must_use]
    pub const fn from_hundredths(hundredths: u64) -> Self {
        Decimal { hundredths }
    }

    /// Returns the number as its hundredths.
    #[must_use]
    pub const fn hundredths(self) -> u64 {
        self.hundredths
    }

    /// Returns the nearest `f64`.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.hundredths as f64 / 100.0
    }

    /// Parses a number such as `2`, `0.5` or `1.25`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let scale = match decimals.len() {
            1 => 10,
            2 => 1,
            _ => return None,
        };
        let hundredths = digits(whole)?.checked_mul(100)?;
        let hundredths = hundredths.checked_add(digits(decimals)? * scale)?;
        Some(Decimal { hundredths })
    }
}

/// Parses digits only, without a sign.
fn digits(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.hundredths / 100, self.hundredths % 100);
        match (rest / 10, rest % 10) {
            (0, 0) => write!(f, "{whole}"),
            (tenths, 0) => write!(f, "{whole}.{tenths}"),
            (tenths, hundredths) => write!(f, "{whole}.{tenths}{hundredths}"),
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::as_text(self, serializer)
    }
}
