//! Per-worker limits.

use std::time::Duration;

/// Limits on the resources that a client can use. A connection that exceeds a limit is
/// closed; others are not affected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of open connections. Further ones wait in the accept queue.
    pub(crate) connections: usize,
    /// The maximum time from the first byte of a request to the end of its head.
    pub(crate) head: Duration,
    /// The maximum time from the end of the head to the end of the body.
    pub(crate) body: Duration,
    /// The maximum time from the end of the head to the start of the response. The
    /// duration of a response is not limited: a trace is streamed for as long as its run
    /// lasts.
    pub(crate) response: Duration,
    /// The maximum time that a connection stays open without a request.
    pub(crate) idle: Duration,
    /// The idle limit while clients are waiting for a connection.
    pub(crate) idle_when_full: Duration,
    /// The maximum time that a write stays blocked because the client does not read.
    pub(crate) stall: Duration,
    /// The time for which a draining worker still serves open connections, with
    /// `Connection: close`, before it closes idle ones. A client that pauses for longer
    /// between two requests may lose the second one.
    pub(crate) linger: Duration,
    /// The time limit for requests in flight when the worker drains.
    pub(crate) drain: Duration,
    /// The time limit for clients to read their responses when the worker stops.
    pub(crate) grace: Duration,
}

/// The time limit for clients to read their responses when a worker stops.
pub(in crate::serve) const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// The time limit for requests in flight when a worker is replaced. The replacement
/// serves new requests in the meantime.
pub(in crate::serve) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of bytes buffered for a request head, or for a response that the
/// client does not read.
pub(super) const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// The maximum number of connections, even if the system allows more.
const MAX_CONNECTIONS: usize = 10_000;

impl Limits {
    /// Returns the limits for this process: one connection for each file that it can
    /// open, minus a reserve.
    ///
    /// This raises the soft limit on open files, which is low by default for
    /// compatibility with programs that use `select`.
    pub(crate) fn for_this_process() -> Self {
        let max_files = MAX_CONNECTIONS + reserved_files(usize::MAX);
        let files = raise_open_files(max_files);
        Limits {
            connections: connections_for(files),
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

/// Returns the number of connections that are possible with a limit of `files` open
/// files.
fn connections_for(files: usize) -> usize {
    let available = files.saturating_sub(reserved_files(files));
    available.clamp(1, MAX_CONNECTIONS)
}

/// Returns the number of files reserved for the page's files, the pipes to child
/// processes, and the runtime.
fn reserved_files(files: usize) -> usize {
    (files / 8).clamp(32, 256)
}

/// Raises the soft limit on open files to at most `max_files`, and returns the resulting
/// limit. A higher limit is not changed.
#[cfg(unix)]
pub(crate) fn raise_open_files(max_files: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let wanted = hard.min(max_files as u64);
    let is_raised = soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    let files = if is_raised { wanted } else { soft };
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Returns a number of open files that every system supports.
#[cfg(not(unix))]
pub(crate) fn raise_open_files(_max_files: usize) -> usize {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reserved_for_other_uses() {
        assert_eq!(connections_for(64), 32);
        assert_eq!(connections_for(1024), 896);
        assert_eq!(connections_for(usize::MAX), MAX_CONNECTIONS);
    }

    #[test]
    fn at_least_one_connection_is_allowed() {
        assert_eq!(connections_for(0), 1);
    }
}
