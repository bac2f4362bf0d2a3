//! Run failures, and the panic hook that records panic locations.

use highwater::platform::Exit;
use highwater_server::logging;
use std::{
    any::Any,
    cell::Cell,
    fmt,
    io::{self, Write},
    panic, thread,
};

/// The reason a run ended early: a panic, a deadlock or a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunFailure {
    /// The panic's message, or another reason.
    pub(crate) message: String,
    /// The panic's location in the code, if known.
    location: Option<String>,
}

impl RunFailure {
    /// Creates a failure that is not a panic.
    pub(crate) fn new(message: &str) -> Self {
        RunFailure {
            message: message.to_owned(),
            location: None,
        }
    }

    /// Creates a failure from the panic most recently caught on this thread.
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("panic without a message");
        RunFailure {
            message: message.to_owned(),
            location: LAST_PANIC.take(),
        }
    }
}

impl From<RunFailure> for Exit {
    /// Converts a failure in a child process to the exit reported to its parent.
    fn from(failure: RunFailure) -> Self {
        Exit::Bug {
            message: failure.message,
            location: failure.location,
        }
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

/// The name of scenario threads. All their panics are caught.
pub(crate) const LOOP_THREAD: &str = "loop";

/// Installs the panic hook of the program.
///
/// Scenario panics are not printed: the report shows their message and location. Any
/// other panic is a bug in this program. After logging has started, it becomes one log
/// entry, because printing could block. Before that, it is printed as usual. A message
/// with control characters is escaped to one line, so that client input cannot imitate
/// log entries.
pub(crate) fn install_panic_hook() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string);
        LAST_PANIC.set(location.clone());
        if thread::current().name() == Some(LOOP_THREAD) {
            return;
        }
        if logging::log_panic(panic) {
            return;
        }
        let message = panic.payload_as_str().unwrap_or_default();
        match escaped_line(message, location) {
            Some(line) => {
                // There is nowhere to report a failed write.
                let _ = io::stderr().write_all(line.as_bytes());
            }
            None => print(panic),
        }
    }));
}

/// Formats a panic as one line if its message has control characters.
fn escaped_line(message: &str, location: Option<String>) -> Option<String> {
    if !message.contains(char::is_control) {
        return None;
    }
    let location = location.unwrap_or_else(|| "an unknown location".to_owned());
    Some(format!(
        "panicked at {location}: {}\n",
        message.escape_debug()
    ))
}

thread_local! {
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_message_cannot_imitate_a_log_entry() {
        assert_eq!(escaped_line("bad name Ada", None), None, "printed as usual");
        let line = escaped_line("bad name x\nERROR id=1", Some("src/a.rs:1:2".to_owned()));
        assert_eq!(
            line.as_deref(),
            Some("panicked at src/a.rs:1:2: bad name x\\nERROR id=1\n")
        );
    }
}
