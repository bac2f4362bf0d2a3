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

/// The maximum number of kinds that are counted separately. Further kinds share one entry,
/// except for panics, which have a finite number of locations.
const MAX_KINDS: usize = 256;

/// The identity of a line, without parts that depend on clients or time.
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
    /// A panic, by its location.
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

    /// Returns the maximum number of lines of this kind per period. It is high for worker
    /// events, so that only a flood is sampled.
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
            LineKind::Text(text) => write!(f, "like=\"{text}\""),
            LineKind::Other => f.write_str("of several kinds"),
        }
    }
}

/// A sampler that admits the first lines of a kind in each period and counts the others.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    kinds: HashMap<LineKind, KindCounts>,
    left_out: u64,
}

#[derive(Debug)]
struct KindCounts {
    began: Instant,
    seen: Instant,
    written: u32,
    left_out: u64,
}

impl Sampler {
    /// Admits a line or leaves it out. For an admitted line, returns the number of lines of
    /// its kind left out since the last one.
    pub(super) fn admit(&mut self, kind: LineKind, now: Instant) -> Option<u64> {
        let is_known = self.kinds.contains_key(&kind);
        let has_room = self.kinds.len() < MAX_KINDS || matches!(kind, LineKind::Panic(_));
        let kind = if is_known || has_room {
            kind
        } else {
            LineKind::Other
        };
        let most = kind.max_per_period();
        let entry = self.kinds.entry(kind).or_insert(KindCounts {
            began: now,
            seen: now,
            written: 0,
            left_out: 0,
        });
        entry.seen = now;
        if now.saturating_duration_since(entry.began) >= PERIOD {
            entry.began = now;
            entry.written = 0;
        }
        if entry.written >= most {
            entry.left_out += 1;
            self.left_out += 1;
            return None;
        }
        entry.written += 1;
        Some(std::mem::take(&mut entry.left_out))
    }

    /// Removes the kinds without a line for a period, or all kinds. Returns the kinds with
    /// lines left out, and their numbers.
    pub(super) fn take_silent(&mut self, now: Instant, all: bool) -> Vec<(LineKind, u64)> {
        let silent = self
            .kinds
            .extract_if(|_, entry| all || now.saturating_duration_since(entry.seen) >= PERIOD);
        let silent = silent.map(|(kind, entry)| (kind, entry.left_out));
        silent.filter(|(_, left_out)| *left_out > 0).collect()
    }

    /// Returns the earliest time at which a kind may be silent for a period.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let seen = self.kinds.values().map(|entry| entry.seen);
        seen.min().map(|seen| seen + PERIOD)
    }

    /// Returns the number of lines left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_second_is_admitted() {
        let mut sampler = Sampler::default();
        let begin = Instant::now();
        let (mut written, mut left_out) = (0, 0);
        for step in 0..2_500 {
            let now = begin + Duration::from_millis(step);
            if let Some(before) = sampler.admit(LineKind::Panic("a.rs:1:1".to_owned()), now) {
                assert_eq!(step % 1_000, 0);
                written += 1;
                left_out += before;
            }
        }
        assert_eq!((written, left_out), (3, 1_998));
        let end = begin + Duration::from_millis(2_499);
        assert_eq!(sampler.take_silent(end, false), []);
        let silent = sampler.take_silent(end + PERIOD, false);
        assert_eq!(silent, [(LineKind::Panic("a.rs:1:1".to_owned()), 499)]);
        assert_eq!(sampler.next_due(), None);
        assert_eq!(sampler.left_out(), 2_497);
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
    fn kinds_are_bounded() {
        let mut sampler = Sampler::default();
        let now = Instant::now();
        for text in 0..10 * MAX_KINDS {
            sampler.admit(LineKind::Text(text.to_string()), now);
        }
        assert!(sampler.kinds.len() <= MAX_KINDS + 1);
        let left_out: u64 = sampler.take_silent(now, true).iter().map(|it| it.1).sum();
        assert_eq!(
            left_out,
            9 * MAX_KINDS as u64 - 1,
            "one of the further kinds is admitted"
        );
    }

    #[test]
    fn numbers_do_not_distinguish_kinds() {
        let kind = |line| LineKind::of_text(line);
        assert_eq!(kind("worker 1 (pid 17)"), kind("worker 23 (pid 4)"));
        assert_ne!(kind("worker 1 serves"), kind("worker 1 drains"));
    }
}
