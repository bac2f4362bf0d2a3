//! Unix sockets and their files.

use crate::{error::Error, listen_addr::ListenAddr};
use std::{
    ffi::OsStr,
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf, absolute},
};
use tokio::net::UnixSocket;

/// The file of a Unix socket, removed on drop unless another server has replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// The device, the inode and the time of the last change. Inodes are used again.
type Identity = (u64, u64, i64, i64);

/// Binds a socket to a path, and returns the socket and its file. The file of a server that
/// no longer listens is replaced.
pub(super) async fn bind(
    path: &Path,
    mode: Option<u32>,
    backlog: u32,
) -> Result<(UnixListener, SocketFile), Error> {
    // The working directory may change before the file is removed.
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    remove_stale_file(&path).await?;
    bind_free_path(&path, mode, backlog).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => Error::SocketInUse(path),
        _ => Error::UnixSocket { path, cause },
    })
}

fn bind_free_path(
    path: &Path,
    mode: Option<u32>,
    backlog: u32,
) -> io::Result<(UnixListener, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&fs::symlink_metadata(path)?),
    };
    if let Some(mode) = mode {
        // No client can connect yet.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    let listener = socket.listen(backlog)?.into_std()?;
    Ok((listener, file))
}

/// Removes the file of a socket without a listener.
async fn remove_stale_file(path: &Path) -> Result<(), Error> {
    let is_socket = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        // If the path cannot be used, binding reports it.
        Err(_) => return Ok(()),
    };
    let failed = |cause| Error::UnixSocket {
        path: path.to_owned(),
        cause,
    };
    if !is_socket {
        let cause = io::Error::other("the file exists and is not a socket");
        return Err(failed(cause));
    }
    // The socket is non-blocking: a full accept queue is an error too.
    let connected = UnixSocket::new_stream().map_err(failed)?.connect(path);
    match connected.await.map_err(|cause| cause.kind()) {
        Err(io::ErrorKind::ConnectionRefused) => fs::remove_file(path).map_err(failed),
        // Removed in the meantime.
        Err(io::ErrorKind::NotFound) => Ok(()),
        Ok(_) | Err(_) => Err(Error::SocketInUse(path.to_owned())),
    }
}

/// Returns the address of a socket. One without a name has an empty path.
pub(super) fn local_addr(listener: &UnixListener) -> io::Result<ListenAddr> {
    let addr = listener.local_addr()?;
    if let Some(path) = addr.as_pathname() {
        return Ok(ListenAddr::Unix(path.to_owned()));
    }
    let mut name = Vec::new();
    #[cfg(target_os = "linux")]
    if let Some(abstract_name) = std::os::linux::net::SocketAddrExt::as_abstract_name(&addr) {
        name.push(b'@');
        name.extend(abstract_name);
    }
    Ok(ListenAddr::Unix(OsStr::from_bytes(&name).into()))
}

fn identity(metadata: &Metadata) -> Identity {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let metadata = fs::symlink_metadata(&self.path);
        if metadata.is_ok_and(|metadata| identity(&metadata) == self.identity) {
            // There is nowhere to report a failure, and the next server replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn file_exists_as_long_as_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (listener, file) = bind(&path, None, 1).await.unwrap();
        assert_eq!(
            local_addr(&listener).unwrap(),
            ListenAddr::Unix(path.clone())
        );
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn stale_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, _file) = bind(&path, None, 1).await.unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn socket_in_use_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, _file) = bind(&path, None, 1).await.unwrap();
        let error = bind(&path, None, 1).await.unwrap_err();
        assert!(matches!(error, Error::SocketInUse(_)), "{error}");
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn replaced_file_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, file) = bind(&path, None, 1).await.unwrap();
        let other_path = folder.path().join("other");
        let _other = UnixListener::bind(&other_path).unwrap();
        fs::rename(other_path, &path).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn unusable_paths_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        let paths = [
            file.clone(),
            folder.path().join("missing/socket"),
            folder.path().join("x".repeat(200)),
        ];
        for path in paths {
            let error = bind(&path, None, 1).await.unwrap_err();
            assert!(matches!(error, Error::UnixSocket { .. }), "{error}");
            let path = path.display().to_string();
            assert!(error.to_string().contains(&path), "{error}");
        }
        assert_eq!(fs::read_to_string(file).unwrap(), "text");
    }

    #[tokio::test]
    async fn mode_is_set_before_clients_can_connect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, _file) = bind(&path, Some(0o660), 1).await.unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
    }
}
