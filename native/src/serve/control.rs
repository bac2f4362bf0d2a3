//! The control protocol between the supervisor and a worker: one message per line, its
//! name first.
//!
//! During a reload the two may be different builds. Therefore unknown lines are
//! ignored, and the names on the wire do not change.

use std::{fmt, time::Duration};

/// The interval of a worker's heartbeats.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// The time without a heartbeat after which a worker counts as hung.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time that workers have to report their metrics. A worker that takes longer
/// counts with its last report.
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_millis(500);

/// The maximum length of a line. No message is longer.
pub(super) const MAX_LINE_BYTES: u64 = 1 << 20;

/// A message from a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WorkerMessage {
    /// The version of the program that the worker runs.
    Version(String),
    /// The worker accepts connections.
    Ready,
    /// The worker's event loop is running.
    Heartbeat,
    /// The worker had a bug and requests a replacement. It serves until [`Drain`].
    ///
    /// [`Drain`]: SupervisorMessage::Drain
    HadBug,
    /// The worker received a termination signal and requests a replacement.
    GotSignal,
    /// The metrics of the worker, in one line.
    Metrics(String),
    /// A request for the metrics of all workers.
    Scrape,
}

/// A message to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SupervisorMessage {
    /// Accept no more connections, and exit once the open ones are finished.
    Drain,
    /// Exit after a short grace period for open requests.
    Stop,
    /// Report the metrics.
    Metrics,
    /// The metrics of all workers, in reply to [`WorkerMessage::Scrape`].
    Scraped(String),
    /// The numbers of the workers that fail to start. Replaces the previous list.
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
    fn messages_survive_the_round_trip() {
        let numbers = || r#"{"a": 1}"#.to_owned();
        for message in [
            WorkerMessage::Version("1.2.3".to_owned()),
            WorkerMessage::Ready,
            WorkerMessage::Heartbeat,
            WorkerMessage::HadBug,
            WorkerMessage::GotSignal,
            WorkerMessage::Metrics(numbers()),
            WorkerMessage::Scrape,
        ] {
            assert_eq!(WorkerMessage::parse(&message.to_string()), Some(message));
        }
        for message in [
            SupervisorMessage::Drain,
            SupervisorMessage::Stop,
            SupervisorMessage::Metrics,
            SupervisorMessage::Scraped(numbers()),
            SupervisorMessage::Failing(String::new()),
            SupervisorMessage::Failing("2, 3".to_owned()),
        ] {
            assert_eq!(
                SupervisorMessage::parse(&message.to_string()),
                Some(message)
            );
        }
    }

    #[test]
    fn unknown_lines_are_not_messages() {
        for line in ["", "Ready", "ready now", "stop", "beats"] {
            assert_eq!(WorkerMessage::parse(line), None, "{line}");
        }
        for line in ["", "ready", "stop now"] {
            assert_eq!(SupervisorMessage::parse(line), None, "{line}");
        }
    }
}
