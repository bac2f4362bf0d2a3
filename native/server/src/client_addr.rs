//! The address of a client.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The address of the client that sent a request. Each request has it as an extension.
///
/// Without [trusted proxies](crate::TrustedProxies), it is the other end of the connection:
/// what axum provides as `ConnectInfo`. Behind a trusted proxy, it is the address that the
/// proxy names.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use highwater_server::ClientAddr;
///
/// let router: Router = Router::new().route(
///     "/",
///     get(async |Extension(client): Extension<ClientAddr>| format!("hello, {client}")),
/// );
/// # let _ = router;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr {
    peer: Option<SocketAddr>,
    named: Option<IpAddr>,
}

impl ClientAddr {
    /// Creates the address of the client of a connection. A peer on a Unix socket has none.
    pub(crate) fn of_peer(peer: Option<SocketAddr>) -> Self {
        ClientAddr { peer, named: None }
    }

    /// Returns the address with the one that a trusted proxy named.
    pub(crate) fn named(self, named: Option<IpAddr>) -> Self {
        ClientAddr { named, ..self }
    }

    /// Returns the address that a trusted proxy names.
    pub(crate) fn named_ip(&self) -> Option<IpAddr> {
        self.named
    }

    /// Returns the address that a trusted proxy names, or else that of the
    /// [peer](Self::peer). `None` for a client on a Unix socket. An IPv4 address that is
    /// mapped to IPv6 is returned as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        let ip = self.named.or(self.peer.map(|peer| peer.ip()));
        ip.map(|ip| ip.to_canonical())
    }

    /// Returns the other end of the connection: the client, or the last proxy. `None` for
    /// a Unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

/// Creates the address of a client that connects directly, for tests of a service.
///
/// ```
/// use highwater_server::ClientAddr;
/// use std::net::SocketAddr;
///
/// let peer: SocketAddr = "203.0.113.9:50000".parse().unwrap();
/// assert_eq!(ClientAddr::from(peer).to_string(), "203.0.113.9");
/// ```
impl From<SocketAddr> for ClientAddr {
    fn from(peer: SocketAddr) -> Self {
        ClientAddr::of_peer(Some(peer))
    }
}

/// Writes the IP address, or `unix`.
impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unix"),
        }
    }
}
