//! Why a run ended before its scenario did.

use crate::logging;
use highwater::platform::Exit;
use std::{
    any::Any,
    cell::Cell,
    fmt,
    io::{self, Write},
    panic, thread,
};

/// What a run died of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunFailure {
    /// What the panic said.
    pub(crate) message: String,
    /// Where in the code it was, if known.
    location: Option<String>,
}

impl RunFailure {
    /// A failure that is no panic.
    pub(crate) fn new(message: &str) -> Self {
        RunFailure {
            message: message.to_owned(),
            location: None,
        }
    }

    /// A panic just caught on this thread.
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        RunFailure {
            message: message.to_owned(),
            location: LAST_PANIC.take(),
        }
    }
}

impl From<RunFailure> for Exit {
    /// What a child tells of its own.
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

/// The name of threads that run scenarios. Every panic on them is caught.
pub(crate) const LOOP_THREAD: &str = "loop";

/// Keeps a scenario's panic for the report, which says in one line what and
/// where it was. Any other panic is ours and printed as usual, unless its message
/// would look like lines of the log: it may have in it what a client sent. A process
/// that serves has it in its log, in one line: to print it would wait for a reader.
pub(crate) fn install_panic_hook() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string);
        LAST_PANIC.set(place.clone());
        if thread::current().name() == Some(LOOP_THREAD) {
            return;
        }
        let message = panic.payload_as_str().unwrap_or_default();
        if logging::is_started() {
            let place = place.as_deref().unwrap_or(UNKNOWN_PLACE);
            let thread = thread::current();
            return logging::panic(place, thread.name().unwrap_or("unnamed"), message);
        }
        match in_one_line(message, place) {
            Some(line) => {
                // Nobody is left to be told if it cannot be written.
                let _ = io::stderr().write_all(line.as_bytes());
            }
            None => print(panic),
        }
    }));
}

const UNKNOWN_PLACE: &str = "an unknown place";

/// A panic whose message has control characters, without them.
fn in_one_line(message: &str, place: Option<String>) -> Option<String> {
    if !message.contains(char::is_control) {
        return None;
    }
    let place = place.unwrap_or_else(|| UNKNOWN_PLACE.to_owned());
    Some(format!("panicked at {place}: {}\n", message.escape_debug()))
}

/// Where in the code the panic was that was just caught on this thread.
pub(crate) fn take_panic_location() -> Option<String> {
    LAST_PANIC.take()
}

thread_local! {
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_look_like_a_line_of_the_log() {
        assert_eq!(in_one_line("bad name Ada", None), None, "as usual");
        let line = in_one_line("bad name x\nERROR id=1", Some("src/a.rs:1:2".to_owned()));
        assert_eq!(
            line.as_deref(),
            Some("panicked at src/a.rs:1:2: bad name x\\nERROR id=1\n")
        );
    }
}
