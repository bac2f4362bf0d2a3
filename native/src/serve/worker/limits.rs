//! How much one worker takes on, and how long anything may last.

use super::{DRAIN_TIMEOUT, GRACE_PERIOD};
use std::time::Duration;

/// What a client may use up. Whoever goes beyond is cut off, and nobody else
/// notices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once. Further ones wait in the socket's queue.
    pub(crate) connections: usize,
    /// From the first byte of a request to the end of its head.
    pub(crate) head: Duration,
    /// From there to the end of its body.
    pub(crate) body: Duration,
    /// From the end of the head to the beginning of the answer. How long that goes
    /// on is not limited: the trace of a run is told for as long as the run lasts.
    pub(crate) answer: Duration,
    /// How long a connection may lie open without a request.
    pub(crate) idle: Duration,
    /// The same while there are more clients than connections.
    pub(crate) idle_when_full: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(crate) stall: Duration,
    /// How long a draining worker answers on connections that are open, with
    /// `Connection: close`, before it closes those that ask nothing. A client that
    /// lets more time than this pass between two requests may lose one.
    pub(crate) linger: Duration,
    /// How long requests have that are under way when it drains.
    pub(crate) drain: Duration,
    /// How long clients have to take what they were promised when it ends.
    pub(crate) grace: Duration,
}

/// More would be a sign that something else is wrong.
const MOST_CONNECTIONS: usize = 10_000;

impl Limits {
    /// As many connections as this process may have files open, without those that
    /// it needs for itself.
    ///
    /// The system's soft limit is raised as far as that takes: it is low by
    /// tradition, for programs that keep files in a bit set.
    pub(crate) fn of_this_process() -> Self {
        let most = MOST_CONNECTIONS + reserve(usize::MAX);
        let files = raise_open_files(most);
        Limits {
            connections: connections(files),
            ..Limits::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: MOST_CONNECTIONS,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            idle_when_full: Duration::from_secs(1),
            stall: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            drain: DRAIN_TIMEOUT,
            grace: GRACE_PERIOD,
        }
    }
}

/// What is left for connections of so many files.
fn connections(files: usize) -> usize {
    let left = files.saturating_sub(reserve(files));
    left.clamp(1, MOST_CONNECTIONS)
}

/// For the page's files, the pipes of processes that runs start, and what the
/// runtime needs.
fn reserve(files: usize) -> usize {
    (files / 8).clamp(32, 256)
}

/// How many files may be open, after it was tried to make it as many.
#[cfg(unix)]
pub(crate) fn raise_open_files(most: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let wanted = hard.min(most as u64);
    let is_raised = soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    let files = if is_raised { wanted } else { soft };
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Where nothing is known of it.
#[cfg(not(unix))]
pub(crate) fn raise_open_files(_most: usize) -> usize {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_left_for_what_is_no_connection() {
        assert_eq!(connections(64), 32);
        assert_eq!(connections(1024), 896);
        assert_eq!(connections(usize::MAX), MOST_CONNECTIONS);
    }

    #[test]
    fn there_is_always_one_connection() {
        assert_eq!(connections(0), 1);
    }
}
