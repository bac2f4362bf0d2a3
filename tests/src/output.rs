//! Output of a suite's commands.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Announces an installation, which may take a while.
pub(crate) fn announce_installation(what: &str) {
    eprintln!("tests: installing {what}…");
}

/// The destination of a suite's output.
///
/// When two suites run concurrently, one prints directly. The output of the other is
/// buffered in a file and shown when that suite is done, so that their outputs are not
/// interleaved.
pub(crate) enum Output {
    Direct,
    Buffered(File),
}

impl Output {
    /// Creates an output buffered in an unnamed temporary file.
    pub(crate) fn buffered() -> Result<Self> {
        let file = tempfile::tempfile().context("cannot create a temporary file for the output")?;
        Ok(Self::Buffered(file))
    }

    /// Returns another handle to the same destination.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Direct => Self::Direct,
            Self::Buffered(file) => Self::Buffered(file.try_clone()?),
        })
    }

    /// Prints a line of the test runner itself.
    pub(crate) fn print_line(&self, line: impl Display) {
        // A failed write cannot be reported anywhere.
        let _ = match self {
            Self::Direct => writeln!(io::stderr(), "{line}"),
            Self::Buffered(file) => writeln!(&*file, "{line}"),
        };
    }

    /// Redirects the standard error of `command` to this output. Direct output is
    /// inherited, so that cargo can detect a terminal.
    pub(crate) fn redirect_stderr_of(&self, command: &mut Command) -> Result<()> {
        command.stderr(match self {
            Self::Direct => Stdio::inherit(),
            Self::Buffered(file) => Stdio::from(file.try_clone()?),
        });
        Ok(())
    }

    /// Prints the buffered output, if any.
    pub(crate) fn print_buffered(self) -> Result<()> {
        if let Self::Buffered(mut file) = self {
            file.rewind()?;
            io::copy(&mut file, &mut io::stdout())?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Output {
    /// Returns the buffered output.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        if let Self::Buffered(file) = self {
            file.rewind()?;
            io::Read::read_to_string(file, &mut text)?;
        }
        Ok(text)
    }
}

/// Writes a command's standard output.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct => io::stdout().write(bytes),
            Self::Buffered(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct => io::stdout().flush(),
            Self::Buffered(file) => file.flush(),
        }
    }
}
