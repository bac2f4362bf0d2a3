//! Signals that terminate a command.

use crate::error::Error;
use std::process::ExitCode;

/// Runs a command until it completes or a signal arrives.
///
/// On a signal, the command is dropped, which removes its temporary files. A blocked
/// scenario thread is not joined: it exits with the process.
pub(crate) async fn run_until_signal(
    command: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    tokio::select! {
        biased;
        signal = interrupted() => Ok(ExitCode::from(signal.exit_code())),
        outcome = command => outcome,
    }
}

/// A termination signal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// SIGINT, sent by Ctrl-C.
    Interrupt,
    /// SIGTERM, sent by service managers.
    Terminate,
    /// SIGHUP, sent when the terminal is closed.
    Hangup,
    /// SIGQUIT, sent by Ctrl-\.
    Quit,
    /// SIGXCPU, sent when the CPU time limit is exceeded.
    CpuLimit,
}

impl Signal {
    /// Returns 128 plus the signal number, by shell convention.
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

/// Waits for a termination signal.
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
        // Without a handler, the default action terminates the process.
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

/// Waits for a signal. Never completes if the signal is ignored, as under `nohup`.
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

/// Returns whether a signal is ignored. Only Linux reports this without unsafe code.
#[cfg(unix)]
fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored_mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is bit 0.
    let bit = 1_u64 << (signal as i32 - 1);
    ignored_mask
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
