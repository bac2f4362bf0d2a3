//! Limits on the resources that clients can use.

use std::time::Duration;

/// Limits on the resources that a client can use, for each process. A connection that
/// exceeds a limit is closed; others are not affected.
///
/// ```
/// use highwater_server::Limits;
/// use std::time::Duration;
///
/// let limits = Limits::new().body(Duration::from_secs(60)).connections(500);
/// assert!(format!("{limits:?}").contains("connections: 500"));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "limits have no effect unless they are passed to a server"]
pub struct Limits {
    pub(crate) connections: usize,
    pub(crate) connections_per_client: Option<usize>,
    #[cfg(feature = "http2")]
    pub(crate) concurrent_streams: u32,
    pub(crate) head_bytes: usize,
    pub(crate) head: Duration,
    pub(crate) body: Duration,
    pub(crate) response: Duration,
    pub(crate) idle: Duration,
    pub(crate) idle_when_full: Duration,
    pub(crate) stall: Duration,
    pub(crate) queueing_delay: Duration,
    pub(crate) linger: Duration,
    pub(crate) drain: Duration,
    pub(crate) grace: Duration,
}

/// The maximum number of bytes buffered for a response that the client does not read.
pub(crate) const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// The range of [`Limits::head_bytes`]. hyper's buffer has at least 8 KiB.
const HEAD_BYTES: std::ops::RangeInclusive<usize> = 8 * 1024..=16 * 1024 * 1024;

/// The maximum number of connections, even if the system allows more.
const MAX_CONNECTIONS: usize = 10_000;

/// The maximum time limit, which is practically none and cannot overflow a clock.
pub(crate) const MAX_DURATION: Duration = Duration::from_hours(365 * 24);

impl Limits {
    /// Creates the default limits, which suit a public server.
    pub fn new() -> Self {
        Limits {
            connections: MAX_CONNECTIONS,
            connections_per_client: None,
            #[cfg(feature = "http2")]
            concurrent_streams: 100,
            head_bytes: 64 * 1024,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            response: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            idle_when_full: Duration::from_secs(1),
            stall: Duration::from_secs(30),
            queueing_delay: Duration::from_millis(50),
            linger: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            grace: Duration::from_secs(2),
        }
    }

    /// Sets the maximum number of open connections, at least 1. Further ones wait in the
    /// accept queue. The default is 10,000. If the limit on open files allows fewer, that
    /// applies.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets the maximum number of connections of one client, at least 1. There is no limit
    /// by default, because all clients behind a proxy that is not
    /// [trusted](crate::TrustedProxies), or behind the NAT of a provider, have the same
    /// address.
    ///
    /// A client is an IPv4 address or the first 64 bits of an IPv6 address: that of the
    /// peer, or the one that the PROXY protocol names. A further connection gets the
    /// response 429 with `Retry-After`, and is closed. With TLS, or if the client has twice
    /// as many, it is closed without a response. Trusted proxies that name the client in a
    /// header share their connections among clients. There, the open requests of a client
    /// are limited instead, and a further one gets the response 429: unlike with 503,
    /// proxies do not consider the server as failed. Clients on Unix sockets are not
    /// limited, nor are the health checks of proxies.
    pub fn connections_per_client(mut self, connections: usize) -> Self {
        self.connections_per_client = Some(connections.max(1));
        self
    }

    /// Sets the maximum number of requests that a client can have open at the same time on
    /// one HTTP/2 connection, at least 1. Clients receive the limit when they connect, and
    /// wait; a stream beyond it is reset (`REFUSED_STREAM`), which is safe to retry. The
    /// default is 100, the minimum that [RFC 9113, section 6.5.2] recommends.
    ///
    /// [RFC 9113, section 6.5.2]: https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2
    #[cfg(feature = "http2")]
    pub fn concurrent_streams(mut self, streams: u32) -> Self {
        self.concurrent_streams = streams.max(1);
        self
    }

