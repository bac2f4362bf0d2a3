//! Notifications to a service manager that implements systemd's protocol, through the
//! socket in `NOTIFY_SOCKET`. If the variable is not set, nothing is sent.
//!
//! Notifying never blocks. If the manager does not read its socket, up to
//! [`QUEUE_CAPACITY`] messages are queued and further ones are dropped.

use super::journal::log;
use sd_notify::NotifyState;
use std::{
    env,
    ffi::OsStr,
    fmt::Write,
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    sync::OnceLock,
};
use tokio::{net, sync::mpsc};

/// The maximum number of queued messages.
const QUEUE_CAPACITY: usize = 64;

/// The maximum number of characters of a socket name that are logged.
const MAX_LOGGED_CHARS: usize = 100;

/// Notifies the manager that the service is ready or that a reload is complete.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Notifies the manager that a reload has started.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
}

/// Notifies the manager that the service is shutting down.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sends a one-line service status to the manager.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

fn notify(states: &[NotifyState<'_>]) {
    static MANAGER: OnceLock<Option<Manager>> = OnceLock::new();
    let manager =
        MANAGER.get_or_init(|| {
            let name = env::var_os("NOTIFY_SOCKET")?;
            let address = parse_address(&name);
            let address = address.inspect_err(|cause| {
            let name: String = name.to_string_lossy().chars().take(MAX_LOGGED_CHARS).collect();
            log(format!(
                "NOTIFY_SOCKET={name:?} is ignored: {cause}; the service manager is not notified"
            ));
        });
            Some(Manager::new(address.ok()?))
        });
    if let Some(manager) = manager {
        manager.notify(states);
    }
}

/// Parses the address of a manager's socket: an absolute path, or `@` followed by the
/// name of an abstract socket.
fn parse_address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', _, ..] => SocketAddr::from_pathname(name),
        [b'@', name @ ..] if !name.is_empty() => abstract_address(name),
        _ => Err(io::Error::other(
            "it must be an absolute path, or @ followed by the name of an abstract socket",
        )),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::other(
        "abstract sockets are supported only on Linux",
    ))
}

/// A service manager with a queue of outgoing messages.
#[derive(Debug)]
struct Manager(mpsc::Sender<String>);

impl Manager {
    fn new(address: SocketAddr) -> Self {
        let (messages, mut receiver) = mpsc::channel::<String>(QUEUE_CAPACITY);
        tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                // Errors are ignored, because the manager may have exited.
                let _ = send(&address, message.as_bytes()).await;
            }
        });
        Manager(messages)
    }

    fn notify(&self, states: &[NotifyState<'_>]) {
        let mut message = String::new();
        for state in states {
            // Writing to a string does not fail.
            let _ = writeln!(message, "{state}");
        }
        let _ = self.0.try_send(message);
    }
}

/// Sends a message as soon as the socket has room for it.
async fn send(address: &SocketAddr, message: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(address)?;
    socket.set_nonblocking(true)?;
    net::UnixDatagram::from_std(socket)?.send(message).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{process, time::Duration};
    use tokio::time::timeout;

    #[test]
    fn invalid_socket_names_are_rejected() {
        for name in ["", "/", "@", "run/notify", "vsock:2:1234"] {
            assert!(parse_address(OsStr::new(name)).is_err(), "{name:?}");
        }
        for prefix in ["/", "@"] {
            let name = prefix.to_owned() + &"x".repeat(300);
            assert!(parse_address(OsStr::new(&name)).is_err());
        }
        assert!(parse_address(OsStr::new("/run/notify")).is_ok());
        #[cfg(target_os = "linux")]
        assert!(parse_address(OsStr::new("@notify")).is_ok());
    }

    #[tokio::test]
    async fn queued_messages_are_sent_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = net::UnixDatagram::bind(&path).unwrap();
        let manager = Manager::new(parse_address(path.as_os_str()).unwrap());
        // More messages than a socket buffers, which is ten by default.
        for count in 0..QUEUE_CAPACITY {
            manager.notify(&[NotifyState::Status(&count.to_string())]);
            tokio::task::yield_now().await;
        }
        for count in 0..QUEUE_CAPACITY {
            let mut message = [0; 100];
            let received = timeout(Duration::from_mins(1), socket.recv(&mut message));
            let length = received.await.unwrap().unwrap();
            let expected = format!("STATUS={count}\n");
            assert_eq!(&message[..length], expected.as_bytes());
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn abstract_sockets_receive_messages() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("highwater-{}", process::id());
        let bound = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&bound).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = net::UnixDatagram::from_std(socket).unwrap();
        let manager = Manager::new(parse_address(OsStr::new(&format!("@{name}"))).unwrap());
        manager.notify(&[NotifyState::Ready, NotifyState::Status("fine")]);
        let mut message = [0; 100];
        let received = timeout(Duration::from_mins(1), socket.recv(&mut message));
        let length = received.await.unwrap().unwrap();
        assert_eq!(&message[..length], b"READY=1\nSTATUS=fine\n");
    }
}
