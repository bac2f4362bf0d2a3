//! What a service manager that knows systemd's protocol is told. Where there is
//! none, nobody is.

use sd_notify::NotifyState;
use std::{
    env,
    ffi::OsStr,
    fmt::Write,
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    time::Duration,
};
use tokio::time::timeout;

/// The longest that a background task waits for a stalled service manager.
const PATIENCE: Duration = Duration::from_secs(10);

/// The service is there, or a reload is over.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The service comes to its end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How it is.
pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let mut message = String::new();
    for state in states {
        let _always = writeln!(message, "{state}");
    }
    // It is no reason to end that a service manager does not hear it.
    let _ = send(&name, message);
}

/// Sends a datagram without blocking. If the receiver's queue is full, a background
/// task waits for it.
fn send(name: &OsStr, message: String) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address(name)?)?;
    socket.set_nonblocking(true)?;
    match socket.send(message.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let socket = tokio::net::UnixDatagram::from_std(socket)?;
            tokio::spawn(async move {
                let _ = timeout(PATIENCE, socket.send(message.as_bytes())).await;
            });
            Ok(())
        }
        sent => sent.map(drop),
    }
}

/// Parses a path, or `@` and a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt};
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn service_manager_that_does_not_read_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        // Far more than a queue of datagrams holds.
        for _ in 0..500 {
            send(path.as_os_str(), "STATUS=busy\n".to_owned()).unwrap();
        }
        let mut message = [0; 64];
        let read = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..read], b"STATUS=busy\n");
    }
}
