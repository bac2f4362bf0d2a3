//! The listening sockets.

#[cfg(unix)]
mod unix_socket;

use crate::{error::Error, listen_addr::ListenAddr};
use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
};
use tokio::net::TcpSocket;

#[cfg(unix)]
use std::os::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    unix::net::UnixListener,
};
#[cfg(unix)]
use unix_socket::SocketFile;

/// The capacity of the accept queue, which holds connections while a worker is
/// replaced. The system may enforce a lower limit.
const BACKLOG: u32 = 4096;

/// A listening socket. It is non-blocking.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        /// Removes the file on drop, in the process that created it.
        _file: Option<SocketFile>,
    },
}

/// The listening sockets of a server.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// The socket of the service.
    pub(crate) service: Listener,
    /// The sockets of other addresses, by name.
    pub(crate) others: BTreeMap<String, Listener>,
}

/// The addresses to listen on.
#[derive(Debug)]
pub(crate) struct ListenAddrs {
    /// The address of the service.
    pub(crate) service: ListenAddr,
    /// Other addresses, by name.
    pub(crate) others: BTreeMap<String, ListenAddr>,
    /// The mode of the files of Unix sockets. `None` leaves it to the umask.
    pub(crate) unix_socket_mode: Option<u32>,
}

/// Returns the sockets that a service manager passed to this process, and binds the
/// others. The first socket that is passed is the service's. The next ones are those of
/// the other addresses, in the order of their names.
///
/// # Errors
///
/// If an address cannot be bound, or if the service manager passed more sockets than there
/// are addresses, or sockets that cannot be used.
pub(crate) async fn listen(addrs: &ListenAddrs) -> Result<Listeners, Error> {
    let mut inherited = inherited_sockets(1 + addrs.others.len())?.into_iter();
    let mode = addrs.unix_socket_mode;
    let service = match inherited.next() {
        Some(listener) => listener,
        None => bind(&addrs.service, mode).await?,
    };
    let mut others = BTreeMap::new();
    for (name, addr) in &addrs.others {
        let listener = match inherited.next() {
            Some(listener) => listener,
            None => bind(addr, mode).await?,
        };
        others.insert(name.clone(), listener);
    }
    Ok(Listeners { service, others })
}

async fn bind(addr: &ListenAddr, unix_socket_mode: Option<u32>) -> Result<Listener, Error> {
    match addr {
        ListenAddr::Tcp(addr) => {
            let bound = bind_tcp(*addr).map_err(|cause| match cause.kind() {
                io::ErrorKind::AddrInUse => Error::AddressInUse(*addr),
                io::ErrorKind::PermissionDenied => Error::PermissionDenied(*addr),
                _ => Error::Listen { addr: *addr, cause },
            });
            bound.map(Listener::Tcp)
        }
        #[cfg(unix)]
        ListenAddr::Unix(path) => {
            let (listener, file) = unix_socket::bind(path, unix_socket_mode, BACKLOG).await?;
            Ok(Listener::Unix {
                listener,
                _file: Some(file),
            })
        }
        #[cfg(not(unix))]
        ListenAddr::Unix(path) => {
            let _ = unix_socket_mode;
            Err(Error::UnixSocket {
                path: path.clone(),
                cause: io::Error::other(
                    "this system has no Unix sockets; listen on ADDRESS:PORT instead",
                ),
            })
        }
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Without this option, the address stays unavailable for a while after a server
    // exits. On Windows, the option would let two processes listen on the same address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Listener {
    /// Returns the address that the socket is bound to.
    pub(crate) fn local_addr(&self) -> io::Result<ListenAddr> {
        match self {
            Listener::Tcp(listener) => Ok(listener.local_addr()?.into()),
            #[cfg(unix)]
            Listener::Unix { listener, .. } => unix_socket::local_addr(listener),
        }
    }

    /// Takes a listening socket that another process has created, and makes it
    /// non-blocking.
    ///
    /// # Errors
    ///
    /// If it is neither a TCP nor a Unix socket.
    #[cfg(unix)]
    pub(crate) fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        let listener = UnixListener::from(descriptor);
        listener.set_nonblocking(true)?;
        // Fails for other kinds of sockets.
        if listener.local_addr().is_ok() {
            return Ok(Listener::Unix {
                listener,
                _file: None,
            });
        }
        let listener = TcpListener::from(OwnedFd::from(listener));
        listener.local_addr()?;
        Ok(Listener::Tcp(listener))
    }

    /// Duplicates the descriptor, for another process.
    #[cfg(unix)]
    pub(crate) fn clone_descriptor(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}

#[cfg(unix)]
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

#[cfg(unix)]
impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Returns the sockets that systemd passed to this process, at most `max`.
#[cfg(unix)]
fn inherited_sockets(max: usize) -> Result<Vec<Listener>, Error> {
    let mut sockets = listenfd::ListenFd::from_env();
    let count = sockets.len();
    if count > max {
        let cause = format!("{count} sockets were passed; expected at most {max}");
        return Err(Error::InheritedSocket(io::Error::other(cause)));
    }
    let listeners = (0..count).filter_map(|index| {
        // A socket that is not a Unix socket stays in its place.
        let listener = match sockets.take_unix_listener(index) {
            Ok(listener) => listener.map(OwnedFd::from),
            Err(_) => match sockets.take_tcp_listener(index) {
                Ok(listener) => listener.map(OwnedFd::from),
                Err(cause) => {
                    return Some(Err(io::Error::other(format!(
                        "{cause}; pass a TCP or Unix socket, for example with \
                         ListenStream=127.0.0.1:8080"
                    ))));
                }
            },
        };
        listener.map(Listener::from_descriptor)
    });
    let listeners: io::Result<Vec<Listener>> = listeners.collect();
    listeners.map_err(Error::InheritedSocket)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
fn inherited_sockets(_max: usize) -> Result<Vec<Listener>, Error> {
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind_text(addr: &str) -> Result<Listener, Error> {
        bind(&addr.parse().unwrap(), None).await
    }

    #[tokio::test]
    async fn port_in_use_error_names_the_address() {
        let first = bind_text("127.0.0.1:0").await.unwrap();
        let addr = first.local_addr().unwrap();
        let error = bind(&addr, None).await.unwrap_err();
        assert!(matches!(error, Error::AddressInUse(taken) if Some(taken) == addr.tcp()));
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    }

    #[tokio::test]
    async fn binding_a_foreign_address_fails() {
        let error = bind_text("192.0.2.1:80").await.unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn descriptors_keep_their_kind_of_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let addrs = [ListenAddr::Unix(path), "127.0.0.1:0".parse().unwrap()];
        for addr in addrs {
            let bound = bind(&addr, None).await.unwrap();
            let copy = Listener::from_descriptor(bound.clone_descriptor().unwrap()).unwrap();
            assert_eq!(copy.local_addr().unwrap(), bound.local_addr().unwrap());
        }
        let file = tempfile::tempfile().unwrap();
        assert!(Listener::from_descriptor(file.into()).is_err());
    }
}
