//! Sampling of repeated lines.

use log::Level;
use std::{
    collections::HashMap,
    fmt,
    panic::Location,
    time::{Duration, Instant},
};

/// The sampling period.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The maximum number of kinds that are counted separately. Further kinds share one
/// entry, except for panics, whose number of locations is finite.
const MAX_KINDS: usize = 256;

/// The kind of a line: its content without client-dependent or time-dependent parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineKind {
    /// A failed request.
    Request {
        level: Level,
        code: &'static str,
        status: u16,
        at: &'static Location<'static>,
        panicked_at: Option<String>,
    },
    /// A panic, identified by its location.
    Panic(String),
    /// Any other line, with its numbers replaced.
    Text(String),
    /// Lines of kinds beyond [`MAX_KINDS`].
    Other,
}

impl LineKind {
    /// Returns the kind of a line: its text with every number replaced.
    pub(super) fn of_text(line: &str) -> Self {
        let mut text = String::with_capacity(line.len());
        for char in line.chars() {
            match char {
                '0'..='9' if text.ends_with('#') => {}
                '0'..='9' => text.push('#'),
                char => text.push(char),
            }
        }
        LineKind::Text(text)
    }

    /// Returns the maximum number of lines of this kind per period. The limit for worker
    /// events is high, so that only floods are sampled.
    fn max_per_period(&self) -> u32 {
        match self {
            LineKind::Text(_) => 100,
            LineKind::Request { .. } | LineKind::Panic(_) | LineKind::Other => 1,
        }
    }
}

impl fmt::Display for LineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineKind::Request {
                code,
                status,
                at,
                panicked_at,
                ..
            } => {
                write!(f, "code={code} status={status} at=\"{at}\"")?;
                match panicked_at {
                    Some(place) => write!(f, " panicked_at={place}"),
                    None => Ok(()),
                }
            }
            LineKind::Panic(place) => write!(f, "panicked_at={place}"),
            LineKind::Text(text) => write!(f, "pattern=\"{text}\""),
            LineKind::Other => f.write_str("of several kinds"),
        }
    }
}

/// A sampler that admits the first lines of a kind in each period and counts the others.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    kinds: HashMap<LineKind, KindCounts>,
    suppressed: u64,
}

#[derive(Debug)]
struct KindCounts {
    period_start: Instant,
    last_seen: Instant,
    admitted_count: u32,
    suppressed: u64,
}

impl Sampler {
    /// Admits or suppresses a line. For an admitted line, returns the number of lines of
    /// its kind suppressed since the previous one.
    pub(super) fn admit(&mut self, kind: LineKind, now: Instant) -> Option<u64> {
        let is_known = self.kinds.contains_key(&kind);
        let has_room = self.kinds.len() < MAX_KINDS || matches!(kind, LineKind::Panic(_));
        let kind = if is_known || has_room {
            kind
        } else {
            LineKind::Other
        };
        let limit = kind.max_per_period();
        let entry = self.kinds.entry(kind).or_insert(KindCounts {
            period_start: now,
            last_seen: now,
            admitted_count: 0,
            suppressed: 0,
        });
        entry.last_seen = now;
        if now.saturating_duration_since(entry.period_start) >= PERIOD {
            entry.period_start = now;
            entry.admitted_count = 0;
        }
        if entry.admitted_count >= limit {
            entry.suppressed += 1;
            self.suppressed += 1;
            return None;
        }
        entry.admitted_count += 1;
        Some(std::mem::take(&mut entry.suppressed))
    }

    /// Removes the kinds that had no line for a period, or all kinds. Returns the removed
    /// kinds with suppressed lines, and their counts.
    pub(super) fn take_inactive(&mut self, now: Instant, all: bool) -> Vec<(LineKind, u64)> {
        let inactive = self
            .kinds
            .extract_if(|_, entry| all || now.saturating_duration_since(entry.last_seen) >= PERIOD);
        let inactive = inactive.map(|(kind, entry)| (kind, entry.suppressed));
        inactive.filter(|(_, suppressed)| *suppressed > 0).collect()
    }

    /// Returns the earliest time at which a kind can become inactive.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let last_seen = self.kinds.values().map(|entry| entry.last_seen);
        last_seen.min().map(|last_seen| last_seen + PERIOD)
    }

    /// Returns the number of lines suppressed so far.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_second_is_admitted() {
        let mut sampler = Sampler::default();
        let start = Instant::now();
        let (mut admitted_count, mut suppressed) = (0, 0);
        for step in 0..2_500 {
            let now = start + Duration::from_millis(step);
            if let Some(suppressed_before) =
                sampler.admit(LineKind::Panic("a.rs:1:1".to_owned()), now)
            {
                assert_eq!(step % 1_000, 0);
                admitted_count += 1;
                suppressed += suppressed_before;
            }
        }
        assert_eq!((admitted_count, suppressed), (3, 1_998));
        let end = start + Duration::from_millis(2_499);
        assert_eq!(sampler.take_inactive(end, false), []);
        let inactive = sampler.take_inactive(end + PERIOD, false);
        assert_eq!(inactive, [(LineKind::Panic("a.rs:1:1".to_owned()), 499)]);
        assert_eq!(sampler.next_due(), None);
        assert_eq!(sampler.suppressed(), 2_497);
    }

    #[test]
    fn first_panic_of_each_location_is_admitted() {
        let mut sampler = Sampler::default();
        let now = Instant::now();
        for place in 0..2 * MAX_KINDS {
            let kind = LineKind::Panic(format!("a.rs:{place}:1"));
            assert_eq!(sampler.admit(kind.clone(), now), Some(0));
            assert_eq!(sampler.admit(kind, now), None);
        }
    }

    #[test]
    fn number_of_kinds_is_bounded() {
        let mut sampler = Sampler::default();
        let now = Instant::now();
        for text in 0..10 * MAX_KINDS {
            sampler.admit(LineKind::Text(text.to_string()), now);
        }
        assert!(sampler.kinds.len() <= MAX_KINDS + 1);
        let suppressed: u64 = sampler.take_inactive(now, true).iter().map(|it| it.1).sum();
        assert_eq!(
            suppressed,
            9 * MAX_KINDS as u64 - 1,
            "one line beyond MAX_KINDS is admitted"
        );
    }

    #[test]
    fn lines_differing_only_in_numbers_share_a_kind() {
        let kind = |line| LineKind::of_text(line);
        assert_eq!(kind("worker 1 (pid 17)"), kind("worker 23 (pid 4)"));
        assert_ne!(kind("worker 1 serves"), kind("worker 1 drains"));
    }
}
