//! The configuration of a load.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::running::RunningLoad;

/// The default request timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A load to be started. Add clients, otherwise it sends nothing.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) rate: Option<f64>,
    pub(crate) groups: Vec<(Client, usize)>,
}

impl Load {
    /// Creates a load on the server at this address: `GET /` in a closed loop.
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

    /// Sets the path, by default `/`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets the time a request may take, from connecting to the last byte of the response.
    /// Then it counts as timed out. The default is 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds `count` clients of a kind.
    #[must_use]
    pub fn clients(mut self, client: Client, count: usize) -> Self {
        self.groups.push((client, count));
        self
    }

    /// Makes it an open loop: requests are due evenly at this rate, and any free client
    /// sends the next one. With too few clients requests wait, which counts towards their
    /// latency.
    ///
    /// # Panics
    ///
    /// If the rate is not positive.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        assert!(
            per_second > 0.0,
            "the rate has to be positive, not {per_second}"
        );
        self.rate = Some(per_second);
        self
    }

    /// Starts the load on its own thread.
    ///
    /// # Panics
    ///
    /// If the thread or its event loop cannot be created.
    #[must_use]
    pub fn start(self) -> RunningLoad {
        RunningLoad::start(self)
    }
}
