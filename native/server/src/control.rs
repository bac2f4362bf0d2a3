//! The control protocol between the supervisor and a worker: one message per line,
//! starting with the message name.
//!
//! During a reload, the supervisor and the worker can be different builds. Therefore
//! unknown lines are ignored and the message names never change.

use crate::metrics::MAX_SNAPSHOT_BYTES;
use std::{fmt, time::Duration};

/// The interval between a worker's heartbeats.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// A worker counts as hung after this time without a heartbeat.
pub(crate) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for workers to report their metrics. For a worker that exceeds it, the
/// last report is used.
pub(crate) const SCRAPE_TIMEOUT: Duration = Duration::from_millis(500);

/// The maximum length of a line, which no message exceeds.
pub(crate) const MAX_LINE_BYTES: u64 = MAX_SNAPSHOT_BYTES as u64 + 64;

/// A message from a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkerMessage {
    /// The version of the worker's program.
    Version(String),
    /// The worker accepts connections.
    Ready,
    /// The worker exits before it is ready.
    Failed {
        /// True if another attempt may succeed, because a dependency is unavailable.
        is_transient: bool,
        /// The cause, on one line.
        cause: String,
    },
    /// The worker's event loop is running.
    Heartbeat,
    /// The worker had a bug and requests a replacement. It serves until [`Drain`].
    ///
    /// [`Drain`]: SupervisorMessage::Drain
    HadBug,
    /// The worker received a termination signal and requests a replacement.
    GotSignal,
    /// The service requests a replacement, with the reason on one line.
    Retire(String),
    /// The worker's metrics, on one line.
    Metrics(String),
    /// A request for the metrics of all workers.
    Scrape,
}

/// A message to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SupervisorMessage {
    /// Stop accepting connections, and exit once the open ones are closed.
    Drain,
    /// Exit after a short grace period for open requests.
    Stop,
    /// Report your metrics.
    Metrics,
    /// The metrics of all workers, in reply to [`WorkerMessage::Scrape`].
    Scraped(String),
    /// The numbers of the workers that fail to start. Replaces the previous list.
    Failing(String),
}

impl WorkerMessage {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        Some(match split_message(line) {
            ("version", version) => WorkerMessage::Version(version.to_owned()),
            ("ready", "") => WorkerMessage::Ready,
            ("failed", cause) => WorkerMessage::Failed {
                is_transient: false,
                cause: cause.to_owned(),
            },
            ("unavailable", cause) => WorkerMessage::Failed {
                is_transient: true,
                cause: cause.to_owned(),
            },
            ("beat", "") => WorkerMessage::Heartbeat,
            ("drains", "") => WorkerMessage::HadBug,
            ("leaves", "") => WorkerMessage::GotSignal,
            ("retire", reason) => WorkerMessage::Retire(reason.to_owned()),
            ("metrics", metrics) => WorkerMessage::Metrics(metrics.to_owned()),
            ("scrape", "") => WorkerMessage::Scrape,
            _ => return None,
        })
    }
}

impl SupervisorMessage {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        Some(match split_message(line) {
            ("drain", "") => SupervisorMessage::Drain,
            ("stop", "") => SupervisorMessage::Stop,
            ("metrics", "") => SupervisorMessage::Metrics,
            ("failing", workers) => SupervisorMessage::Failing(workers.to_owned()),
            ("scraped", metrics) => SupervisorMessage::Scraped(metrics.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for WorkerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerMessage::Version(version) => write!(f, "version {version}"),
            WorkerMessage::Ready => f.write_str("ready"),
            WorkerMessage::Failed {
                is_transient: false,
                cause,
            } => write!(f, "failed {cause}"),
            WorkerMessage::Failed {
                is_transient: true,
                cause,
            } => write!(f, "unavailable {cause}"),
            WorkerMessage::Heartbeat => f.write_str("beat"),
            WorkerMessage::HadBug => f.write_str("drains"),
            WorkerMessage::GotSignal => f.write_str("leaves"),
            WorkerMessage::Retire(reason) => write!(f, "retire {reason}"),
            WorkerMessage::Metrics(metrics) => write!(f, "metrics {metrics}"),
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
            SupervisorMessage::Scraped(metrics) => write!(f, "scraped {metrics}"),
            SupervisorMessage::Failing(workers) => write!(f, "failing {workers}"),
        }
    }
}

fn split_message(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_through_their_lines() {
        let metrics = || r#"{"a": 1}"#.to_owned();
        for message in [
            WorkerMessage::Version("1.2.3".to_owned()),
            WorkerMessage::Ready,
            WorkerMessage::Failed {
                is_transient: false,
                cause: "no such table".to_owned(),
            },
            WorkerMessage::Failed {
                is_transient: true,
                cause: "connection refused".to_owned(),
            },
            WorkerMessage::Heartbeat,
            WorkerMessage::HadBug,
            WorkerMessage::GotSignal,
            WorkerMessage::Retire("the cache is corrupt".to_owned()),
            WorkerMessage::Metrics(metrics()),
            WorkerMessage::Scrape,
        ] {
            assert_eq!(WorkerMessage::parse(&message.to_string()), Some(message));
        }
        for message in [
            SupervisorMessage::Drain,
            SupervisorMessage::Stop,
            SupervisorMessage::Metrics,
            SupervisorMessage::Scraped(metrics()),
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
    fn unknown_lines_are_rejected() {
        for line in ["", "Ready", "ready now", "stop", "beats"] {
            assert_eq!(WorkerMessage::parse(line), None, "{line}");
        }
        for line in ["", "ready", "stop now"] {
            assert_eq!(SupervisorMessage::parse(line), None, "{line}");
        }
    }
}
