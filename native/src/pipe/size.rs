//! Sizes in bytes: parsing and display.

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// A high-water mark in bytes, within [`Size::RANGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(usize);

/// The error for an invalid or out-of-range size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 4KiB to 1GiB, for example 64KiB, 1MiB or 100000 (bytes)")]
pub(crate) struct InvalidSize;

impl Size {
    /// The valid sizes. Reads smaller than a page are inefficient, and a mark of more than
    /// a gigabyte hardly limits memory use.
    const RANGE: RangeInclusive<usize> = 4 * 1024..=1024 * 1024 * 1024;

    /// Returns the size in bytes.
    pub(crate) fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    /// Parses a size with the units of the GNU tools: `K` and `KiB` are 1024 bytes, `KB`
    /// is 1000. Units are case-insensitive.
    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(InvalidSize),
        };
        let number: usize = number.parse().map_err(|_| InvalidSize)?;
        let bytes = number.checked_mul(factor).ok_or(InvalidSize)?;
        if Self::RANGE.contains(&bytes) {
            Ok(Size(bytes))
        } else {
            Err(InvalidSize)
        }
    }
}

/// Formats a number of bytes with three significant digits and a unit.
pub(crate) fn human_bytes(bytes: u64) -> HumanBytes {
    HumanBytes(bytes)
}

/// The return type of [`human_bytes`].
pub(crate) struct HumanBytes(u64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut size = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while size >= 1023.5 && unit + 1 < units.len() {
            size /= 1024.0;
            unit += 1;
        }
        let decimals = match size {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{size:.decimals$} {}", units[unit]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_with_units() {
        let bytes = |text: &str| text.parse().map(Size::bytes);
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("64 k"), Ok(65_536));
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes("1mb"), Ok(1_000_000));
        assert_eq!(bytes("1G"), Ok(1 << 30));
    }

    #[test]
    fn invalid_and_out_of_range_sizes_are_rejected() {
        for text in [
            "0",
            "4095",
            "1025MiB",
            "2GiB",
            "-1",
            "",
            "MiB",
            "1.5MiB",
            "1XB",
            "99999999999999999999",
            "18446744073709551615GiB",
        ] {
            assert_eq!(text.parse::<Size>(), Err(InvalidSize), "{text}");
        }
    }

    #[test]
    fn sizes_have_three_significant_digits() {
        let shown = |bytes| human_bytes(bytes).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(1023), "1023 B");
        assert_eq!(shown(1024), "1.00 KiB");
        assert_eq!(shown(1_048_575), "1.00 MiB");
        assert_eq!(shown(10 << 20), "10.0 MiB");
        assert_eq!(shown(u64::MAX), "16.0 EiB");
    }
}
