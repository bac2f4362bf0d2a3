//! Configuration of a load test.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;

/// The default request timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The configuration of a load test. Without clients, it sends no requests.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) rate: Option<f64>,
    pub(crate) groups: Vec<(Client, usize)>,
}

impl Load {
    /// Creates a load test for the server at this address: `GET /` in a closed loop.
    #[must_use]
    pub fn on(addr: SocketAddr) -> Self {
        Load {
            addr,
            path: "/".to_owned(),
            timeout: DEFAULT_TIMEOUT,
            rate: None,
            groups: Vec::new(),
        }
    }

    /// Sets the request path. The default is `/`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets the request timeout, from connecting to the last byte of the response. The
    /// default is 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds `count` clients of this kind.
    #[must_use]
    pub fn clients(mut self, client: Client, count: usize) -> Self {
        self.groups.push((client, count));
        self
    }

    /// Switches to an open loop: requests are due at a constant rate, and any free
    /// client sends the next one. If no client is free, the request waits, and the wait
    /// counts towards its latency.
    ///
    /// # Panics
    ///
    /// If the rate is not positive.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        assert!(
            per_second > 0.0,
            "the rate must be positive, not {per_second}"
        );
        self.rate = Some(per_second);
        self
    }
}
