//! Blocking reads and writes on descriptors that another process made non-blocking.
//!
//! All processes that share a descriptor share its blocking mode. A program such as Node
//! or ssh that makes its standard streams non-blocking does so for the whole shell
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
    /// If the process has no free descriptor.
    pub(crate) fn stdin() -> io::Result<Self> {
        own(&io::stdin()).map(Blocking)
    }

    /// Returns standard output, unbuffered.
    ///
    /// # Errors
    ///
    /// If the process has no free descriptor.
    pub(crate) fn stdout() -> io::Result<Self> {
        own(&io::stdout()).map(Blocking)
    }

    /// Returns standard error.
    ///
    /// # Errors
    ///
    /// If the process has no free descriptor.
    pub(crate) fn stderr() -> io::Result<Self> {
        own(&io::stderr()).map(Blocking)
    }

    /// Closes the file.
    ///
    /// # Errors
    ///
    /// The error of the operating system, which may concern an earlier write.
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

/// The condition to wait for.
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
    let wanted = match readiness {
        Readiness::Read => PollFlags::IN,
        Readiness::Write => PollFlags::OUT,
    };
    loop {
        // An error or hang-up also ends the wait: the next call reports it.
        match poll(&mut [PollFd::new(file, wanted)], None) {
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
fn own(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn own(stream: &impl std::os::windows::io::AsHandle) -> io::Result<File> {
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
