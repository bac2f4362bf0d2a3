//! Blocking reads and writes on descriptors that another process made non-blocking.
//!
//! All processes that share a descriptor share its blocking mode. A program that makes
//! its standard streams non-blocking, such as Node or ssh, affects the whole shell
//! pipeline.

use std::{
    fs::File,
    io::{self, Read, Write},
};

/// A file whose reads and writes block, even if its descriptor is non-blocking.
#[derive(Debug)]
pub(crate) struct Blocking(File);

impl Blocking {
    /// Wraps a file without changing its blocking mode.
    pub(crate) fn new(file: File) -> Self {
        Blocking(file)
    }

    /// Returns standard input, unbuffered.
    ///
    /// # Errors
    ///
    /// If the process is out of file descriptors.
    pub(crate) fn stdin() -> io::Result<Self> {
        duplicate(&io::stdin()).map(Blocking)
    }

    /// Returns standard output, unbuffered.
    ///
    /// # Errors
    ///
    /// If the process is out of file descriptors.
    pub(crate) fn stdout() -> io::Result<Self> {
        duplicate(&io::stdout()).map(Blocking)
    }

    /// Returns standard error.
    ///
    /// # Errors
    ///
    /// If the process is out of file descriptors.
    pub(crate) fn stderr() -> io::Result<Self> {
        duplicate(&io::stderr()).map(Blocking)
    }

    /// Closes the file.
    ///
    /// # Errors
    ///
    /// I/O errors, including delayed errors of earlier writes.
    pub(crate) fn close(self) -> io::Result<()> {
        close(self.0)
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(&self.0, Readiness::Read)?;
                }
                done => return done,
            }
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(&self.0, Readiness::Write)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The readiness to wait for.
#[derive(Clone, Copy)]
enum Readiness {
    Read,
    Write,
}

#[cfg(unix)]
fn wait(file: &File, readiness: Readiness) -> io::Result<()> {
    use rustix::{
        event::{PollFd, PollFlags, poll},
        io::Errno,
    };
    let events = match readiness {
        Readiness::Read => PollFlags::IN,
        Readiness::Write => PollFlags::OUT,
    };
    loop {
        // `poll` also returns on an error or hang-up, which the next call reports.
        match poll(&mut [PollFd::new(file, events)], None) {
            Err(Errno::INTR) => {}
            done => return done.map(drop).map_err(io::Error::from),
        }
    }
}

#[cfg(not(unix))]
fn wait(_file: &File, _readiness: Readiness) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(unix)]
fn duplicate(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn duplicate(stream: &impl std::os::windows::io::AsHandle) -> io::Result<File> {
    Ok(File::from(stream.as_handle().try_clone_to_owned()?))
}

#[cfg(unix)]
fn close(file: File) -> io::Result<()> {
    use nix::errno::Errno;
    match nix::unistd::close(file) {
        // The descriptor is closed even if the call was interrupted.
        Ok(()) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}