    /// Sets the maximum size of a request head: the request line and the headers, in HTTP/2
    /// uncompressed. A larger one gets the response 431, or 414 if the request line is too
    /// long. The range is 8 KiB to 16 MiB, and the default is 64 KiB: twice what nginx
    /// accepts (4 buffers of 8 KiB).
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes.clamp(*HEAD_BYTES.start(), *HEAD_BYTES.end());
        self
    }

    /// Sets the maximum time from the first byte of a request to the end of its head. It is
    /// also the time from the start of a connection to the end of its PROXY header and TLS
    /// handshake. The default is 10 seconds. An HTTP/2 connection without open requests is
    /// [idle](Self::idle), whatever it sends.
    pub fn head(mut self, limit: Duration) -> Self {
        self.head = limit.min(MAX_DURATION);
        self
    }

    /// Sets the maximum time from the end of the head to the end of the body, for a service
    /// that waits for the body before it responds. A service that responds earlier must
    /// limit the time itself. The default is 10 seconds.
    pub fn body(mut self, limit: Duration) -> Self {
        self.body = limit.min(MAX_DURATION);
        self
    }

    /// Sets the maximum time from the end of the head to the start of the response. The
    /// duration of a response is not limited. The default is 30 seconds.
    pub fn response(mut self, limit: Duration) -> Self {
        self.response = limit.min(MAX_DURATION);
        self
    }

    /// Sets the maximum time that a connection stays open without a request. The default
    /// is one minute. An HTTP/2 client is notified first (GOAWAY), so that no request is
    /// lost.
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit.min(MAX_DURATION);
        self
    }

    /// Sets the idle limit while clients are waiting for a connection. The default is one
    /// second.
    pub fn idle_when_full(mut self, limit: Duration) -> Self {
        self.idle_when_full = limit.min(MAX_DURATION);
        self
    }

    /// Sets the maximum time that a write stays blocked because the client does not read.
    /// The default is 30 seconds. An HTTP/2 connection is blocked if all of its unfinished
    /// responses are, and also if the client does not answer pings, which are sent at the
    /// same interval.
    pub fn stall(mut self, limit: Duration) -> Self {
        self.stall = limit.min(MAX_DURATION);
        self
    }

    /// Sets the time that requests may wait in a queue during an overload. The default is
    /// 50 milliseconds. [`Duration::MAX`] disables overload control.
    ///
    /// Beyond its capacity, a process rejects requests with 503 and `Retry-After`, before
    /// they reach the service, and counts them in `highwater_http_requests_shed_total`. It
    /// does so only for a queue that *stands*: the delay is longer than this for half a
    /// second, and does not shrink. The backlog of a pause or of a slow request is served.
    /// Two queues are measured:
    ///
    /// - The queue of the event loop, if the service keeps the process busy. Requests that
    ///   have waited for longer than this are rejected.
    /// - A queue in the service, for example for a connection pool: all responses take
    ///   much longer than before. The number of requests in service is then limited, so
    ///   that responses take at most twice as long as without a queue, plus this time.
    ///   Responses that take longer than a second are not measured, such as long polling.
    ///
    /// The rules are those of `CoDel` (RFC 8289) for the first queue, and of Little's law for
    /// the second.
    pub fn queueing_delay(mut self, target: Duration) -> Self {
        self.queueing_delay = target.min(MAX_DURATION);
        self
    }

    /// Sets the time for which a draining process still serves open connections, with
    /// `Connection: close`, before it closes idle ones. A client that pauses for longer
    /// between two requests may lose the second one. The default is one second. HTTP/2
    /// connections close at once and lose no request: see the crate's README.
    pub fn linger(mut self, limit: Duration) -> Self {
        self.linger = limit.min(MAX_DURATION);
        self
    }

    /// Sets the time limit for requests in flight and upgraded connections when a worker is
    /// replaced. The replacement serves new requests in the meantime. The default is 30
    /// seconds.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit.min(MAX_DURATION);
        self
    }

    /// Sets the time limit for clients to read their responses when a process stops. The
    /// default is 2 seconds.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit.min(MAX_DURATION);
        self
    }

    /// Lowers the number of connections to what this process can open: one connection for
    /// each file, minus a reserve.
    ///
    /// This raises the soft limit on open files, which is low by default for
    /// compatibility with programs that use `select`.
    pub(crate) fn for_this_process(self) -> Self {
        let max_files = self.connections.saturating_add(reserved_files(usize::MAX));
        let files = raise_open_files(max_files);
        Limits {
            connections: self.connections.min(connections_for(files)),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the number of connections that are possible with a limit of `files` open
/// files.
fn connections_for(files: usize) -> usize {
    files.saturating_sub(reserved_files(files)).max(1)
}

/// Returns the number of files reserved for the service and the runtime.
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
        assert_eq!(connections_for(usize::MAX), usize::MAX - 256);
    }

    #[test]
    fn at_least_one_connection_is_allowed() {
        assert_eq!(connections_for(0), 1);
    }
}
