//! The signals that a supervisor handles, as [`SupervisorCommand`]s.

use super::commands::SupervisorCommand;
use crate::{error::Error, interrupt::Signal};
use nix::sys::signal::Signal::{SIGTTIN, SIGTTOU};
use std::io::{self, IsTerminal};
use tokio::signal::unix::{self, SignalKind, signal};

/// The pending signals of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    more: unix::Signal,
    fewer: unix::Signal,
    /// True if this process was started from a terminal.
    had_terminal: bool,
}

impl Signals {
    /// Starts to catch signals.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if the system cannot register the handlers.
    pub(crate) fn new() -> Result<Self, Error> {
        let by_number = |signal| SignalKind::from_raw(signal as i32);
        let signals = || {
            Ok(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                more: signal(by_number(SIGTTIN))?,
                fewer: signal(by_number(SIGTTOU))?,
                had_terminal: has_terminal(),
            })
        };
        signals().map_err(Error::Runtime)
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> SupervisorCommand {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => SupervisorCommand::Stop(Signal::Interrupt),
            _ = self.terminate.recv() => SupervisorCommand::Stop(Signal::Terminate),
            _ = self.hangup.recv() => {
                // `SIGHUP` also means that the terminal was closed. A service that is to
                // outlive its terminal is started without one.
                if self.had_terminal && !has_terminal() {
                    SupervisorCommand::Stop(Signal::Hangup)
                } else {
                    SupervisorCommand::Reload
                }
            }
            _ = self.more.recv() => SupervisorCommand::More,
            _ = self.fewer.recv() => SupervisorCommand::Fewer,
        }
    }

    /// Waits for the next signal that ends a program without workers.
    pub(crate) async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                SupervisorCommand::Stop(signal) => return signal,
                SupervisorCommand::Reload => return Signal::Hangup,
                SupervisorCommand::More | SupervisorCommand::Fewer => {}
            }
        }
    }
}

fn has_terminal() -> bool {
    io::stderr().is_terminal()
}
