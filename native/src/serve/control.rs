//! What a supervisor and a worker say to each other: a line each, a word first.
//!
//! Both may be of different builds during a reload. A line that one does not
//! understand is passed over.

use std::{fmt, time::Duration};

/// How often a worker gives a sign of life.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// How long its supervisor goes without one until it takes the worker to hang.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long workers have to tell their metrics. The others are told without those
/// of one that takes longer.
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_millis(500);

/// The longest line that is read. Longer ones are not of us.
pub(super) const MAX_LINE_BYTES: u64 = 1 << 20;

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorkerMessage {
    /// Which version of the program it runs.
    Version(String),
    /// It serves.
    Ready,
    /// Its loop goes round.
    Heartbeat,
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
pub(super) enum SupervisorMessage {
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

impl WorkerMessage {
    pub(super) fn parse(line: &str) -> Option<Self> {
        Some(match split(line) {
            ("version", version) => WorkerMessage::Version(version.to_owned()),
            ("ready", "") => WorkerMessage::Ready,
            ("beat", "") => WorkerMessage::Heartbeat,
            ("drains", "") => WorkerMessage::HadBug,
            ("leaves", "") => WorkerMessage::GotSignal,
            ("metrics", numbers) => WorkerMessage::Metrics(numbers.to_owned()),
            ("scrape", "") => WorkerMessage::Scrape,
            _ => return None,
        })
    }
}

impl SupervisorMessage {
    pub(super) fn parse(line: &str) -> Option<Self> {
        Some(match split(line) {
            ("drain", "") => SupervisorMessage::Drain,
            ("stop", "") => SupervisorMessage::Stop,
            ("metrics", "") => SupervisorMessage::Metrics,
            ("failing", workers) => SupervisorMessage::Failing(workers.to_owned()),
            ("scraped", numbers) => SupervisorMessage::Scraped(numbers.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for WorkerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerMessage::Version(version) => write!(f, "version {version}"),
            WorkerMessage::Ready => f.write_str("ready"),
            WorkerMessage::Heartbeat => f.write_str("beat"),
            WorkerMessage::HadBug => f.write_str("drains"),
            WorkerMessage::GotSignal => f.write_str("leaves"),
            WorkerMessage::Metrics(numbers) => write!(f, "metrics {numbers}"),
            WorkerMessage::Scrape => f.write_str("scrape"),
        }
    }
}

impl fmt::Display for SupervisorMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorMessage::Drain => f.write_str("drain"),
            SupervisorMessage::Stop => f.write_str("stop"),
            SupervisorMessage::Metrics => f.write_str("metrics"),
            SupervisorMessage::Scraped(numbers) => write!(f, "scraped {numbers}"),
            SupervisorMessage::Failing(workers) => write!(f, "failing {workers}"),
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
            WorkerMessage::Version("1.2.3".to_owned()),
            WorkerMessage::Ready,
            WorkerMessage::Heartbeat,
            WorkerMessage::HadBug,
            WorkerMessage::GotSignal,
            WorkerMessage::Metrics(numbers()),
            WorkerMessage::Scrape,
        ] {
            assert_eq!(WorkerMessage::parse(&word.to_string()), Some(word));
        }
        for order in [
            SupervisorMessage::Drain,
            SupervisorMessage::Stop,
            SupervisorMessage::Metrics,
            SupervisorMessage::Scraped(numbers()),
            SupervisorMessage::Failing(String::new()),
            SupervisorMessage::Failing("2, 3".to_owned()),
        ] {
            assert_eq!(SupervisorMessage::parse(&order.to_string()), Some(order));
        }
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for line in ["", "Ready", "ready now", "stop", "beats"] {
            assert_eq!(WorkerMessage::parse(line), None, "{line}");
        }
        for line in ["", "ready", "stop now"] {
            assert_eq!(SupervisorMessage::parse(line), None, "{line}");
        }
    }
}
