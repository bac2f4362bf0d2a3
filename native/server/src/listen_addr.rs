//! The addresses of listening sockets.

use crate::error::Error;
use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// An address that a server listens on.
///
/// Its text is `ADDRESS:PORT`, or `unix:` and the path of a Unix socket. `localhost` is
/// `127.0.0.1`; other names are rejected, because they would need a DNS lookup.
///
/// ```
/// use highwater_server::ListenAddr;
///
/// let addr: ListenAddr = "localhost:8080".parse()?;
/// assert_eq!(addr.tcp().unwrap().port(), 8080);
/// let addr: ListenAddr = "unix:/run/shop.sock".parse()?;
/// assert_eq!(addr.to_string(), "unix:/run/shop.sock");
/// assert!(addr.tcp().is_none());
/// # Ok::<(), highwater_server::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddr {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket, or `@` and the name of an abstract one, which only a
    /// service manager can pass.
    Unix(PathBuf),
}

impl ListenAddr {
    /// Returns the IP address and the port. `None` for a Unix socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            ListenAddr::Tcp(addr) => Some(*addr),
            ListenAddr::Unix(_) => None,
        }
    }

    /// Returns the path of a Unix socket. `None` for an IP address.
    pub fn unix(&self) -> Option<&Path> {
        match self {
            ListenAddr::Tcp(_) => None,
            ListenAddr::Unix(path) => Some(path),
        }
    }

    /// Returns the URL that a browser opens, such as `http://127.0.0.1:8080/` for the scheme
    /// `http`, or the text of a Unix socket.
    pub fn url(&self, scheme: &str) -> String {
        match self {
            ListenAddr::Tcp(addr) => format!("{scheme}://{addr}/"),
            ListenAddr::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Tcp(addr) => addr.fmt(f),
            ListenAddr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        ListenAddr::Tcp(addr)
    }
}

impl FromStr for ListenAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let invalid = || Error::InvalidAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(invalid());
            }
            return Ok(ListenAddr::Unix(path.into()));
        }
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        numeric.parse().map(ListenAddr::Tcp).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_without_a_lookup() {
        for (text, addr) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            (" [::1]:80 ", "[::1]:80"),
            ("localhost:8080", "127.0.0.1:8080"),
        ] {
            let parsed: ListenAddr = text.parse().unwrap();
            assert_eq!(parsed.tcp(), addr.parse().ok());
        }
        let path: ListenAddr = "unix:run/shop.sock".parse().unwrap();
        assert_eq!(path.unix(), Some(Path::new("run/shop.sock")));
        for text in [
            "",
            "8080",
            "example.com:80",
            "127.0.0.1",
            "localhost:x",
            "unix:",
        ] {
            let error = text.parse::<ListenAddr>().unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:8080"), "{error}");
        }
    }
}
