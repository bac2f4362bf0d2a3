//! A mergeable duration histogram.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A duration histogram with a resolution of one microsecond or two significant digits,
/// whichever is coarser.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "EncodedDurations", into = "EncodedDurations")]
pub(crate) struct Durations {
    histogram: Histogram<u64>,
    sum: Duration,
}

/// The maximum recorded duration. Longer durations are capped at it.
const MAX_DURATION: Duration = Duration::from_hours(1);
const SIGNIFICANT_DIGITS: u8 = 2;

impl Durations {
    pub(crate) fn record(&mut self, duration: Duration) {
        self.sum += duration;
        self.histogram.saturating_record(as_micros(duration));
    }

    #[cfg(any(unix, test))]
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        // Adding fails only for values out of range, and both histograms have the same
        // range.
        let _ = self.histogram.add(&other.histogram);
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Returns the sum of all durations.
    pub(crate) fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the number of durations that are at most `duration`.
    pub(crate) fn count_within(&self, duration: Duration) -> u64 {
        self.histogram.count_between(0, as_micros(duration))
    }

    /// Returns the longest duration, or zero if there is none.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.histogram.max())
    }
}

impl Default for Durations {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(as_micros(MAX_DURATION), SIGNIFICANT_DIGITS);
        Durations {
            histogram: histogram.expect("the histogram bounds are valid"),
            sum: Duration::ZERO,
        }
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations")
            .field("count", &self.count())
            .field("sum", &self.sum)
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

fn as_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The serialized form, with the histogram in the compact HDR format.
#[derive(Deserialize, Serialize)]
struct EncodedDurations {
    sum_us: u64,
    histogram: String,
}

impl From<Durations> for EncodedDurations {
    fn from(durations: Durations) -> Self {
        let mut bytes = Vec::new();
        let result = V2Serializer::new().serialize(&durations.histogram, &mut bytes);
        result.expect("writing to a vector does not fail");
        EncodedDurations {
            sum_us: as_micros(durations.sum),
            histogram: STANDARD_NO_PAD.encode(bytes),
        }
    }
}

impl TryFrom<EncodedDurations> for Durations {
    type Error = &'static str;

    fn try_from(encoded: EncodedDurations) -> Result<Self, &'static str> {
        let bytes = STANDARD_NO_PAD.decode(encoded.histogram);
        let bytes = bytes.map_err(|_| "the histogram is not valid base64")?;
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut &bytes[..])
            .map_err(|_| "the histogram cannot be decoded")?;
        let mut durations = Durations::default();
        let result = durations.histogram.add(histogram);
        result.map_err(|_| "the histogram contains values out of range")?;
        durations.sum = Duration::from_micros(encoded.sum_us);
        Ok(durations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_capped_at_the_maximum() {
        let mut durations = Durations::default();
        durations.record(100 * MAX_DURATION);
        assert_eq!(durations.count(), 1);
        assert!(durations.max() >= MAX_DURATION);
    }

    #[test]
    fn invalid_histograms_are_rejected() {
        for histogram in ["?", "AAAA", ""] {
            let line = format!(r#"{{"sum_us":1,"histogram":"{histogram}"}}"#);
            assert!(serde_json::from_str::<Durations>(&line).is_err(), "{line}");
        }
    }
}
