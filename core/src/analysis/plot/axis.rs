//! Axes, their units and marks.

use crate::analysis::MeasureUnit;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// An axis from 0, with marks at steps of 1, 2 or 5 times a power of ten. Values are
/// whole numbers in the unit of the metric.
#[derive(Clone)]
pub(super) struct Axis {
    /// The name of its unit; empty for counts.
    pub(super) name: &'static str,
    /// The size of its unit, in the unit of the values.
    size: u64,
    step: TickStep,
    /// The end of the axis.
    end: u64,
}

/// The distance between marks, in the unit of the axis.
#[derive(Clone, Copy)]
struct TickStep {
    /// 1, 2 or 5.
    digit: u64,
    /// The number of zeros after the digit, or of decimals.
    zeros: u32,
    decimals: u32,
}

impl Axis {
    /// Creates an axis for values up to `greatest`, with about `marks` marks.
    pub(super) fn new(unit: MeasureUnit, greatest: u64, marks: u64) -> Self {
        let (size, name) = match unit {
            MeasureUnit::Count => (1, ""),
            MeasureUnit::MilliPerSecond => (1_000, "/s"),
            MeasureUnit::PartsPerMillion => (10_000, "%"),
            MeasureUnit::Thousandths => (1_000, ""),
            MeasureUnit::Bytes if greatest < 2 << 10 => (1, "B"),
            MeasureUnit::Bytes if greatest < 2 << 20 => (1 << 10, "KiB"),
            MeasureUnit::Bytes => (1 << 20, "MiB"),
            MeasureUnit::Nanoseconds if greatest < 2_000_000 => (1_000, "µs"),
            MeasureUnit::Nanoseconds if greatest < 2_000_000_000 => (1_000_000, "ms"),
            MeasureUnit::Nanoseconds => (1_000_000_000, "s"),
        };
        let end = greatest.max(1);
        let step = TickStep::at_least(end.div_ceil(marks), size);
        Axis {
            name,
            size,
            step,
            end,
        }
    }

    /// Extends the axis to its next mark.
    pub(super) fn extended_to_mark(self) -> Self {
        let length = self.step.length(self.size);
        let end = self.end.div_ceil(length) * length;
        Axis { end, ..self }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = u64;

    fn map(&self, value: &u64, (first, last): (i32, i32)) -> i32 {
        let along = i128::from(last - first) * i128::from(*value) / i128::from(self.end);
        first + i32::try_from(along).unwrap_or(0)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<u64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        let length = self.step.length(self.size);
        let marks = (0..).map(|mark| mark * length);
        marks.take_while(|mark| *mark <= self.end).collect()
    }

    fn range(&self) -> Range<u64> {
        0..self.end
    }
}

impl ValueFormatter<u64> for Axis {
    fn format_ext(&self, value: &u64) -> String {
        let length = self.step.length(self.size);
        self.step.times((value + length / 2) / length)
    }
}

impl TickStep {
    /// Returns the smallest step of at least this length, for a unit of this size.
    fn at_least(length: u64, size: u64) -> Self {
        let mut step = TickStep {
            digit: 1,
            zeros: 0,
            decimals: match size {
                1 => 0,
                1_000 | 1_000_000 | 1_000_000_000 => 3,
                // Of 1024, a half is the smallest step that is whole.
                _ => 1,
            },
        };
        while step.length(size) < length {
            step = match (step.digit, step.decimals) {
                (1, _) => TickStep { digit: 2, ..step },
                (2, _) => TickStep { digit: 5, ..step },
                (_, 0) => TickStep {
                    digit: 1,
                    zeros: step.zeros + 1,
                    ..step
                },
                (_, decimals) => TickStep {
                    digit: 1,
                    decimals: decimals - 1,
                    ..step
                },
            };
        }
        step
    }

    fn length(self, size: u64) -> u64 {
        let whole = size.saturating_mul(self.digit * 10_u64.pow(self.zeros.min(18)));
        (whole / 10_u64.pow(self.decimals)).max(1)
    }

    fn times(self, count: u64) -> String {
        let whole = count.saturating_mul(self.digit * 10_u64.pow(self.zeros.min(18)));
        let parts = 10_u64.pow(self.decimals);
        match self.decimals as usize {
            0 => whole.to_string(),
            _ if whole == 0 => "0".to_owned(),
            width => format!("{}.{:0width$}", whole / parts, whole % parts),
        }
    }
}
