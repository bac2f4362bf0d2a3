//! The signals that a server process handles.

#[cfg(unix)]
pub(crate) use unix::{Signals, SupervisorCommand};

#[cfg(not(unix))]
pub(crate) use other_platforms::Signals;

/// A signal that stops a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StopSignal {
    /// SIGINT, sent by Ctrl-C.
    Interrupt,
    /// SIGTERM, sent by service managers.
    #[cfg(unix)]
    Terminate,
    /// SIGHUP, sent when the terminal is closed.
    #[cfg(unix)]
    Hangup,
}

impl StopSignal {
    /// Returns 128 plus the signal number, by shell convention.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            StopSignal::Interrupt => 130,
            #[cfg(unix)]
            StopSignal::Terminate => 143,
            #[cfg(unix)]
            StopSignal::Hangup => 129,
        }
    }
}

#[cfg(unix)]
mod unix {
    use super::StopSignal;
    use crate::error::Error;
    use nix::sys::signal::Signal::{SIGTTIN, SIGTTOU};
    use std::io::{self, IsTerminal};
    use tokio::signal::unix::{self, SignalKind, signal};

    /// A command to the supervisor, which is sent as a signal.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum SupervisorCommand {
        /// Shut down.
        Stop(StopSignal),
        /// Replace all workers.
        Reload,
        /// Add one worker.
        AddWorker,
        /// Remove one worker.
        RemoveWorker,
    }

    /// The signal handlers of this process.
    #[derive(Debug)]
    pub(crate) struct Signals {
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
        pub(crate) fn new() -> Result<Self, Error> {
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
        pub(crate) async fn next(&mut self) -> SupervisorCommand {
            tokio::select! {
                biased;
                _ = self.interrupt.recv() => SupervisorCommand::Stop(StopSignal::Interrupt),
                _ = self.terminate.recv() => SupervisorCommand::Stop(StopSignal::Terminate),
                _ = self.hangup.recv() => {
                    // `SIGHUP` is also sent when the terminal is closed. A service that
                    // must outlive its terminal is started without one.
                    if self.had_terminal && !has_terminal() {
                        SupervisorCommand::Stop(StopSignal::Hangup)
                    } else {
                        SupervisorCommand::Reload
                    }
                }
                _ = self.add_worker.recv() => SupervisorCommand::AddWorker,
                _ = self.remove_worker.recv() => SupervisorCommand::RemoveWorker,
            }
        }

        /// Waits for the next signal that stops a cluster. Before its workers have started,
        /// the others have no effect.
        pub(crate) async fn stop_cluster(&mut self) -> StopSignal {
            loop {
                if let SupervisorCommand::Stop(signal) = self.next().await {
                    return signal;
                }
            }
        }

        /// Waits for the next signal that stops a program without workers.
        pub(crate) async fn stop(&mut self) -> StopSignal {
            loop {
                match self.next().await {
                    SupervisorCommand::Stop(signal) => return signal,
                    SupervisorCommand::Reload => return StopSignal::Hangup,
                    SupervisorCommand::AddWorker | SupervisorCommand::RemoveWorker => {}
                }
            }
        }
    }

    fn has_terminal() -> bool {
        io::stderr().is_terminal()
    }
}

#[cfg(not(unix))]
mod other_platforms {
    use super::StopSignal;
    use crate::error::Error;

    /// The signal that stops the server: Ctrl-C.
    #[derive(Debug)]
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn new() -> Result<Self, Error> {
            Ok(Signals)
        }

        pub(crate) async fn stop(&mut self) -> StopSignal {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler, the default action terminates the process.
                std::future::pending::<()>().await;
            }
            StopSignal::Interrupt
        }
    }
}
