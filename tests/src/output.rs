//! Where a suite's commands print.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Our own output, or a file that is shown when all of it is there: of two
/// suites that run side by side, one prints while it runs, and the other after
/// it. So each can be read from its start to its end.
pub(crate) enum Output {
    Ours,
    Held(File),
}

impl Output {
    /// One that is held back, in a file that has no name and goes with it.
    pub(crate) fn held() -> Result<Self> {
        let file = tempfile::tempfile().context("cannot make a file for the output")?;
        Ok(Self::Held(file))
    }

    /// Another one to the same place.
    pub(crate) fn again(&self) -> Result<Self> {
        Ok(match self {
            Self::Ours => Self::Ours,
            Self::Held(file) => Self::Held(file.try_clone()?),
        })
    }

    /// Says something of our own.
    pub(crate) fn say(&self, what: impl Display) {
        // Nobody can be told that it cannot be told.
        let _ = match self {
            Self::Ours => writeln!(io::stderr(), "{what}"),
            Self::Held(file) => writeln!(&*file, "{what}"),
        };
    }

    /// Has what `command` says on standard error go here; as it is now, so that
    /// cargo sees the terminal if there is one.
    pub(crate) fn take_errors_of(&self, command: &mut Command) -> Result<()> {
        command.stderr(match self {
            Self::Ours => Stdio::inherit(),
            Self::Held(file) => Stdio::from(file.try_clone()?),
        });
        Ok(())
    }

    /// Shows what was held back.
    pub(crate) fn show(self) -> Result<()> {
        if let Self::Held(mut file) = self {
            file.rewind()?;
            io::copy(&mut file, &mut io::stdout())?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Output {
    /// What is held back.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        if let Self::Held(file) = self {
            file.rewind()?;
            io::Read::read_to_string(file, &mut text)?;
        }
        Ok(text)
    }
}

/// What a command prints on standard output.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Ours => io::stdout().write(bytes),
            Self::Held(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Ours => io::stdout().flush(),
            Self::Held(file) => file.flush(),
        }
    }
}
