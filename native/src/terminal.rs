//! Text on standard output and standard error, with colours on a terminal.

use crate::{blocking::Blocking, error::Error};
use anstyle::{AnsiColor, Style};
use highwater_server::logging;
use std::io::{self, Write};

/// The style of errors and failed checks.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of passed checks.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of secondary text.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Prints to standard output, in colour if it is a terminal. Ignores a closed pipe.
///
/// # Errors
///
/// [`Error::Print`] if the write fails.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let choice = anstream::AutoStream::choice(&io::stdout());
    let printed = Blocking::stdout().and_then(|stdout| write(stdout, text, choice));
    match printed {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(Error::Print(cause)),
        _ => Ok(()),
    }
}

/// Prints to standard error. Ignores write errors.
pub(crate) fn print_to_stderr(text: &str) {
    let choice = anstream::AutoStream::choice(&io::stderr());
    // There is nowhere to report a failed write.
    let _ = Blocking::stderr().and_then(|stderr| write(stderr, text, choice));
}

/// Prints a warning to standard error. Ignores write errors.
pub(crate) fn warn(message: &str) {
    print_to_stderr(&format!("{BAD}warning:{BAD:#} {message}\n"));
}

/// Logs a line that may contain colours. Strips them if standard error does not support
/// them.
pub(crate) fn log(line: &str) {
    match anstream::AutoStream::choice(&io::stderr()) {
        anstream::ColorChoice::Never => {
            logging::line(&anstream::adapter::strip_str(line).to_string());
        }
        _ => logging::raw(line),
    }
}

/// Writes a text and closes the stream. Strips colours if `choice` is `Never`.
fn write(mut stream: Blocking, text: &str, choice: anstream::ColorChoice) -> io::Result<()> {
    if choice == anstream::ColorChoice::Never {
        let plain = anstream::adapter::strip_str(text).to_string();
        stream.write_all(plain.as_bytes())?;
    } else {
        stream.write_all(text.as_bytes())?;
    }
    stream.close()
}
