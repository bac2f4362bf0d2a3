//! The kinds of clients of a load test.

use std::fmt;
use std::time::Duration;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Keeps its connection open and sends the next request immediately after each
    /// response.
    KeepAlive,
    /// Opens a connection for each request, with `Connection: close`.
    NewConnection,
    /// Keeps its connection open and pauses for this long after each response.
    ThinkTime(Duration),
    /// Keeps its HTTP/2 connection open, with eight requests at a time.
    Http2,
    /// Keeps its HTTP/2 connection open and pauses for this long after each response.
    Http2ThinkTime(Duration),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::KeepAlive => f.write_str("keep-alive"),
            Client::NewConnection => f.write_str("new connection"),
            Client::ThinkTime(pause) => write!(f, "think time of {pause:?}"),
            Client::Http2 => f.write_str("HTTP/2"),
            Client::Http2ThinkTime(pause) => write!(f, "HTTP/2, think time of {pause:?}"),
        }
    }
}
