//! The socket that connections come in by.

use crate::error::Error;
use std::{
    io,
    net::{SocketAddr, TcpListener},
};
use tokio::net::TcpSocket;

/// How many connections may wait to be accepted, as while a worker that has ended
/// is replaced. The system may have a lower limit of its own.
const BACKLOG: u32 = 4096;

/// The socket that a service manager has passed on, or one of our own.
///
/// # Errors
///
/// If the address cannot be had, or what was passed on is no such socket.
pub(super) fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    if let Some(listener) = inherited_socket()? {
        return Ok(listener);
    }
    bind(addr).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken(addr),
        io::ErrorKind::PermissionDenied => Error::PrivilegedPort(addr),
        _ => Error::Listen { addr, cause },
    })
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Or nobody could listen there for a while after the last one. On Windows it
    // would mean that two may listen there at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

/// What systemd has listened on for us, if it has.
#[cfg(unix)]
fn inherited_socket() -> Result<Option<TcpListener>, Error> {
    let mut sockets = listenfd::ListenFd::from_env();
    if sockets.len() > 1 {
        let cause = format!("{} were passed on, and one is served", sockets.len());
        return Err(Error::InheritedSocket(io::Error::other(cause)));
    }
    let listener = sockets.take_tcp_listener(0).map_err(|cause| {
        let cause = format!("{cause}; a TCP socket is needed, as by ListenStream=127.0.0.1:8080");
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
    async fn an_address_that_is_taken_is_told_with_others_to_choose() {
        let first = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = first.local_addr().unwrap();
        let error = listen(addr).unwrap_err();
        assert!(matches!(error, Error::PortTaken(taken) if taken == addr));
        assert!(error.to_string().contains("--addr 127.0.0.1:0"), "{error}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_none() {
        let addr = SocketAddr::from(([192, 0, 2, 1], 80));
        let error = listen(addr).unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error}");
    }
}
