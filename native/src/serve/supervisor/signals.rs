//! What a supervisor is asked for by signals.

use super::commands::Command;
use crate::{error::Error, interrupt::Signal};
use nix::sys::signal::Signal::{SIGTTIN, SIGTTOU};
use std::io::{self, IsTerminal};
use tokio::signal::unix::{self, SignalKind, signal};

/// The signals that came and are not answered yet.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    more: unix::Signal,
    fewer: unix::Signal,
    /// Whether somebody looked on at the start.
    had_terminal: bool,
}

impl Signals {
    /// From now on no signal is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if the system has no room for that.
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

    /// The next one.
    pub(crate) async fn next(&mut self) -> Command {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Command::Stop(Signal::Interrupt),
            _ = self.terminate.recv() => Command::Stop(Signal::Terminate),
            _ = self.hangup.recv() => {
                // The same signal says that the terminal is gone. Whoever wants the
                // service to outlive it starts it without one.
                if self.had_terminal && !has_terminal() {
                    Command::Stop(Signal::Hangup)
                } else {
                    Command::Reload
                }
            }
            _ = self.more.recv() => Command::More,
            _ = self.fewer.recv() => Command::Fewer,
        }
    }

    /// The next one that asks to end. Others are for when there is something to
    /// change.
    pub(crate) async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                Command::Stop(signal) => return signal,
                Command::Reload => return Signal::Hangup,
                Command::More | Command::Fewer => {}
            }
        }
    }
}

fn has_terminal() -> bool {
    io::stderr().is_terminal()
}
