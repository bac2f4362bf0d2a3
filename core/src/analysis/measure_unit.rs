//! Units of whole numbers.

use serde::Serialize;

/// The unit of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MeasureUnit {
    /// A count.
    Count,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// Thousandths per second.
    MilliPerSecond,
    /// Millionths of a whole, shown in percent.
    PartsPerMillion,
    /// Thousandths of a plain number.
    Thousandths,
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

impl MeasureUnit {
    /// Formats a number with its unit, to three digits: `81.6 ms`, `1.50 MiB`, `12.0
    /// /s`.
    ///
    /// ```
    /// use highwater::analysis::MeasureUnit;
    ///
    /// assert_eq!(MeasureUnit::Nanoseconds.text(81_634_000), "81.6 ms");
    /// assert_eq!(MeasureUnit::Bytes.text(256 * 1024), "256 KiB");
    /// assert_eq!(MeasureUnit::MilliPerSecond.text(21_893), "21.9 /s");
    /// assert_eq!(MeasureUnit::Count.text(120), "120");
    /// assert_eq!(MeasureUnit::PartsPerMillion.text(12_500), "1.25 %");
    /// assert_eq!(MeasureUnit::Thousandths.text(833), "0.83");
    /// ```
    #[must_use]
    pub fn text(self, number: u64) -> String {
        let (size, name) = match self {
            MeasureUnit::Count => return number.to_string(),
            MeasureUnit::MilliPerSecond => (1_000, "/s"),
            MeasureUnit::PartsPerMillion => (10_000, "%"),
            MeasureUnit::Thousandths => return three_digits(number, 1_000),
            // Numbers that would round up to 1 of the next unit use that unit.
            MeasureUnit::Bytes if number < 1 << 10 => return format!("{number} B"),
            MeasureUnit::Bytes if number < (1 << 20) - (1 << 9) => (1 << 10, "KiB"),
            MeasureUnit::Bytes => (1 << 20, "MiB"),
            MeasureUnit::Nanoseconds if number < 999_500 => (MICRO, "µs"),
            MeasureUnit::Nanoseconds if number < 999_500 * MICRO => (MILLI, "ms"),
            MeasureUnit::Nanoseconds => (SECOND, "s"),
        };
        let digits = three_digits(number, size);
        format!("{digits} {name}")
    }
}

/// Formats in integer arithmetic: floating-point formatting would add much to the
/// download of the page.
fn three_digits(number: u64, size: u64) -> String {
    let parts = |per: u64| {
        let rounded = u128::from(number) * u128::from(per) + u128::from(size / 2);
        rounded / u128::from(size)
    };
    let (hundredths, tenths) = (parts(100), parts(10));
    if number == 0 {
        "0".to_owned()
    } else if hundredths < 1000 {
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    } else if tenths < 1000 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        parts(1).to_string()
    }
}
