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
    /// The terminal is gone.
    Hangup,
    /// The terminal wants a core dump: Ctrl-\.
    Quit,
    /// The processor time that is allowed is used up.
    CpuLimit,
}

impl Signal {
    /// As shells report a process that a signal ended: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
            Signal::Hangup => 129,
            Signal::Quit => 131,
            Signal::CpuLimit => 152,
        }
    }
}

/// Completes when the process is asked to end.
pub(crate) async fn interrupted() -> Signal {
    tokio::select! {
        () = ctrl_c() => Signal::Interrupt,
        () = terminate() => Signal::Terminate,
        () = hangup() => Signal::Hangup,
        () = quit() => Signal::Quit,
        () = cpu_limit() => Signal::CpuLimit,
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
    receive(tokio::signal::unix::SignalKind::terminate()).await;
}

#[cfg(unix)]
async fn hangup() {
    receive_unless_ignored(nix::sys::signal::Signal::SIGHUP).await;
}

#[cfg(unix)]
async fn quit() {
    receive_unless_ignored(nix::sys::signal::Signal::SIGQUIT).await;
}

#[cfg(unix)]
async fn cpu_limit() {
    receive_unless_ignored(nix::sys::signal::Signal::SIGXCPU).await;
}

/// Waits for a signal, unless whoever started the process wants it to be ignored, as
/// `nohup` does.
#[cfg(unix)]
async fn receive_unless_ignored(signal: nix::sys::signal::Signal) {
    if is_ignored(signal) {
        return std::future::pending().await;
    }
    receive(tokio::signal::unix::SignalKind::from_raw(signal as i32)).await;
}

#[cfg(unix)]
async fn receive(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Whether a signal is ignored. Only Linux tells without a call that is unsafe.
#[cfg(unix)]
fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A bit for each signal, from 1.
    let bit = 1_u64 << (signal as i32 - 1);
    ignored
        .is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & bit != 0))
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

#[cfg(not(unix))]
async fn hangup() {
    std::future::pending().await
}

#[cfg(not(unix))]
async fn quit() {
    std::future::pending().await
}

#[cfg(not(unix))]
async fn cpu_limit() {
    std::future::pending().await
}
