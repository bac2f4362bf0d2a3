//! Ending on request.

use crate::error::Error;
use std::process::ExitCode;

/// Runs a command, unless it is interrupted first.
///
/// The command is then dropped where it stands, which removes its temporary
/// files. A scenario's thread may be held by blocking work and is not waited
/// for: it ends with the process.
pub(crate) async fn unless_interrupted(
    command: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    tokio::select! {
        biased;
        signal = interrupted() => Ok(ExitCode::from(signal.exit_code())),
        outcome = command => outcome,
    }
}

/// What asked the process to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
}

impl Signal {
    /// As shells report a process that a signal ended: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }
}

/// Completes when the process is asked to end.
pub(crate) async fn interrupted() -> Signal {
    tokio::select! {
        () = ctrl_c() => Signal::Interrupt,
        () = terminate() => Signal::Terminate,
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be set: the system's default ends the process.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
