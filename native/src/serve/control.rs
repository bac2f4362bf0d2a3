//! What a supervisor and a worker say to each other: a line each, a word first.
//!
//! Both may be of different builds during a reload. A line that one does not
//! understand is passed over.

use std::{fmt, time::Duration};

/// How often a worker gives a sign of life.
pub(super) const BEAT_EVERY: Duration = Duration::from_millis(500);

/// How long its supervisor goes without one until it takes the worker to hang.
pub(super) const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// How long workers have to tell their metrics. The others are told without those
/// of one that takes longer.
pub(super) const SCRAPE_WITHIN: Duration = Duration::from_millis(500);

/// The longest line that is read. Longer ones are not of us.
pub(super) const LONGEST_LINE_BYTES: u64 = 1 << 20;

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Which version of the program it runs.
    Version(String),
    /// It serves.
    Ready,
    /// Its loop goes round.
    Beat,
    /// It had a bug and asks to be replaced. It serves until it is told to drain.
    HadBug,
    /// It asks for the same because it got a signal to end, and not from its
    /// supervisor.
    GotSignal,
    /// What it has counted, in one line.
    Metrics(String),
    /// It wants to know what all have counted.
    Scrape,
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// To take no more connections, and to end when it has answered those that it
    /// has.
    Drain,
    /// To end soon: who has been promised something may have it if that is quick.
    Stop,
    /// To say what it has counted.
    Metrics,
    /// What all have counted, as it wanted to know.
    Scraped(String),
    /// The numbers of the workers that fail to start, in place of those it was told
    /// before.
    Failing(String),
}

impl Word {
    pub(super) fn parse(line: &str) -> Option<Self> {
        Some(match split(line) {
            ("version", version) => Word::Version(version.to_owned()),
            ("ready", "") => Word::Ready,
            ("beat", "") => Word::Beat,
            ("drains", "") => Word::HadBug,
            ("leaves", "") => Word::GotSignal,
            ("metrics", numbers) => Word::Metrics(numbers.to_owned()),
            ("scrape", "") => Word::Scrape,
            _ => return None,
        })
    }
}

impl Order {
    pub(super) fn parse(line: &str) -> Option<Self> {
        Some(match split(line) {
            ("drain", "") => Order::Drain,
            ("stop", "") => Order::Stop,
            ("metrics", "") => Order::Metrics,
            ("failing", workers) => Order::Failing(workers.to_owned()),
            ("scraped", numbers) => Order::Scraped(numbers.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Version(version) => write!(f, "version {version}"),
            Word::Ready => f.write_str("ready"),
            Word::Beat => f.write_str("beat"),
            Word::HadBug => f.write_str("drains"),
            Word::GotSignal => f.write_str("leaves"),
            Word::Metrics(numbers) => write!(f, "metrics {numbers}"),
            Word::Scrape => f.write_str("scrape"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Drain => f.write_str("drain"),
            Order::Stop => f.write_str("stop"),
            Order::Metrics => f.write_str("metrics"),
            Order::Scraped(numbers) => write!(f, "scraped {numbers}"),
            Order::Failing(workers) => write!(f, "failing {workers}"),
        }
    }
}

fn split(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let numbers = || r#"{"a": 1}"#.to_owned();
        for word in [
            Word::Version("1.2.3".to_owned()),
            Word::Ready,
            Word::Beat,
            Word::HadBug,
            Word::GotSignal,
            Word::Metrics(numbers()),
            Word::Scrape,
        ] {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        for order in [
            Order::Drain,
            Order::Stop,
            Order::Metrics,
            Order::Scraped(numbers()),
            Order::Failing(String::new()),
            Order::Failing("2, 3".to_owned()),
        ] {
            assert_eq!(Order::parse(&order.to_string()), Some(order));
        }
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for line in ["", "Ready", "ready now", "stop", "beats"] {
            assert_eq!(Word::parse(line), None, "{line}");
        }
        for line in ["", "ready", "stop now"] {
            assert_eq!(Order::parse(line), None, "{line}");
        }
    }
}
