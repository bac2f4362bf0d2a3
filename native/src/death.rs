//! Why a run ended before its scenario did.

use highwater::platform::Exit;
use std::{any::Any, cell::Cell, fmt, panic, thread};

/// What a run died of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    /// What the panic said.
    pub(crate) message: String,
    /// Where in the code it was, if known.
    location: Option<String>,
}

impl Death {
    /// A death that is no panic.
    pub(crate) fn new(message: &str) -> Self {
        Death {
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
        Death {
            message: message.to_owned(),
            location: LAST_PANIC.take(),
        }
    }
}

impl From<Death> for Exit {
    /// What a child tells of its own.
    fn from(death: Death) -> Self {
        Exit::Bug {
            message: death.message,
            location: death.location,
        }
    }
}

impl fmt::Display for Death {
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
/// where it was. Any other panic is ours and printed as usual.
pub(crate) fn keep_panics_for_the_report() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        LAST_PANIC.set(panic.location().map(ToString::to_string));
        if thread::current().name() != Some(LOOP_THREAD) {
            print(panic);
        }
    }));
}

/// Where in the code the panic was that was just caught on this thread.
pub(crate) fn place_of_last_panic() -> Option<String> {
    LAST_PANIC.take()
}

thread_local! {
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}
