//! How long things took, all of them.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A histogram of durations, to the microsecond or a hundredth, whichever is
/// more.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "EncodedDurations", into = "EncodedDurations")]
pub(in crate::serve) struct Durations {
    histogram: Histogram<u64>,
    sum: Duration,
}

/// What is longer counts as this.
const LONGEST: Duration = Duration::from_hours(1);
const DIGITS: u8 = 2;

impl Durations {
    pub(in crate::serve) fn record(&mut self, duration: Duration) {
        self.sum += duration;
        self.histogram.saturating_record(micros(duration));
    }

    pub(in crate::serve) fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        // It fails only if the other has values that this cannot hold.
        let _ = self.histogram.add(&other.histogram);
    }

    pub(in crate::serve) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// All of them, one after the other.
    pub(in crate::serve) fn sum(&self) -> Duration {
        self.sum
    }

    /// How many took as long as that, or less.
    pub(in crate::serve) fn count_within(&self, duration: Duration) -> u64 {
        self.histogram.count_between(0, micros(duration))
    }

    /// The longest. Zero if there are none.
    pub(in crate::serve) fn max(&self) -> Duration {
        Duration::from_micros(self.histogram.max())
    }
}

impl Default for Durations {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(micros(LONGEST), DIGITS);
        Durations {
            histogram: histogram.expect("the bounds are in order"),
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

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// As it goes over the line: the histogram in its own format, which is short.
#[derive(Deserialize, Serialize)]
struct EncodedDurations {
    sum_us: u64,
    histogram: String,
}

impl From<Durations> for EncodedDurations {
    fn from(durations: Durations) -> Self {
        let mut bytes = Vec::new();
        let written = V2Serializer::new().serialize(&durations.histogram, &mut bytes);
        written.expect("a vector takes everything");
        EncodedDurations {
            sum_us: micros(durations.sum),
            histogram: STANDARD_NO_PAD.encode(bytes),
        }
    }
}

impl TryFrom<EncodedDurations> for Durations {
    type Error = &'static str;

    fn try_from(line: EncodedDurations) -> Result<Self, &'static str> {
        let bytes = STANDARD_NO_PAD.decode(line.histogram);
        let bytes = bytes.map_err(|_| "the histogram is not in base64")?;
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut &bytes[..])
            .map_err(|_| "the histogram cannot be read")?;
        let mut durations = Durations::default();
        let added = durations.histogram.add(histogram);
        added.map_err(|_| "the histogram has other bounds")?;
        durations.sum = Duration::from_micros(line.sum_us);
        Ok(durations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_than_the_longest_is_the_longest() {
        let mut durations = Durations::default();
        durations.record(100 * LONGEST);
        assert_eq!(durations.count(), 1);
        assert!(durations.max() >= LONGEST);
    }

    #[test]
    fn a_histogram_that_is_none_is_an_error() {
        for histogram in ["?", "AAAA", ""] {
            let line = format!(r#"{{"sum_us":1,"histogram":"{histogram}"}}"#);
            assert!(serde_json::from_str::<Durations>(&line).is_err(), "{line}");
        }
    }
}
