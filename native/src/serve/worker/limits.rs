//! The limits of one worker.

use super::{DRAIN_TIMEOUT, GRACE_PERIOD};
use std::time::Duration;

/// The resources that a client may use. A connection that exceeds a limit is closed;
/// others are not affected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of open connections. Further ones wait in the accept queue.
    pub(crate) connections: usize,
    /// The time from the first byte of a request to the end of its head.
    pub(crate) head: Duration,
    /// The time from the end of the head to the end of the body.
    pub(crate) body: Duration,
    /// The time from the end of the head to the start of the response. The length of a
    /// response is not limited: a trace is streamed for as long as its run lasts.
    pub(crate) response: Duration,
    /// The time that a connection may stay open without a request.
    pub(crate) idle: Duration,
    /// The same while clients wait for a connection.
    pub(crate) idle_when_full: Duration,
    /// The time that a client may go without reading while a write is blocked.
    pub(crate) stall: Duration,
    /// The time that a draining worker still serves open connections, with `Connection:
    /// close`, before it closes idle ones. A client that pauses for longer between two
    /// requests may lose the second one.
    pub(crate) linger: Duration,
    /// The time that requests in flight have to finish when the worker drains.
    pub(crate) drain: Duration,
    /// The time that clients have to read their responses when the worker stops.
    pub(crate) grace: Duration,
}

/// The maximum number of connections, whatever the system allows.
const MAX_CONNECTIONS: usize = 10_000;

impl Limits {
    /// Returns the limits for this process: one connection for each file that it may
    /// open, minus a reserve.
    ///
    /// This raises the soft limit on open files, which is low by default for the sake of
    /// programs that use `select`.
    pub(crate) fn for_this_process() -> Self {
        let most = MAX_CONNECTIONS + reserve(usize::MAX);
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
            connections: MAX_CONNECTIONS,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            response: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            idle_when_full: Duration::from_secs(1),
            stall: Duration::from_secs(30),
            linger: Duration::from_secs(1),
            drain: DRAIN_TIMEOUT,
            grace: GRACE_PERIOD,
        }
    }
}

/// Returns the number of connections that a number of files allows.
fn connections(files: usize) -> usize {
    let left = files.saturating_sub(reserve(files));
    left.clamp(1, MAX_CONNECTIONS)
}

/// Returns the number of files reserved for the page's files, the pipes of the processes
/// that runs start, and the runtime.
fn reserve(files: usize) -> usize {
    (files / 8).clamp(32, 256)
}

/// Raises the soft limit on open files to at most `most`, and returns the resulting
/// limit. A higher limit stays as it is.
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

/// Returns a number of files that every system allows.
#[cfg(not(unix))]
pub(crate) fn raise_open_files(_most: usize) -> usize {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reserved_for_other_uses() {
        assert_eq!(connections(64), 32);
        assert_eq!(connections(1024), 896);
        assert_eq!(connections(usize::MAX), MAX_CONNECTIONS);
    }

    #[test]
    fn at_least_one_connection_is_allowed() {
        assert_eq!(connections(0), 1);
    }
}
