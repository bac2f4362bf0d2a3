//! The supervisor's commands, which are sent as signals.

use crate::{error::Error, interrupt::Signal};
use nix::sys::signal::Signal::{SIGTTIN, SIGTTOU};
use std::io::{self, IsTerminal};
use tokio::signal::unix::{self, SignalKind, signal};

/// A command to the supervisor.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) enum SupervisorCommand {
    /// Shut down.
    Stop(Signal),
    /// Replace all workers.
    Reload,
    /// Add one worker.
    AddWorker,
    /// Remove one worker.
    RemoveWorker,
}

/// The signal handlers of this process.
#[derive(Debug)]
pub(in crate::serve) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    add_worker: unix::Signal,
    remove_worker: unix::Signal,
    /// True if this process was started from a terminal.
    had_terminal: bool,
}

impl Signals {
    /// Starts catching signals.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if the system cannot register the handlers.
    pub(in crate::serve) fn new() -> Result<Self, Error> {
        let by_number = |signal| SignalKind::from_raw(signal as i32);
        let signals = || {
            Ok(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                add_worker: signal(by_number(SIGTTIN))?,
                remove_worker: signal(by_number(SIGTTOU))?,
                had_terminal: has_terminal(),
            })
        };
        signals().map_err(Error::Runtime)
    }

    /// Waits for the next signal.
    pub(in crate::serve) async fn next(&mut self) -> SupervisorCommand {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => SupervisorCommand::Stop(Signal::Interrupt),
            _ = self.terminate.recv() => SupervisorCommand::Stop(Signal::Terminate),
            _ = self.hangup.recv() => {
                // `SIGHUP` is also sent when the terminal is closed. A service that must
                // outlive its terminal is started without one.
                if self.had_terminal && !has_terminal() {
                    SupervisorCommand::Stop(Signal::Hangup)
                } else {
                    SupervisorCommand::Reload
                }
            }
            _ = self.add_worker.recv() => SupervisorCommand::AddWorker,
            _ = self.remove_worker.recv() => SupervisorCommand::RemoveWorker,
        }
    }

    /// Waits for the next signal that stops a program without workers.
    pub(in crate::serve) async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                SupervisorCommand::Stop(signal) => return signal,
                SupervisorCommand::Reload => return Signal::Hangup,
                SupervisorCommand::AddWorker | SupervisorCommand::RemoveWorker => {}
            }
        }
    }
}

fn has_terminal() -> bool {
    io::stderr().is_terminal()
}
