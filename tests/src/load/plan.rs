//! What load is wanted.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::running::RunningLoad;

/// How long a request may take unless said otherwise. Longer, and it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Load on a server, to be started. Without clients there is none.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) rate: Option<f64>,
    pub(crate) groups: Vec<(Client, usize)>,
}

impl Load {
    /// On the server at this address: `GET /`, in a closed loop.
    #[must_use]
    pub fn on(addr: SocketAddr) -> Self {
        Load {
            addr,
            path: "/".to_owned(),
            timeout: PATIENCE,
            rate: None,
            groups: Vec::new(),
        }
    }

    /// What to get instead of `/`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// How long a request may take, from the connection to the last byte of the
    /// answer, before it counts as hung; 5 s unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// So many clients of a kind, beside those there are already.
    #[must_use]
    pub fn clients(mut self, client: Client, count: usize) -> Self {
        self.groups.push((client, count));
        self
    }

    /// Makes it an open loop: so many requests a second are due, evenly, and any
    /// client that is free sends the next one. With too few clients requests wait
    /// for one, and their latency says so.
    ///
    /// # Panics
    ///
    /// If the rate is not above zero.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        assert!(per_second > 0.0, "a rate is above zero, not {per_second}");
        self.rate = Some(per_second);
        self
    }

    /// Starts it, on a thread of its own.
    ///
    /// # Panics
    ///
    /// If there can be no thread or no event loop.
    #[must_use]
    pub fn start(self) -> RunningLoad {
        RunningLoad::start(self)
    }
}
