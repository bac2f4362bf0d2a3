//! Reading and writing descriptors that somebody else made non-blocking.
//!
//! Whether a descriptor blocks is shared by all processes that have it: a program
//! like Node or ssh that sets it for itself sets it for its pipeline, too.

use std::{
    fs::File,
    io::{self, Read, Write},
};

/// A file whose reads and writes wait until there is something to read or room to
/// write, however it was opened.
#[derive(Debug)]
pub(crate) struct Blocking(File);

impl Blocking {
    /// Wraps a file, which is not changed.
    pub(crate) fn new(file: File) -> Self {
        Blocking(file)
    }

    /// Standard input, without the buffer that [`io::stdin`] has.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub(crate) fn stdin() -> io::Result<Self> {
        own(&io::stdin()).map(Blocking)
    }

    /// Standard output, without the search for a newline that [`io::stdout`] does.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub(crate) fn stdout() -> io::Result<Self> {
        own(&io::stdout()).map(Blocking)
    }

    /// Standard error.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub(crate) fn stderr() -> io::Result<Self> {
        own(&io::stderr()).map(Blocking)
    }

    /// Closes the file, which may be when the system reports that something could
    /// not be written.
    ///
    /// # Errors
    ///
    /// Whatever the system answers.
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

/// What is waited for.
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
        // An error or a hang-up is an answer, too: the next call reports it.
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
        // It is closed all the same.
        Ok(()) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}
