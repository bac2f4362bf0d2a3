//! The listening socket.

use crate::error::Error;
use std::{
    io,
    net::{SocketAddr, TcpListener},
};
use tokio::net::TcpSocket;

/// The capacity of the accept queue, which holds connections while a worker is
/// replaced. The system may enforce a lower limit.
const BACKLOG: u32 = 4096;

/// Returns the socket that a service manager passed to this process, or binds a new one.
///
/// # Errors
///
/// If the address cannot be bound, or if the service manager passed anything other than
/// one TCP listener.
pub(crate) fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    if let Some(listener) = inherited_socket()? {
        return Ok(listener);
    }
    bind(addr).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse(addr),
        io::ErrorKind::PermissionDenied => Error::PermissionDenied(addr),
        _ => Error::Listen { addr, cause },
    })
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
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

/// Returns the socket that systemd passed to this process, if any.
#[cfg(unix)]
fn inherited_socket() -> Result<Option<TcpListener>, Error> {
    let mut sockets = listenfd::ListenFd::from_env();
    if sockets.len() > 1 {
        let cause = format!(
            "{} sockets were passed; expected exactly one",
            sockets.len()
        );
        return Err(Error::InheritedSocket(io::Error::other(cause)));
    }
    let listener = sockets.take_tcp_listener(0).map_err(|cause| {
        let cause =
            format!("{cause}; pass a TCP socket, for example with ListenStream=127.0.0.1:8080");
        Error::InheritedSocket(io::Error::other(cause))
    })?;
    if let Some(listener) = &listener {
        listener
            .set_nonblocking(true)
            .map_err(Error::InheritedSocket)?;
    }
    Ok(listener)
}

#[cfg(not(unix))]
fn inherited_socket() -> Result<Option<TcpListener>, Error> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_in_use_error_names_the_address() {
        let first = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = first.local_addr().unwrap();
        let error = listen(addr).unwrap_err();
        assert!(matches!(error, Error::AddressInUse(taken) if taken == addr));
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    }

    #[tokio::test]
    async fn binding_a_foreign_address_fails() {
        let addr = SocketAddr::from(([192, 0, 2, 1], 80));
        let error = listen(addr).unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error}");
    }
}
